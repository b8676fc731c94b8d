/**
 * What the terminal is able to show.
 *
 * @module
 */

/** Whether a stream is a terminal that understands escape sequences: one with `TERM=dumb` does not. */
export function takesEscapes(stream: typeof Deno.stdout | typeof Deno.stderr): boolean {
  return stream.isTerminal() && Deno.env.get("TERM") !== "dumb";
}

/** The size of the terminal, in characters; terminals that do not know theirs count as 80 × 24. */
export function terminalSize(): { columns: number; rows: number } {
  const { columns, rows } = Deno.consoleSize();
  return { columns: columns || 80, rows: rows || 24 };
}

/**
 * Whether the program was started by `deno task` itself. That neither stops with Ctrl-Z nor gives the
 * terminal back when the program stops; `npx … task` does.
 */
export function isUnderDenoTask(): boolean {
  return Deno.env.get("npm_config_user_agent")?.startsWith("deno/") === true;
}
