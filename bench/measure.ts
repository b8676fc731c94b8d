/**
 * Measures whole processes: wall-clock time including the start, processor time and memory.
 *
 * Every process runs under a small shell script that prints its processor time at the end and forwards
 * SIGTERM.
 *
 * Permissions: `--allow-run=sh,ps`.
 *
 * @module
 */
import { collect } from "../lib/cli/launch.ts";

/** A program with its arguments. */
export interface Command {
  /** Path or name of the executable. */
  program: string;
  /** Arguments after the executable. */
  args: string[];
}

/** How a process ended. */
export interface Measurement {
  /** Wall-clock time from just before its start until just after its end. */
  seconds: number;
  /** User and system time; NaN if the shell did not report it. */
  cpuSeconds: number;
  /** 0 on success. */
  exitCode: number;
  /** All output to stdout. */
  stdout: string;
  /** All output to stderr. */
  stderr: string;
}

/** A running process. */
export interface Running {
  /** Process id of the shell that is its parent. */
  shellPid: number;
  /** Sends SIGTERM; does nothing after it has exited. */
  stop(): void;
  /** Resolves when it has exited. */
  ended: Promise<Measurement>;
}

/** The child runs in the background: a shell runs traps only after a foreground child has exited. */
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
 * @param onLine Called with each line of stderr as it is written.
 */
export function start(
  { program, args }: Command,
  onLine: (line: string) => void = () => {},
): Running {
  const startedMs = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", SHELL, "sh", program, ...args],
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

/** Splits the two lines of the shell's `times` from the end of stderr; the second is the child's. */
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

/** Samples the resident memory of a process four times a second until it exits. */
export async function watchMemory(running: Running): Promise<Memory | undefined> {
  return memoryOf(await Array.fromAsync(memorySamples(running)));
}

/** The resident memory of a process in MB, four times a second until it exits. */
export async function* memorySamples({ shellPid, ended }: Running): AsyncGenerator<number> {
  let running = true;
  ended.finally(() => running = false);
  while (running) {
    const { stdout } = await new Deno.Command("ps", {
      args: ["-o", "rss=", "--ppid", String(shellPid)],
      stderr: "null",
    }).output();
    const kib = Number(new TextDecoder().decode(stdout).trim());
    if (kib > 0) yield kib * 1_024 / 1e6;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Peak and steady state of samples; `undefined` if there are none. */
export function memoryOf(samplesMb: readonly number[]): Memory | undefined {
  if (samplesMb.length === 0) return undefined;
  const secondHalf = samplesMb.slice(Math.floor(samplesMb.length / 2));
  return { peakMb: Math.max(...samplesMb), steadyMb: spreadOf(secondHalf)!.median };
}

/** Median and range of several measurements. */
export interface Spread {
  /** The middle value, or the mean of the two middle values. */
  median: number;
  /** The smallest value. */
  min: number;
  /** The largest value. */
  max: number;
  /** Number of measurements. */
  count: number;
}

/** Median and range of the values; `undefined` if there are none. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length };
}

/** Combined rate of steps that run one after the other. */
export function inSeries(...perSecond: number[]): number {
  return 1 / perSecond.reduce((sum, rate) => sum + 1 / rate, 0);
}
