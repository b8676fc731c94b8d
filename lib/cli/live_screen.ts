/**
 * A screen that is refreshed in place, as `top` does it.
 *
 * It is the terminal's alternate screen, so what was there before comes back at the end, however the
 * program ends. Each frame is one write that overwrites the last one: nothing flickers.
 *
 * @module
 */

/** Alternate screen, no cursor, and no wrapping: a line that is too long must not become two. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE_END = "\x1b[K";
const CLEAR_SCREEN_END = "\x1b[J";

/** A frame as it is written; what does not fit the height is left out, and that is said. */
export function frameText(text: string, rows: number): string {
  const lines = text.split("\n");
  const shown = lines.length <= rows
    ? lines
    : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
  return HOME + shown.map((line) => line + CLEAR_LINE_END).join("\r\n") + CLEAR_SCREEN_END;
}

/** The terminal at stdout, for as long as it is refreshed. */
export class LiveScreen {
  #open = false;

  /** Shows a text in place of the one before. */
  show(text: string): void {
    const { rows } = Deno.consoleSize();
    // Not even a second Ctrl-C, which quits at once, may leave a terminal without a cursor.
    if (!this.#open) globalThis.addEventListener("unload", this.close);
    write((this.#open ? "" : ENTER) + frameText(text, rows));
    this.#open = true;
  }

  /** Gives the terminal back as it was. */
  close = (): void => {
    if (this.#open) write(LEAVE);
    this.#open = false;
    globalThis.removeEventListener("unload", this.close);
  };
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}
