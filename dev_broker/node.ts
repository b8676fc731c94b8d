/**
 * One node of the development broker: a Java process and its files.
 *
 * A process id counts only while that process has this node's `server.properties` on its command
 * line: after a crash the system may give the id to another program.
 *
 * `Deno.kill` needs permission to run any program, so processes are looked up and ended with the
 * system's own `ps` and `kill`.
 *
 * Permissions: `--allow-run=java,ps,kill`, `--allow-net=127.0.0.1`, `--allow-read` and
 * `--allow-write` for the data directory.
 *
 * @module
 */
import { errorLines, HOST, javaFlags, type NodeSpec, serverProperties } from "./config.ts";
import { exists, removeIfThere, ROOT } from "./files.ts";
import { answersKafka, viewCluster } from "../lib/kafka/probe.ts";
import { pause } from "../lib/async.ts";

const LOG4J_FILE = `${ROOT}/dev_broker/log4j2.properties`;

/** Where the files of a node are. */
export interface NodeFiles {
  /** The directory with all but the log. */
  dir: string;
  /** The settings, written by each start. */
  properties: string;
  /** The directory with the records. */
  data: string;
  /** The process id, while the node runs. */
  pid: string;
  /** The log. */
  log: string;
}

/** Where the files of a node are. */
export function nodeFiles(dataDir: string, id: number): NodeFiles {
  const dir = `${dataDir}/node-${id}`;
  return {
    dir,
    properties: `${dir}/server.properties`,
    data: `${dir}/data`,
    pid: `${dir}/pid`,
    log: `${dataDir}/logs/node-${id}.log`,
  };
}

/** What the nodes of a cluster are started with. */
export interface Launch {
  /** The data directory of the cluster, an absolute path. */
  dataDir: string;
  /** The id that all nodes of the cluster share. */
  clusterId: string;
  /** The command that runs Java. */
  java: string;
  /** Kafka's jars, as `-cp` takes them. */
  classPath: string;
  /** The maximum heap, as in `-Xmx`. */
  heap: string;
  /** Ends the start. */
  signal?: AbortSignal | undefined;
}

/** A node that was just started. */
export interface StartedNode {
  /** Which node it is. */
  node: NodeSpec;
  /** The exit code; `undefined` while it runs. */
  exitCode: number | undefined;
  /** The size of the log before the start, in bytes. */
  logStart: number;
  /** Returns what Java prints when only asked for its version: why Java itself does not start. */
  explain: () => Promise<string>;
}

/** The processes started by this one, so that their ends can be awaited. */
const children = new Map<number, Deno.ChildProcess>();

/**
 * Writes a node's settings and formats its data directory unless that is done.
 *
 * @throws {Error} When Kafka refuses the settings.
 */
export async function formatNode(
  node: NodeSpec,
  { launch, nodes, settings }: {
    /** What it is started with. */
    launch: Launch;
    /** All nodes of the cluster. */
    nodes: readonly NodeSpec[];
    /** Further settings; they override the usual ones. */
    settings: Record<string, string>;
  },
): Promise<void> {
  const { dir, properties, data } = nodeFiles(launch.dataDir, node.id);
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(properties, serverProperties(node, { nodes, dataDir: data, settings }));
  if (await exists(`${data}/meta.properties`)) return;
  const { success, text } = await outputOf(launch.java, [
    ...flagsOf(node.id, launch),
    "kafka.tools.StorageTool",
    "format",
    "--cluster-id",
    launch.clusterId,
    "--config",
    properties,
    "--ignore-formatted",
  ], launch.signal);
  launch.signal?.throwIfAborted();
  if (success) return;
  throw new Error(`formatting the data of Kafka node ${node.id}:\n${indented(errorLines(text))}`);
}

/** Starts the process of a node that is formatted. */
export async function spawnNode(node: NodeSpec, launch: Launch): Promise<StartedNode> {
  const { dir, properties, pid, log } = nodeFiles(launch.dataDir, node.id);
  const logStart = (await Deno.stat(log).catch(() => undefined))?.size ?? 0;
  const flags = flagsOf(node.id, launch);
  const child = new Deno.Command(launch.java, {
    args: [...flags, "kafka.Kafka", properties],
    cwd: dir,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    // In a session of its own, so that Ctrl-C or the end of this program does not end the broker.
    detached: true,
  }).spawn();
  // With nothing awaited in between: a process without its pid file could not be stopped.
  Deno.writeTextFileSync(pid, `${child.pid}\n`);
  child.unref();
  children.set(child.pid, child);
  const started: StartedNode = {
    node,
    exitCode: undefined,
    logStart,
    explain: async () =>
      (await outputOf(launch.java, [
        ...flags.filter((flag) => !flag.startsWith("-Xlog")),
        "-version",
      ])).text,
  };
  child.status.then(({ code }) => started.exitCode = code);
  return started;
}

/**
 * Waits until each of the nodes answers and names the ids in `ids` as ready.
 *
 * @throws {Error} When a started node ends, or the time is over.
 */
export async function untilReady(
  nodes: readonly NodeSpec[],
  { started, ids, timeoutMs, launch }: {
    /** Those of the nodes that were just started. */
    started: readonly StartedNode[];
    /** The ids that each node must name. */
    ids: readonly number[];
    /** How long to wait. */
    timeoutMs: number;
    /** What they were started with. */
    launch: Launch;
  },
): Promise<void> {
  const { dataDir, clusterId, signal } = launch;
  const deadline = performance.now() + timeoutMs;
  const pending = new Set(nodes);
  while (true) {
    signal?.throwIfAborted();
    for (const node of started) {
      if (node.exitCode === undefined) continue;
      throw await startError(dataDir, node, `it ended with exit code ${node.exitCode}`);
    }
    for (const node of pending) {
      const view = await viewCluster(HOST, node.port);
      // Another cluster may have taken the port since it was checked.
      if (view?.clusterId === clusterId && ids.every((id) => view.nodeIds.includes(id))) {
        pending.delete(node);
      }
    }
    const [slow] = pending;
    if (slow === undefined) return;
    if (performance.now() > deadline) {
      const reason = `it is not ready after ${timeoutMs / 1_000} s`;
      const culprit = started.find(({ node }) => node === slow) ?? started[0];
      if (culprit !== undefined) throw await startError(dataDir, culprit, reason);
      throw new Error(
        `waiting for Kafka node ${slow.id} at ${HOST}:${slow.port}: its process runs, but ${reason}`,
      );
    }
    await pause(50, signal);
  }
}

/**
 * Ends a node and waits until its process is gone; returns whether it ran.
 *
 * @param graceMs After how many milliseconds the process is killed; 0 kills it at once.
 * @throws {Error} When the process does not end within 10 s after that.
 */
export async function endNode(
  dataDir: string,
  { id, graceMs }: { id: number; graceMs: number },
): Promise<boolean> {
  const pid = await runningPid(dataDir, id);
  if (pid !== undefined) {
    const killAt = performance.now() + graceMs;
    let killed = graceMs === 0;
    await sendSignal(pid, killed ? "-KILL" : "-TERM");
    while (await runningPid(dataDir, id) !== undefined) {
      if (!killed && performance.now() > killAt) {
        killed = true;
        await sendSignal(pid, "-KILL");
      }
      if (performance.now() > killAt + 10_000) {
        throw new Error(`stopping Kafka node ${id}: process ${pid} does not end`);
      }
      await pause(50);
    }
    // Our own child is awaited, so that nothing of it is left in this process.
    const child = children.get(pid);
    child?.ref();
    await child?.status;
    children.delete(pid);
  }
  await removeIfThere(nodeFiles(dataDir, id).pid);
  return pid !== undefined;
}

/** The current state of a node. */
export interface NodeStatus extends NodeSpec {
  /** `dead`: it crashed or was killed. */
  state: "ready" | "not answering" | "dead" | "stopped";
  /** Its process id, while it runs. */
  pid: number | undefined;
  /** When it was started, while it runs. */
  since: Date | undefined;
  /** The path of its log. */
  logFile: string;
}

/** The current state of a node. */
export async function statusOfNode(dataDir: string, node: NodeSpec): Promise<NodeStatus> {
  const files = nodeFiles(dataDir, node.id);
  const pid = await runningPid(dataDir, node.id);
  const mark = await Deno.stat(files.pid).catch(() => undefined);
  let state: NodeStatus["state"] = mark === undefined ? "stopped" : "dead";
  if (pid !== undefined) {
    state = await answersKafka(HOST, node.port) === "kafka" ? "ready" : "not answering";
  }
  const since = pid === undefined ? undefined : mark?.mtime ?? undefined;
  return { ...node, state, pid, since, logFile: files.log };
}

/** The process id of a node; `undefined` when it does not run. */
export async function runningPid(dataDir: string, id: number): Promise<number | undefined> {
  const files = nodeFiles(dataDir, id);
  const pid = Number(await exists(files.pid) ? await Deno.readTextFile(files.pid) : NaN);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const { text } = await runTool("ps", ["-ww", "-o", "stat=", "-o", "args=", "-p", String(pid)]);
  // After kill -9 a process first loses its command line, "[java]", then its first thread is a zombie
  // while others ("l") still hold the ports.
  const runs = text.includes(files.properties) || /^\s*(Z\S*l|[^Z\s]\S*\s+\[java\])/.test(text);
  return runs ? pid : undefined;
}

async function sendSignal(pid: number, signal: "-TERM" | "-KILL"): Promise<void> {
  await runTool("kill", [signal, String(pid)]);
}

async function runTool(command: string, args: string[]): Promise<{ text: string }> {
  try {
    return await outputOf(command, args);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `managing the broker's process needs the command ${command}; it is in the package procps`,
      { cause: error },
    );
  }
}

async function outputOf(
  command: string,
  args: string[],
  signal?: AbortSignal,
): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    ...(signal === undefined ? {} : { signal }),
  }).output();
  return { success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

function flagsOf(id: number, { dataDir, heap, classPath }: Launch): string[] {
  return javaFlags({
    heap,
    logDir: `${dataDir}/logs`,
    logName: `node-${id}`,
    log4jFile: LOG4J_FILE,
    classPath,
  });
}

async function startError(dataDir: string, started: StartedNode, reason: string): Promise<Error> {
  const { node, logStart, explain } = started;
  const { log } = nodeFiles(dataDir, node.id);
  const bytes = await Deno.readFile(log).catch(() => new Uint8Array());
  // A log that is shorter than before was rotated.
  const written = bytes.subarray(bytes.length >= logStart ? logStart : 0);
  let lines = errorLines(new TextDecoder().decode(written));
  if (lines.length === 0) lines = errorLines(await explain());
  return new Error(
    `starting Kafka node ${node.id} at ${HOST}:${node.port}: ${reason}\n${indented(lines)}\n` +
      `the log: ${log}`,
  );
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join("\n");
}
