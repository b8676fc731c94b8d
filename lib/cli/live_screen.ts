/**
 * A screen that is refreshed in place, as by `top`.
 *
 * It uses the terminal's alternate screen, so the previous content is restored however the program
 * ends. Each frame is one write that overwrites the previous one, so it does not flicker.
 *
 * @module
 */
import { writeAll } from "./output.ts";

/** Alternate screen, no cursor, no wrapping: each line must take one row. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE_END = "\x1b[K";
const CLEAR_SCREEN_END = "\x1b[J";

/** Returns the bytes of a frame as text; lines beyond the height are replaced by their number. */
export function frameText(text: string, rows: number): string {
  const lines = text.split("\n");
  const shown = lines.length <= rows
    ? lines
    : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
  return HOME + shown.map((line) => line + CLEAR_LINE_END).join("\r\n") + CLEAR_SCREEN_END;
}

/** The terminal at stdout while it is refreshed. */
export class LiveScreen {
  #open = false;

  /** Replaces the text on the screen. */
  show(text: string): void {
    const { rows } = Deno.consoleSize();
    // Also restore the cursor after a second Ctrl-C, which quits at once.
    if (!this.#open) globalThis.addEventListener("unload", this.close);
    writeAll(Deno.stdout, (this.#open ? "" : ENTER) + frameText(text, rows));
    this.#open = true;
  }

  /** Restores the terminal. */
  close = (): void => {
    if (this.#open) writeAll(Deno.stdout, LEAVE);
    this.#open = false;
    globalThis.removeEventListener("unload", this.close);
  };
}
