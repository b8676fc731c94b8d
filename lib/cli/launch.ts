/**
 * Starting the programs as separate processes, with the command lines of their tasks in deno.json.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };

/** The programs that can be started. */
export type Script = `${
  | "producer"
  | "inventory"
  | "analytics"
  | "lag"
  | "replay"
  | "show"
  | "acls"
  | "dashboard"}.ts`;

/** A program that runs. */
export interface Running {
  pid: number;
  /** Sends a signal; does nothing once it has ended. */
  kill(signal: Deno.Signal): void;
  /** How it ended: exit code and all it wrote. */
  ended: Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The arguments of `deno` that run a program as its task does; those of the program follow.
 *
 * @param brokers Where the program connects, instead of `KAFKA_BROKERS`.
 */
export function commandOf(script: Script, brokers: string): string[] {
  const task = Object.values(config.tasks).find(({ command }) => command.endsWith(` ${script}`))!;
  const [, ...args] = task.command.split(" ");
  return [...args.slice(0, -1), `${ROOT}${script}`, "--brokers", brokers];
}

/**
 * Starts a program with the `deno` that runs this one.
 *
 * @param onLine Called for each line it writes to stderr, as it comes.
 * @param denoFlags Further flags of `deno run`.
 */
export function launch(
  script: Script,
  args: readonly string[],
  { brokers, onLine = () => {}, denoFlags = [] }: {
    brokers: string;
    onLine?: (line: string) => void;
    denoFlags?: readonly string[];
  },
): Running {
  const [run = "", ...others] = commandOf(script, brokers);
  const child = new Deno.Command(Deno.execPath(), {
    cwd: ROOT,
    // Its paths are those of this program, which a task may have started elsewhere.
    env: { INIT_CWD: ROOT },
    args: [run, ...denoFlags, ...others, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr, onLine);
  let running = true;
  const ended = child.status.then(async ({ code }) => {
    running = false;
    return { exitCode: code, stdout: await stdout, stderr: await stderr };
  });
  return {
    pid: child.pid,
    kill: (signal) => running && child.kill(signal),
    ended,
  };
}

/**
 * All that a process writes to a stream.
 *
 * @param onLine Called for each line as it comes.
 */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void = () => {},
): Promise<string> {
  let text = "";
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    lines.forEach((line) => onLine(line));
  }
  if (rest !== "") onLine(rest);
  return text;
}
