/**
 * Prints results to stdout and everything else to stderr.
 *
 * @module
 */
import { getColorEnabled, red, yellow } from "@std/fmt/colors";
import { visible, visibleLines } from "../visible_text.ts";
import { fileProblem, notPermitted } from "./file_access.ts";

const encoder = new TextEncoder();

/** The codes of the colours and styles that the programs use. */
// deno-lint-ignore no-control-regex
const COLOUR = /(\x1b\[(?:1|2|22|3[1-9])m)/;

/** The text with line breaks, tabs and, if they are on, colours; see {@linkcode visible}. */
export function printableText(text: string): string {
  return exceptColours(text, visibleLines);
}

function exceptColours(text: string, show: (text: string) => string): string {
  if (!getColorEnabled()) return show(text);
  return text.split(COLOUR).map((part, index) => index % 2 === 1 ? part : show(part)).join("");
}

/**
 * Writes a line of the result, or several, to stdout.
 *
 * @throws {Error} When it cannot be written, as on a full disk.
 */
export function printResult(text: string): void {
  try {
    writeAll(Deno.stdout, printableText(text) + "\n");
  } catch (error) {
    throw new Error(`cannot write the result to stdout: ${fileProblem(error)}`);
  }
}

/**
 * Writes any other line, such as progress, to stderr. A message never stops the work: when it cannot be
 * written, because the disk is full or the terminal is closed, it is dropped.
 */
export function printNote(line: string): void {
  try {
    writeAll(Deno.stderr, exceptColours(line, visible) + "\n");
  } catch {
    // There is no other place to report it.
  }
}

/** Writes a warning line to stderr. */
export function printWarning(line: string): void {
  printNote(`${yellow("warning:")} ${visible(line)}`);
}

/**
 * Writes an error to stderr. Further lines are indented, so that no text in it looks like another
 * message.
 */
export function printError(message: string): void {
  const [first = "", ...others] = message.split("\n").map(visible);
  printNote(`${red("error:")} ${first}`);
  others.forEach((line) => printNote(`  ${line}`));
}

/** Writes a whole text, however little the terminal or the pipe takes at a time. */
export function writeAll(to: typeof Deno.stdout, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += to.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    // The reader has closed the pipe, as `… | head` does; drop the output.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    if (to === Deno.stdout) onReaderGone();
  }
}

let onReaderGone = () => {};

/** Sets what happens when the reader of stdout has closed the pipe; nothing by default. */
export function whenReaderGone(run: () => void): void {
  onReaderGone = run;
}

/** The message of an error, followed by those of its causes that add something. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Deno.errors.NotCapable) return notPermitted(error);
  const cause = error.cause instanceof Error ? describeError(error.cause) : "";
  return cause === "" || error.message.includes(cause)
    ? error.message
    : `${error.message}: ${cause}`;
}
