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
import { errorLines, HOST, type NodeSpec, serverProperties } from "./config.ts";
import { exists, ifThere, outputOf, removeIfThere, ROOT, writePrivateFile } from "./files.ts";
import { type BrokerSecrets, secureSettings } from "./secure.ts";
import { type ClusterView, listenerAt, viewCluster } from "../lib/kafka/probe.ts";
import { delay } from "../lib/async.ts";

/** Where the files of a node are. */
export function nodeFiles(dataDir: string, id: number) {
  const dir = `${dataDir}/node-${id}`;
  return {
    /** The directory with all but the log. */
    dir,
    /** The settings, written by each start. */
    properties: `${dir}/server.properties`,
    /** The directory with the records. */
    data: `${dir}/data`,
    /** The process id, while the node runs. */
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
  /** The nodes that must be ready at the end. */
  nodes: readonly NodeSpec[];
  /** Further settings for `server.properties`; they override the usual ones. */
  settings: Record<string, string>;
  /** Further settings of single nodes, by their ids. */
  nodeSettings: Record<number, Record<string, string>>;
  /** Further flags of Java itself; they override the usual ones. */
  javaFlags: readonly string[];
  /** What a secured cluster needs besides. */
  secrets?: BrokerSecrets | undefined;
  /** How long to wait until the nodes are ready, in milliseconds. */
  timeoutMs: number;
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
}

/** From the node's own directory, in which Kafka runs: it would take a comma in a path for the end of it. */
const DATA = "data";

/** The processes started by this one, so that their ends can be awaited. */
const children = new Map<number, Deno.ChildProcess>();

/**
 * Writes a node's settings and formats its data directory unless that is done.
 *
 * @throws {Error} When Kafka refuses the settings.
 */
export async function formatNode(node: NodeSpec, launch: Launch): Promise<void> {
  const { nodes, secrets } = launch;
  const { dir, properties, data } = nodeFiles(launch.dataDir, node.id);
  await Deno.mkdir(dir, { recursive: true });
  const settings = {
    ...(secrets !== undefined && secureSettings(node, secrets)),
    ...launch.settings,
    ...launch.nodeSettings[node.id],
  };
  await writePrivateFile(properties, serverProperties(node, { nodes, dataDir: DATA, settings }));
  if (await exists(`${data}/meta.properties`)) return;
  const { success, text } = await outputOf(launch.java, [
    ...javaFlagsOf(node.id, launch),
    "kafka.tools.StorageTool",
    "format",
    "--cluster-id",
    launch.clusterId,
    "--config",
    properties,
    "--ignore-formatted",
  ], { cwd: dir, signal: launch.signal });
  launch.signal?.throwIfAborted();
  if (success) return;
  throw new Error(`formatting the data of Kafka node ${node.id}:\n${indented(errorLines(text))}`);
}

/** Starts the process of a node that is formatted. */
export async function spawnNode(node: NodeSpec, launch: Launch): Promise<StartedNode> {
  const { dir, properties, pid, log } = nodeFiles(launch.dataDir, node.id);
  const logStart = (await ifThere(Deno.stat(log)))?.size ?? 0;
  const child = new Deno.Command(launch.java, {
    args: [...javaFlagsOf(node.id, launch), "kafka.Kafka", properties],
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
  const started: StartedNode = { node, exitCode: undefined, logStart };
  child.status.then(({ code }) => started.exitCode = code);
  return started;
}

/**
 * Waits until each of the nodes answers and names all of them as ready.
 *
 * @param started Those of the nodes that were just started.
 *
 * @throws {Error} When a started node ends, or the time is over.
 */
export async function untilReady(started: readonly StartedNode[], launch: Launch): Promise<void> {
  const { nodes, clusterId, timeoutMs, signal } = launch;
  const deadline = performance.now() + timeoutMs;
  const pending = new Set(nodes);
  while (true) {
    signal?.throwIfAborted();
    for (const node of started) {
      if (node.exitCode === undefined) continue;
      throw await startError(launch, node, `it ended with exit code ${node.exitCode}`);
    }
    for (const node of pending) {
      const view = await viewOf(node, launch);
      // Another cluster may have taken the port since it was checked.
      if (view?.clusterId === clusterId && nodes.every(({ id }) => view.nodeIds.includes(id))) {
        pending.delete(node);
      }
    }
    const [slow] = pending;
    if (slow === undefined) return;
    if (performance.now() > deadline) {
      const reason = `it is not ready after ${timeoutMs / 1_000} s`;
      const culprit = started.find(({ node }) => node === slow) ?? started[0];
      if (culprit !== undefined) throw await startError(launch, culprit, reason);
      throw new Error(
        `waiting for Kafka node ${slow.id} at ${HOST}:${slow.port}: its process runs, but ${reason}`,
      );
    }
    await delay(50, { signal });
  }
}

async function viewOf(
  { port }: NodeSpec,
  { secrets }: Launch,
): Promise<ClusterView | undefined> {
  if (secrets === undefined) return await viewCluster(HOST, port);
  if (await listenerAt(HOST, port) !== "tls") return undefined;
  const { viewSecuredCluster } = await import("./secure_admin.ts");
  return await viewSecuredCluster(`${HOST}:${port}`, secrets);
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
    let sent = "";
    do {
      const signal = performance.now() >= killAt ? "-KILL" : "-TERM";
      if (signal !== sent) await runTool("kill", [signal, String(pid)]);
      sent = signal;
      if (performance.now() > killAt + 10_000) {
        throw new Error(`stopping Kafka node ${id}: process ${pid} does not end`);
      }
      await delay(50);
    } while (await runningPid(dataDir, id) !== undefined);
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

/** The current state of a node; one of a secured cluster answers with TLS. */
export async function statusOfNode(
  dataDir: string,
  node: NodeSpec,
  isSecure: boolean,
): Promise<NodeStatus> {
  const files = nodeFiles(dataDir, node.id);
  const pid = await runningPid(dataDir, node.id);
  const mark = await ifThere(Deno.stat(files.pid));
  let state: NodeStatus["state"] = mark === undefined ? "stopped" : "dead";
  if (pid !== undefined) {
    const answer = await listenerAt(HOST, node.port);
    state = answer === (isSecure ? "tls" : "kafka") ? "ready" : "not answering";
  }
  const since = pid === undefined ? undefined : mark?.mtime ?? undefined;
  return { ...node, state, pid, since, logFile: files.log };
}

/** The process id of a node; `undefined` when it does not run. */
export async function runningPid(dataDir: string, id: number): Promise<number | undefined> {
  const files = nodeFiles(dataDir, id);
  const pid = Number(await ifThere(Deno.readTextFile(files.pid)));
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const text = await runTool("ps", ["-ww", "-o", "stat=", "-o", "args=", "-p", String(pid)]);
  // After kill -9 a process first loses its command line, "[java]", then its first thread is a zombie
  // while others ("l") still hold the ports.
  const runs = text.includes(files.properties) || /^\s*(Z\S*l|[^Z\s]\S*\s+\[java\])/.test(text);
  return runs ? pid : undefined;
}

async function runTool(command: string, args: string[]): Promise<string> {
  try {
    return (await outputOf(command, args)).text;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `managing the broker's process needs the command ${command}; it is in the package procps`,
      { cause: error },
    );
  }
}

/** The flags of Java itself for a node. */
function javaFlagsOf(
  id: number,
  { dataDir, heap, javaFlags, classPath, secrets }: Launch,
): string[] {
  return [
    `-Xmx${heap}`,
    "-Xss512k",
    "-XX:+UseSerialGC",
    // One compiler starts faster, but TLS is several times slower with it.
    ...(secrets === undefined ? ["-XX:TieredStopAtLevel=1"] : []),
    // A broker that ended is noticed; one that hangs without memory is not.
    "-XX:+ExitOnOutOfMemoryError",
    `-XX:ErrorFile=${dataDir}/logs/node-${id}-crash-%p.log`,
    // Nothing reads its output.
    "-Xlog:disable",
    `-Dkafka.logs.dir=${dataDir}/logs`,
    `-Dorder-stream.log=node-${id}`,
    `-Dlog4j2.configurationFile=${ROOT}/dev_broker/log4j2.properties`,
    ...javaFlags,
    "-cp",
    classPath,
  ];
}

async function startError(
  launch: Launch,
  { node, logStart }: StartedNode,
  reason: string,
): Promise<Error> {
  const { log } = nodeFiles(launch.dataDir, node.id);
  const bytes = await Deno.readFile(log).catch(() => new Uint8Array());
  // A log that is shorter than before was rotated.
  const written = bytes.subarray(bytes.length >= logStart ? logStart : 0);
  let lines = errorLines(new TextDecoder().decode(written));
  if (lines.length === 0) {
    // Java itself did not start: it says why when it is only asked for its version.
    const flags = javaFlagsOf(node.id, launch).filter((flag) => !flag.startsWith("-Xlog"));
    lines = errorLines((await outputOf(launch.java, [...flags, "-version"])).text);
  }
  return new Error(
    `starting Kafka node ${node.id} at ${HOST}:${node.port}: ${reason}\n${indented(lines)}\n` +
      `the log: ${log}`,
  );
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join("\n");
}
