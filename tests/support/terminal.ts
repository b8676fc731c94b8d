/**
 * Terminals to run tasks in, as people do.
 *
 * @module
 */
import { freshEnvironment } from "./checkout.ts";

/** The keys that interrupt and suspend. */
export const CTRL_C = "\x03";
export const CTRL_Z = "\x1a";

/** The command line of a task. */
export function task(words: string): string {
  return `'${Deno.execPath()}' task --quiet ${words}`;
}

/** A command in a terminal, by `script` of util-linux. */
export interface Terminal {
  /** All that it has shown. */
  text(): string;
  /** Types. */
  type(keys: string): Promise<void>;
  /** Closes the terminal, as its window's button does. */
  close(): void;
  /** Its exit code. */
  ended: Promise<number>;
}

/**
 * Opens a terminal for a command.
 *
 * @param size Its columns and rows; 0 for both is a terminal that does not know its size.
 */
export function openTerminal(
  command: string,
  { cwd = ".", env = {}, size: [columns, rows] = [0, 0] }: {
    cwd?: string;
    env?: Record<string, string>;
    size?: readonly [number, number];
  } = {},
): Terminal {
  const process = new Deno.Command("script", {
    cwd,
    args: [
      ...["--quiet", "--return", "--flush", "--command"],
      `stty cols ${columns} rows ${rows}; exec ${command}`,
      "/dev/null",
    ],
    clearEnv: true,
    env: { ...freshEnvironment(), NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const reading = (async () => {
    for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  const keys = process.stdin.getWriter();
  return {
    text: () => text,
    type: (typed) => keys.write(new TextEncoder().encode(typed)),
    close: () => process.kill("SIGKILL"),
    ended: process.status.then(async ({ code }) => {
      await reading;
      await keys.close().catch(() => {});
      return code;
    }),
  };
}
