/**
 * A screen that is refreshed in place, as by `top`.
 *
 * It uses the terminal's alternate screen, so the previous content is restored however the program
 * ends. The modes of the terminal stay as they are, so a shell that gets it after Ctrl-Z can use it.
 * Each frame is one write that overwrites the previous one, so it does not flicker.
 *
 * @module
 */
import { printableText, writeAll } from "./output.ts";
import { takesEscapes, terminalSize } from "./terminal.ts";
import { folded } from "./text.ts";

const ENTER = "\x1b[?1049h";
// After Ctrl-Z: another program may have left it. Keeps the cursor that is restored at the end.
const ENTER_AGAIN = "\x1b[?1047h";
const LEAVE = "\x1b[?1049l";
const HOME = "\x1b[H";
// Before the line: after one that fills its row it would clear the last character.
const CLEAR_LINE = "\x1b[K";
const CLEAR_SCREEN_END = "\r\n\x1b[J";

/** What a frame shows. */
export interface Frame {
  /** The content, for a terminal of this many columns. */
  text(columns: number): string;
  /** The last line, which is always shown. */
  footer: string;
  /** What to do when the content does not fit. */
  hint: string;
}

/** The bytes of a frame as text: lines that are too long are folded, those that are too many counted. */
export function frameText(
  { text, footer, hint }: Frame,
  { columns, rows }: { columns: number; rows: number },
): string {
  const fold = (lines: string) => lines.split("\n").flatMap((line) => folded(line, columns));
  const body = fold(printableText(text(columns)));
  const last = fold(printableText(footer));
  let shown = [...body, "", ...last];
  if (shown.length > rows) {
    const kept = Math.max(0, rows - last.length - 1);
    const count = `… ${body.length - kept} more lines`;
    const withHint = `${count}; ${hint}`;
    const more = withHint.length <= columns ? withHint : count;
    shown = [...body.slice(0, kept), ...fold(more), ...last].slice(0, rows);
  }
  const end = shown.length < rows ? CLEAR_SCREEN_END : "";
  return HOME + shown.map((line) => CLEAR_LINE + line).join("\r\n") + end;
}

/** The terminal at stdout while it is refreshed. */
export class LiveScreen {
  #frame: Frame | undefined;

  /** A screen at stdout; `undefined` when that is not a terminal that can be refreshed. */
  static open(): LiveScreen | undefined {
    return takesEscapes(Deno.stdout) ? new LiveScreen() : undefined;
  }

  /** Replaces what is on the screen. */
  show(frame: Frame): void {
    if (this.#frame === undefined) {
      // Also restore the terminal after a second Ctrl-C, which quits at once.
      globalThis.addEventListener("unload", this.close);
      Deno.addSignalListener("SIGWINCH", this.#draw);
      Deno.addSignalListener("SIGCONT", this.#resume);
      writeAll(Deno.stdout, ENTER);
    }
    this.#frame = frame;
    this.#draw();
  }

  #draw = (): void => {
    if (this.#frame !== undefined) writeAll(Deno.stdout, frameText(this.#frame, terminalSize()));
  };

  #resume = (): void => {
    writeAll(Deno.stdout, ENTER_AGAIN);
    this.#draw();
  };

  /** Restores the terminal. */
  close = (): void => {
    if (this.#frame === undefined) return;
    this.#frame = undefined;
    writeAll(Deno.stdout, LEAVE);
    globalThis.removeEventListener("unload", this.close);
    Deno.removeSignalListener("SIGWINCH", this.#draw);
    Deno.removeSignalListener("SIGCONT", this.#resume);
  };
}
