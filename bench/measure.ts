/**
 * Measuring whole processes: how long they take with their start, how much processor time and memory.
 *
 * Every process runs under the same few lines of shell, which report its processor time at the end
 * and pass SIGTERM on.
 *
 * Permissions: `--allow-run=sh,ps`.
 *
 * @module
 */
import { collect } from "../lib/cli/launch.ts";

/** What is run. */
export interface Command {
  /** The program. */
  program: string;
  /** Its words. */
  args: string[];
  /** Variables besides those that the benchmark itself has. */
  env?: Record<string, string>;
}

/** How a process ended. */
export interface Measurement {
  /** From just before its start until just after its end. */
  seconds: number;
  /** Its processor time, that of the system for it included. */
  cpuSeconds: number;
  /** 0 when it was content. */
  exitCode: number;
  /** What it wrote. */
  stdout: string;
  /** What else it wrote. */
  stderr: string;
}

/** A process that runs. */
export interface Running {
  /** The shell that is its parent. */
  shellPid: number;
  /** Asks it to end; does nothing once it has. */
  stop(): void;
  /** How it ended. */
  ended: Promise<Measurement>;
}

/** A child in the background, as a shell that waits for one in the foreground hears no signal. */
const SHELL = `
"$@" & child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
times >&2
exit "$code"`;

/**
 * Starts a process.
 *
 * @param onLine Called for each line that it writes to stderr, as it comes.
 */
export function start(
  { program, args, env = {} }: Command,
  onLine: (line: string) => void = () => {},
): Running {
  const startedMs = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", SHELL, "sh", program, ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr, onLine);
  let running = true;
  const ended = child.status.then(async ({ code }) => {
    const seconds = (performance.now() - startedMs) / 1_000;
    running = false;
    const { text, cpuSeconds } = splitTimes(await stderr);
    return { seconds, cpuSeconds, exitCode: code, stdout: await stdout, stderr: text };
  });
  return { shellPid: child.pid, stop: () => running && child.kill("SIGTERM"), ended };
}

/** Takes the two lines of the shell's `times` from the end of stderr; the second is the child's. */
export function splitTimes(stderr: string): { text: string; cpuSeconds: number } {
  const time = String.raw`(\d+)m([\d.]+)s (\d+)m([\d.]+)s`;
  const match = new RegExp(String.raw`(?:^|\n)${time}\n${time}\s*$`).exec(stderr);
  if (match === null) return { text: stderr, cpuSeconds: NaN };
  const [userMinutes, userSeconds, systemMinutes, systemSeconds] = match.slice(5).map(Number);
  return {
    text: stderr.slice(0, match.index),
    cpuSeconds: (userMinutes! + systemMinutes!) * 60 + userSeconds! + systemSeconds!,
  };
}

/** Resident memory of a process over its life, in MB (10^6 bytes). */
export interface Memory {
  /** The highest sample. */
  peakMb: number;
  /** The median of the samples of the second half of its life. */
  steadyMb: number;
}

/** Looks at the resident memory of a process four times a second until it ends. */
export async function watchMemory({ shellPid, ended }: Running): Promise<Memory | undefined> {
  let running = true;
  ended.finally(() => running = false);
  const samplesMb: number[] = [];
  while (running) {
    const { stdout } = await new Deno.Command("ps", {
      args: ["-o", "rss=", "--ppid", String(shellPid)],
      stderr: "null",
    }).output();
    const kib = Number(new TextDecoder().decode(stdout).trim());
    if (kib > 0) samplesMb.push(kib * 1_024 / 1e6);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return memoryOf(samplesMb);
}

/** Peak and steady state of samples; `undefined` when there are none. */
export function memoryOf(samplesMb: readonly number[]): Memory | undefined {
  if (samplesMb.length === 0) return undefined;
  const secondHalf = samplesMb.slice(Math.floor(samplesMb.length / 2));
  return { peakMb: Math.max(...samplesMb), steadyMb: spreadOf(secondHalf)!.median };
}

/** What several measurements of one thing say. */
export interface Spread {
  /** The middle one; between the two middle ones of an even number. */
  median: number;
  /** The smallest. */
  min: number;
  /** The largest. */
  max: number;
  /** How many there are. */
  count: number;
}

/** The spread of some numbers; `undefined` when there are none. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length };
}

/** How much can be done each second when each step takes its own time, one after the other. */
export function inSeries(...perSecond: number[]): number {
  return 1 / perSecond.reduce((sum, rate) => sum + 1 / rate, 0);
}
