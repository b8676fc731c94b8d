/**
 * Prints results to stdout and everything else to stderr, there as text or as JSON.
 *
 * All text for a terminal passes through here, and what has no glyph is written out: names, ids and reasons
 * from elsewhere cannot steer the terminal. Results and painted notes keep colours: before text from
 * elsewhere stands in them, it has to be {@linkcode visible}. Messages have none.
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

/** How messages are printed. */
export interface MessageStyle {
  /** As JSON, one object a line. */
  json: boolean;
  /** Without notes. */
  quiet: boolean;
}

let style: MessageStyle = { json: false, quiet: false };

/** Sets how messages are printed from now on; as text, notes included, by default. */
export function setMessageStyle(wanted: MessageStyle): void {
  style = wanted;
}

/** Figures of a message, by their names in JSON. */
export type Figures = Record<string, string | number>;

/** The text with line breaks, tabs and, if they are on, colours; see {@linkcode visible}. */
export function printableText(text: string): string {
  return exceptColours(text, visibleLines);
}

/** The line with colours, if they are on; see {@linkcode visible}. */
export function printableLine(line: string): string {
  return exceptColours(line, visible);
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
 * Writes a message that is neither result, warning nor error, such as progress.
 *
 * @param figures The figures in it, for JSON.
 */
export function printNote(message: string, figures: Figures = {}): void {
  if (!style.quiet) printMessage("info", message, figures);
}

/** As {@linkcode printNote}, with colours; text from elsewhere in it has to be visible already. */
export function printPaintedNote(message: string): void {
  if (!style.quiet) printMessage("info", message, {}, printableLine);
}

/** Writes a warning. */
export function printWarning(message: string): void {
  printMessage("warning", message);
}

/** Writes the error that ends the program. */
export function printError(message: string, figures: Figures = {}): void {
  printMessage("error", message, figures);
}

const LABELS = {
  info: () => "",
  warning: () => `${yellow("warning:")} `,
  error: () => `${red("error:")} `,
};

/**
 * A message never stops the work: when it cannot be written, because the disk is full or the terminal
 * is closed, it is dropped.
 */
function printMessage(
  level: keyof typeof LABELS,
  message: string,
  figures: Figures = {},
  show: (line: string) => string = visible,
): void {
  const text = style.json
    ? JSON.stringify({ time: new Date().toISOString(), level, message: message.trim(), ...figures })
    : message;
  // Further lines of an error are indented, so that no text in it looks like another message.
  const lines = level === "error" ? text.split("\n") : [text];
  const label = style.json ? "" : LABELS[level]();
  try {
    writeAll(Deno.stderr, `${label}${lines.map(show).join("\n  ")}\n`);
  } catch {
    // There is no other place to report it.
  }
}

/** The message in a line that a program printed with `--json`; any other line as it is. */
export function messageOf(line: string): string {
  try {
    const { level, message } = JSON.parse(line);
    return level === "info" ? message : `${level}: ${message}`;
  } catch {
    return line;
  }
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

/** The reader of stdout has closed the pipe: what was set for that happens. */
export function readerGone(): void {
  onReaderGone();
}

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
