/**
 * Where text goes: results to stdout, everything else to stderr.
 *
 * @module
 */
import { yellow } from "@std/fmt/colors";

const encoder = new TextEncoder();

/** Writes a line of result to stdout. */
export function printResult(line: string): void {
  writeLine(Deno.stdout, line);
}

/** Writes a line of anything else, such as progress, to stderr. */
export function printNote(line: string): void {
  writeLine(Deno.stderr, line);
}

/** Writes a warning line to stderr. */
export function printWarning(line: string): void {
  printNote(`${yellow("warning:")} ${line}`);
}

function writeLine(to: typeof Deno.stdout, line: string): void {
  const bytes = encoder.encode(line + "\n");
  try {
    for (let written = 0; written < bytes.length;) {
      written += to.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    // The reader has closed the pipe, as `… | head` does; drop the output.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** The message of an error with those of its causes that add something. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? describeError(error.cause) : "";
  return cause === "" || error.message.includes(cause)
    ? error.message
    : `${error.message}: ${cause}`;
}
