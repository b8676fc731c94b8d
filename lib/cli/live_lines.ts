/**
 * A few lines at the end of a terminal that are redrawn in place, with notes that scroll above them.
 *
 * The cursor always stands in the first column below the lines, and no mode of the terminal is
 * changed: however the program ends or is suspended, there is nothing to restore.
 *
 * @module
 */

import { printableLine, printNote, writeAll } from "./output.ts";
import { terminalSize } from "./terminal.ts";
import { wrapped } from "./text.ts";

/** Nothing is wider than this, in characters, however wide the terminal is. */
const MAX_COLUMNS = 80;

/** How wide a line may be: the width of the terminal, or 80 characters where there is more or none. */
export function lineColumns(to: typeof Deno.stdout | typeof Deno.stderr): number {
  return to.isTerminal() ? Math.min(MAX_COLUMNS, terminalSize().columns) : MAX_COLUMNS;
}

/** Cuts a line that is too long at its end, which takes its colours away. */
export function fitted(line: string, columns: number): string {
  // deno-lint-ignore no-control-regex
  const text = [...line.replace(/\x1b\[[\d;]*m/g, "")];
  return text.length <= columns ? line : `${text.slice(0, columns - 1).join("")}…`;
}

/** What replaces the last `drawn` lines of a terminal. */
export function redrawText(
  drawn: number,
  lines: readonly string[],
  { columns, rows }: { columns: number; rows: number },
): string {
  const up = drawn === 0 ? "" : `\x1b[${drawn}A\r`;
  // Lines above the first row could not be reached again.
  const shown = lines.slice(0, Math.max(0, rows - 1));
  return `${up}\x1b[J${shown.map((line) => `${fitted(line, columns)}\n`).join("")}`;
}

/** Lines at stderr that are redrawn on a terminal, and printed once at the end elsewhere. */
export class LiveLines {
  #lines: readonly string[] = [];
  #drawn = 0;
  #columns = 0;
  #isOpen = true;

  /** @param isLive Whether they are redrawn: it needs a terminal that understands escapes. */
  constructor(readonly isLive: boolean) {
    if (isLive) Deno.addSignalListener("SIGCONT", this.#forget);
  }

  /** Replaces the lines. */
  show(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    this.#lines = lines.map(printableLine);
    this.#draw("");
  }

  /** Prints a note above the lines. */
  note(text: string): void {
    const lines = wrapped(printableLine(text), lineColumns(Deno.stderr));
    if (this.#isOpen && this.isLive) this.#draw(`${lines.join("\n")}\n`);
    else lines.forEach((line) => printNote(line));
  }

  /** Leaves the lines as they are; notes follow below. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.isLive) Deno.removeSignalListener("SIGCONT", this.#forget);
    else this.#lines.forEach((line) => printNote(fitted(line, lineColumns(Deno.stderr))));
  }

  #draw(above: string): void {
    if (!this.isLive) return;
    const size = { rows: terminalSize().rows, columns: lineColumns(Deno.stderr) };
    // A terminal that was made narrower may have wrapped the lines: they stay, new ones follow.
    if (size.columns < this.#columns) this.#forget();
    this.#columns = size.columns;
    const erased = above === "" ? "" : redrawText(this.#drawn, [], size);
    const drawn = above === "" ? this.#drawn : 0;
    try {
      writeAll(Deno.stderr, erased + above + redrawText(drawn, this.#lines, size));
    } catch {
      // The terminal is closed; the work goes on.
    }
    this.#drawn = Math.min(this.#lines.length, size.rows - 1);
  }

  /** After Ctrl-Z and `fg`, what the shell has printed stands below the lines. */
  #forget = (): void => {
    this.#drawn = 0;
  };
}
