/**
 * Stops the broker of a test run and deletes its data as soon as the run has ended, even by Ctrl-C
 * or `kill -9`.
 *
 * It is a process in its own session, as the run cannot clean up after its own death. It only
 * looks whether the run's process is there: a pipe or a lock would be closed with each test file,
 * since `deno test` gives every file its own isolate.
 *
 * ```
 * broker_guard.ts start PID DIR OPTIONS   starts the guard, then the broker, and prints its addresses
 * broker_guard.ts watch PID DIR           is the guard
 * ```
 *
 * @module
 */
import process from "node:process";
import { type ClusterOptions, startBroker, stopBroker } from "../../dev_broker/cluster.ts";
import { exists, removeIfThere } from "../../dev_broker/files.ts";
import { delay } from "../../lib/async.ts";
import { classArchiveFlags, makeClassArchive } from "./class_archive.ts";

/** The nodes, and further settings of all of them. */
export type GuardedOptions = Pick<ClusterOptions, "nodes" | "settings" | "nodeSettings">;

/** How long a broker may take to start, in milliseconds: many tests run side by side. */
export const START_LIMIT_MS = 240_000;

/** Many brokers wait most of the time: the metadata need not be written twice a second meanwhile. */
const IDLE_SETTINGS = { "metadata.max.idle.interval.ms": "5000" };

async function start(pid: number, dataDir: string, options: GuardedOptions): Promise<void> {
  // The guard comes first, so that nothing is left running whatever fails below.
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename!, "watch", String(pid), dataDir],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn().unref();
  await makeClassArchive(START_LIMIT_MS);
  const { brokers } = await startBroker(dataDir, {
    ...options,
    settings: { ...IDLE_SETTINGS, ...options.settings },
    javaFlags: await classArchiveFlags(),
    timeoutMs: START_LIMIT_MS,
    note: (line) => console.error(line),
  });
  // The guard may have ended before there was a broker to stop.
  if (!isThere(pid)) await cleanUp(dataDir);
  console.log(brokers);
}

async function watch(pid: number, dataDir: string): Promise<void> {
  while (isThere(pid) && await exists(dataDir)) await delay(250);
  await cleanUp(dataDir);
}

async function cleanUp(dataDir: string): Promise<void> {
  await stopBroker(dataDir);
  await removeIfThere(dataDir);
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const [command, pid, dataDir, options] = Deno.args;
  if (command === "start") start(Number(pid), dataDir!, JSON.parse(options!));
  else watch(Number(pid), dataDir!);
}
