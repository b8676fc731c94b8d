/**
 * Starting the programs as processes of their own, with the permissions that their tasks have.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { netPermission } from "./net_permission.ts";

/** The programs that can be started. */
export type Script =
  | "producer.ts"
  | "inventory.ts"
  | "analytics.ts"
  | "lag.ts"
  | "replay.ts";

/** A program that runs. */
export interface Running {
  /** Its process id. */
  pid: number;
  /** Sends a signal; does nothing once it has ended. */
  kill(signal: Deno.Signal): void;
  /** How it ended: exit code and all it wrote. */
  ended: Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

/**
 * Limits of the heap, in MB, for programs whose memory does not grow with what they have seen. Far
 * above what they need, but the garbage collector looks sooner: 220 MB resident instead of 280.
 */
const HEAP_LIMITS_MB: Partial<Record<Script, number>> = {
  "producer.ts": 1024,
  "inventory.ts": 512,
};
const ROOT = new URL("../../", import.meta.url);
const ENVIRONMENT = "KAFKA_BROKERS,TOPIC_PREFIX,NODE_ENV,KAFKAJS_*";

/**
 * The arguments of `deno` that run a program with the permissions that its task has; those of the
 * program itself follow.
 *
 * @param files What it may read, and write if it writes at all.
 */
export function commandOf(
  script: Script,
  { brokers, files }: { brokers: string; files: string[] },
): string[] {
  const limitMb = HEAP_LIMITS_MB[script];
  return [
    "run",
    "--no-prompt",
    `--allow-net=${netPermission(brokers)}`,
    `--allow-env=${ENVIRONMENT}`,
    `--allow-read=${files.join(",")}`,
    ...(script === "analytics.ts" ? [`--allow-write=${files.join(",")}`] : []),
    ...(limitMb === undefined ? [] : [`--v8-flags=--max-old-space-size=${limitMb}`]),
    fileURLToPath(new URL(script, ROOT)),
    "--brokers",
    brokers,
  ];
}

/**
 * Starts a program with the `deno` that runs this one.
 *
 * @param onLine Called for each line it writes to stderr, as it comes.
 */
export function launch(
  script: Script,
  args: readonly string[],
  { brokers, files = ["."], onLine = () => {} }: {
    brokers: string;
    files?: string[];
    onLine?: (line: string) => void;
  },
): Running {
  const child = new Deno.Command(Deno.execPath(), {
    cwd: ROOT,
    args: [...commandOf(script, { brokers, files }), ...args],
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
