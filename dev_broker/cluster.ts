/**
 * The development broker with Java: one node or three, on loopback, that outlive the program which
 * starts them.
 *
 * A data directory holds one cluster:
 *
 * ```
 * broker.json                 which nodes there are, and their ports
 * node-1/server.properties    the settings, written by each start
 * node-1/data/                the records
 * node-1/pid                  the process, while it runs
 * logs/node-1.log             what a person reads
 * ```
 *
 * A pid counts only while that process has this node's `server.properties` on its command line, so
 * neither a crash nor a pid that the system gave to another program is taken for a running node.
 * Starting and stopping hold a lock on the directory. A start that fails or is aborted ends every
 * process that it has started.
 *
 * Permissions: `--allow-run=java,mvn,ps,kill`, `--allow-net=127.0.0.1`, `--allow-env=JAVA_HOME`,
 * `--allow-read` for `.kafka` and `dev_broker`, `--allow-write` for `.kafka`, both also for a data
 * directory elsewhere.
 *
 * @module
 */
import {
  brokerAddresses,
  HOST,
  javaFlags,
  KAFKA_VERSION,
  type NodeSpec,
  serverProperties,
  tellingLines,
  usualNodes,
} from "./config.ts";
import {
  classArchive,
  exists,
  findJava,
  type Java,
  kafkaJars,
  keepArchive,
  LOG4J_FILE,
  type Progress,
  removeIfThere,
  ROOT,
} from "./java.ts";
import { lockFile } from "./file_lock.ts";
import { answersKafka, viewCluster } from "../lib/kafka/probe.ts";
import { pause } from "../lib/async.ts";
import { endProcess, isRunning } from "./processes.ts";

export { KAFKA_VERSION, type NodeSpec, type Progress };

/** The data directory when no other is named. */
export const DEFAULT_DATA_DIR = `${ROOT}/.kafka`;

/** What a data directory is used for. */
export type BrokerState =
  | {
    /** Docker Compose runs the broker; its data is in a volume. */
    engine: "docker";
  }
  | {
    /** Java runs the broker. */
    engine: "java";
    /** The id that all nodes of the cluster share. */
    clusterId: string;
    /** The most memory for objects, as in `-Xmx`. */
    heap: string;
    /** The nodes. */
    nodes: NodeSpec[];
  };

/** What {@linkcode startBroker} and {@linkcode startNode} take. */
export interface StartOptions extends Progress {
  /**
   * How long to wait until the nodes are ready, in milliseconds; a download does not count.
   *
   * @default {60000}
   */
  timeoutMs?: number;
}

/** What {@linkcode startBroker} takes. */
export interface ClusterOptions extends StartOptions {
  /**
   * The nodes; those of the data directory by default, and one on the usual ports in a new one.
   */
  nodes?: readonly NodeSpec[] | undefined;
  /**
   * The most memory for objects of each node, as in `-Xmx`.
   *
   * @default {"192m"}
   */
  heap?: string | undefined;
  /** Further settings for `server.properties`; they go before the usual ones. */
  settings?: Record<string, string>;
}

/** How {@linkcode startBroker} ended. */
export interface StartResult {
  /** `foreign`: a Kafka broker that is not ours answers there already, and nothing was started. */
  outcome: "started" | "running" | "foreign";
  /** What clients put into `--brokers`. */
  brokers: string;
  /** The ids of the nodes that were started. */
  started: number[];
}

/** What {@linkcode stopBroker} and {@linkcode stopNode} take. */
export interface StopOptions extends Progress {
  /**
   * After how many milliseconds a node that still runs is ended at once. The last node of three
   * waits in vain for a quorum, so they get less time.
   *
   * @default {30000 for one node, 8000 for more}
   */
  graceMs?: number | undefined;
}

/** A node as it is now. */
export interface NodeStatus extends NodeSpec {
  /** `dead`: it ended by itself, or somebody killed it. */
  state: "ready" | "not answering" | "dead" | "stopped";
  /** Its process, while it runs. */
  pid: number | undefined;
  /** Since when it runs. */
  since: Date | undefined;
  /** Its log. */
  logFile: string;
}

/**
 * Starts what does not run of a cluster, and waits until every node names every other as ready.
 *
 * @throws {Error} When a port is taken, Java or the jars cannot be had, or a node does not start.
 */
export async function startBroker(
  dataDir: string,
  options: ClusterOptions = {},
): Promise<StartResult> {
  const { note = () => {}, signal, settings = {} } = options;
  await Deno.mkdir(`${dataDir}/logs`, { recursive: true });
  using _lock = await lockDirectory(dataDir, options);

  const known = await readState(dataDir);
  const former = known?.engine === "java" ? known : undefined;
  const nodes = [...(options.nodes ?? former?.nodes ?? usualNodes(1))];
  refuseOtherShape(dataDir, former?.nodes, nodes);
  const brokers = brokerAddresses(nodes);

  const alive = await Promise.all(nodes.map(({ id }) => runningPid(dataDir, id)));
  const missing = nodes.filter((_, index) => alive[index] === undefined);
  if (missing.length < nodes.length && missing.length > 0) {
    note(`${countOf(missing.length, "node")} of ${nodes.length} not running: starting again`);
  }
  if (await foreignBroker(missing, nodes.length)) {
    return { outcome: "foreign", brokers, started: [] };
  }

  const run = await prepare(options);
  const clusterId = former?.clusterId ?? newClusterId();
  const heap = options.heap ?? former?.heap ?? "192m";
  await writeState(dataDir, { engine: "java", clusterId, heap, nodes });
  const started: Spawned[] = [];
  try {
    await Promise.all(missing.map(async (node) => {
      await writeProperties(dataDir, node, { nodes, settings });
      await format(dataDir, node.id, { run, heap, clusterId, signal });
    }));
    signal?.throwIfAborted();
    for (const node of missing) {
      // One node alone makes the archive: three would only do the same work thrice.
      started.push(await spawnNode(dataDir, node, { run, heap, archive: nodes.length === 1 }));
    }
    const ids = nodes.map(({ id }) => id);
    await untilReady(nodes, { started, clusterId, ids, ...options });
  } catch (error) {
    await undo(dataDir, started);
    throw error;
  }
  return {
    outcome: missing.length === 0 ? "running" : "started",
    brokers,
    started: missing.map(({ id }) => id),
  };
}

/**
 * Stops all nodes and waits until they are gone.
 *
 * @returns The ids of the nodes that ran.
 */
export async function stopBroker(dataDir: string, options: StopOptions = {}): Promise<number[]> {
  if (!await exists(dataDir)) return [];
  using _lock = await lockDirectory(dataDir, options);
  const state = await readState(dataDir);
  if (state?.engine !== "java") return [];
  return await stopNodes(dataDir, state.nodes.map(({ id }) => id), options);
}

/**
 * Starts one node of a cluster that was started before, and waits until it is ready.
 *
 * @throws {Error} When the data directory has no such node, or it does not start.
 */
export async function startNode(
  dataDir: string,
  id: number,
  options: StartOptions = {},
): Promise<void> {
  const { nodes, heap, clusterId } = await javaState(dataDir, id);
  if (await runningPid(dataDir, id) !== undefined) return;
  const run = await prepare(options);
  const node = nodes.find((candidate) => candidate.id === id)!;
  const started = await spawnNode(dataDir, node, { run, heap, archive: false });
  try {
    await untilReady([node], { started: [started], clusterId, ids: [id], ...options });
  } catch (error) {
    await undo(dataDir, [started]);
    throw error;
  }
}

/** Stops one node in good order and waits until it is gone. */
export async function stopNode(
  dataDir: string,
  id: number,
  options: StopOptions = {},
): Promise<void> {
  await javaState(dataDir, id);
  await stopNodes(dataDir, [id], options);
}

/** Ends one node as `kill -9` does and waits until it is gone. */
export async function killNode(dataDir: string, id: number): Promise<void> {
  await javaState(dataDir, id);
  await stopNodes(dataDir, [id], { graceMs: 0 });
}

/** The nodes as they are now; none when the data directory is new or Docker runs the broker. */
export async function nodeStatus(dataDir: string): Promise<NodeStatus[]> {
  const state = await readState(dataDir);
  if (state?.engine !== "java") return [];
  return await Promise.all(state.nodes.map(async (node) => {
    const pid = await runningPid(dataDir, node.id);
    const mark = await Deno.stat(pidFile(dataDir, node.id)).catch(() => undefined);
    const answers = pid !== undefined && await answersKafka(HOST, node.port) === "kafka";
    return {
      ...node,
      state: answers
        ? "ready"
        : pid !== undefined
        ? "not answering"
        : mark !== undefined
        ? "dead"
        : "stopped",
      pid,
      since: pid === undefined ? undefined : mark?.mtime ?? undefined,
      logFile: logFile(dataDir, node.id),
    };
  }));
}

/**
 * Deletes the records, the logs and the settings of a data directory whose nodes are stopped; the
 * jars stay.
 */
export async function deleteData(dataDir: string): Promise<void> {
  const state = await readState(dataDir);
  const nodes = state?.engine === "java" ? state.nodes : [];
  for (const { id } of nodes) await removeIfThere(nodeDir(dataDir, id));
  await removeIfThere(`${dataDir}/logs`);
  await removeIfThere(stateFile(dataDir));
}

/** What a data directory is used for; `undefined` when it is new. */
export async function readState(dataDir: string): Promise<BrokerState | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(stateFile(dataDir));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`reading "${stateFile(dataDir)}": expected JSON`, { cause: error });
  }
}

/** Remembers what a data directory is used for. */
export async function writeState(dataDir: string, state: BrokerState): Promise<void> {
  await Deno.mkdir(dataDir, { recursive: true });
  const unfinished = `${stateFile(dataDir)}.unfinished`;
  await Deno.writeTextFile(unfinished, JSON.stringify(state, null, 2) + "\n");
  await Deno.rename(unfinished, stateFile(dataDir));
}

/** Kafka's jars as Java's `-cp` takes them; downloads them when they are not there yet. */
export async function kafkaClasspath(progress: Progress = {}): Promise<string> {
  return `${await kafkaJars(progress)}/*`;
}

function stateFile(dataDir: string): string {
  return `${dataDir}/broker.json`;
}

function nodeDir(dataDir: string, id: number): string {
  return `${dataDir}/node-${id}`;
}

function propertiesFile(dataDir: string, id: number): string {
  return `${nodeDir(dataDir, id)}/server.properties`;
}

function pidFile(dataDir: string, id: number): string {
  return `${nodeDir(dataDir, id)}/pid`;
}

function logFile(dataDir: string, id: number): string {
  return `${dataDir}/logs/node-${id}.log`;
}

/** Where a node leaves the archive of loaded classes when it ends. */
function madeArchive(dataDir: string, id: number): string {
  return `${nodeDir(dataDir, id)}/classes.jsa`;
}

function lockDirectory(
  dataDir: string,
  { note = () => {}, signal }: Progress,
): Promise<Disposable> {
  return lockFile(`${dataDir}/lock`, {
    signal,
    onWait: () => note("another program is starting or stopping this broker; waiting for it"),
  });
}

async function javaState(
  dataDir: string,
  id: number,
): Promise<BrokerState & { engine: "java" }> {
  const state = await readState(dataDir);
  if (state?.engine !== "java" || !state.nodes.some((node) => node.id === id)) {
    throw new Error(`node ${id}: "${dataDir}" has no such node`);
  }
  return state;
}

function refuseOtherShape(
  dataDir: string,
  former: readonly NodeSpec[] | undefined,
  wanted: readonly NodeSpec[],
): void {
  if (former === undefined || JSON.stringify(former) === JSON.stringify(wanted)) return;
  throw new Error(
    `"${dataDir}" holds a cluster of ${countOf(former.length, "node")} at ` +
      `${brokerAddresses(former)}, not of ${countOf(wanted.length, "node")} at ` +
      `${brokerAddresses(wanted)}; \`deno task down --volumes\` deletes it with its data`,
  );
}

/**
 * Whether the broker is there already, though it is not ours.
 *
 * @throws {Error} When one of the ports is taken by anything else.
 */
async function foreignBroker(missing: readonly NodeSpec[], nodeCount: number): Promise<boolean> {
  const answers = await Promise.all(missing.map(async ({ id, port, controllerPort }) => ({
    id,
    port,
    client: await answersKafka(HOST, port),
    controllerPort,
    controller: await answersKafka(HOST, controllerPort),
  })));
  if (nodeCount === 1 && answers[0]?.client === "kafka") return true;
  for (const { id, port, client, controllerPort, controller } of answers) {
    const taken = client !== "nothing"
      ? port
      : controller !== "nothing"
      ? controllerPort
      : undefined;
    if (taken === undefined) continue;
    const who = client === "kafka" ? "another Kafka broker" : "another program";
    throw new Error(`starting Kafka node ${id}: ${who} listens at ${HOST}:${taken}; stop it first`);
  }
  return false;
}

/** All that it takes to run one of Kafka's classes. */
interface Run {
  java: Java;
  libs: string;
  /** The archive of loaded classes, and whether it is there yet. */
  archive: string;
  archived: boolean;
}

async function prepare(progress: Progress): Promise<Run> {
  const java = await findJava();
  const libs = await kafkaJars(progress);
  const archive = await classArchive(java, libs);
  return { java, libs, archive, archived: await exists(archive) };
}

function flagsOf(
  dataDir: string,
  id: number,
  { run, heap, archive = false }: { run: Run; heap: string; archive?: boolean },
): string[] {
  return javaFlags({
    heap,
    logDir: `${dataDir}/logs`,
    logName: `node-${id}`,
    log4jFile: LOG4J_FILE,
    classPath: run.libs,
    archive: run.archived
      ? { use: run.archive }
      : archive
      ? { make: madeArchive(dataDir, id) }
      : undefined,
  });
}

async function writeProperties(
  dataDir: string,
  node: NodeSpec,
  { nodes, settings }: { nodes: readonly NodeSpec[]; settings: Record<string, string> },
): Promise<void> {
  await Deno.mkdir(nodeDir(dataDir, node.id), { recursive: true });
  await Deno.writeTextFile(
    propertiesFile(dataDir, node.id),
    serverProperties(node, { nodes, dataDir: `${nodeDir(dataDir, node.id)}/data`, settings }),
  );
}

/** Prepares an empty data directory as Kafka wants it; one that is prepared stays as it is. */
async function format(
  dataDir: string,
  id: number,
  { run, heap, clusterId, signal }: {
    run: Run;
    heap: string;
    clusterId: string;
    signal: AbortSignal | undefined;
  },
): Promise<void> {
  if (await exists(`${nodeDir(dataDir, id)}/data/meta.properties`)) return;
  const { success, stdout, stderr } = await new Deno.Command(run.java.command, {
    args: [
      ...flagsOf(dataDir, id, { run, heap }),
      "kafka.tools.StorageTool",
      "format",
      "--cluster-id",
      clusterId,
      "--config",
      propertiesFile(dataDir, id),
      "--ignore-formatted",
    ],
    ...(signal === undefined ? {} : { signal }),
  }).output();
  signal?.throwIfAborted();
  if (success) return;
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  throw new Error(
    `formatting the data of Kafka node ${id} failed\n${indented(tellingLines(text))}`,
  );
}

/** A node's process right after its start. */
interface Spawned {
  node: NodeSpec;
  /** How it ended; `undefined` while it runs. */
  exitCode: number | undefined;
  /** Where its part of the log begins, in bytes. */
  logStart: number;
  logFile: string;
  /** Says why Java itself does not start, when the log has nothing. */
  explain: () => Promise<string>;
}

/** The processes that this one started, so that their ends are awaited. */
const children = new Map<number, Deno.ChildProcess>();

async function spawnNode(
  dataDir: string,
  node: NodeSpec,
  { run, heap, archive }: { run: Run; heap: string; archive: boolean },
): Promise<Spawned> {
  const { id } = node;
  await removeIfThere(madeArchive(dataDir, id));
  const logStart = (await Deno.stat(logFile(dataDir, id)).catch(() => undefined))?.size ?? 0;
  const flags = flagsOf(dataDir, id, { run, heap, archive });
  const child = new Deno.Command(run.java.command, {
    args: [...flags, "kafka.Kafka", propertiesFile(dataDir, id)],
    cwd: nodeDir(dataDir, id),
    stdin: "null",
    stdout: "null",
    stderr: "null",
    // A session of its own: neither the end of this program nor its Ctrl-C ends the broker.
    detached: true,
  }).spawn();
  // At once, with nothing awaited in between: a process without its pid file could not be stopped.
  Deno.writeTextFileSync(pidFile(dataDir, id), `${child.pid}\n`);
  child.unref();
  children.set(child.pid, child);
  const spawned: Spawned = {
    node,
    exitCode: undefined,
    logStart,
    logFile: logFile(dataDir, id),
    explain: async () => {
      const { stdout, stderr } = await new Deno.Command(run.java.command, {
        args: [...flags.filter((flag) => !/Archive|-Xlog/.test(flag)), "-version"],
      }).output();
      return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    },
  };
  child.status.then(({ code }) => spawned.exitCode = code);
  return spawned;
}

async function untilReady(
  nodes: readonly NodeSpec[],
  { started, clusterId, ids, timeoutMs = 60_000, signal }: StartOptions & {
    started: Spawned[];
    clusterId: string;
    ids: number[];
  },
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const pending = new Set(nodes);
  while (true) {
    signal?.throwIfAborted();
    for (const spawned of started) {
      if (spawned.exitCode !== undefined) {
        throw await startError(spawned, `it ended with exit code ${spawned.exitCode}`);
      }
    }
    for (const node of pending) {
      const view = await viewCluster(HOST, node.port);
      // Another cluster may have taken the port since it was looked at.
      if (view?.clusterId === clusterId && ids.every((id) => view.nodeIds.includes(id))) {
        pending.delete(node);
      }
    }
    if (pending.size === 0) return;
    if (performance.now() > deadline) {
      const [slow] = pending;
      const spawned = started.find(({ node }) => node === slow) ?? started[0];
      const reason = `it is not ready after ${timeoutMs / 1_000} s`;
      if (spawned !== undefined) throw await startError(spawned, reason);
      throw new Error(
        `waiting for Kafka node ${slow!.id} at ${HOST}:${
          slow!.port
        }: its process runs, but ${reason}`,
      );
    }
    await pause(50, signal);
  }
}

async function startError(spawned: Spawned, reason: string): Promise<Error> {
  const { node, logStart, logFile, explain } = spawned;
  const bytes = await Deno.readFile(logFile).catch(() => new Uint8Array());
  const written = bytes.subarray(bytes.length >= logStart ? logStart : 0);
  let lines = tellingLines(new TextDecoder().decode(written));
  if (lines.length === 0) lines = tellingLines(await explain());
  return new Error(
    `starting Kafka node ${node.id} at ${HOST}:${node.port}: ${reason}\n${indented(lines)}\n` +
      `the log: ${logFile}`,
  );
}

/** Ends what a start that failed has started; what it has formatted may stay. */
async function undo(dataDir: string, started: readonly Spawned[]): Promise<void> {
  await stopNodes(dataDir, started.map(({ node }) => node.id), { graceMs: 3_000 });
}

async function stopNodes(
  dataDir: string,
  ids: readonly number[],
  { graceMs = ids.length > 1 ? 8_000 : 30_000 }: StopOptions,
): Promise<number[]> {
  const running = new Map<number, number>();
  for (const id of ids) {
    const pid = await runningPid(dataDir, id);
    if (pid !== undefined) running.set(id, pid);
  }
  const ran = [...running.keys()];
  const end = (atOnce: boolean) =>
    Promise.all([...running.values()].map((pid) => endProcess(pid, { atOnce })));

  await end(graceMs === 0);
  const killAt = performance.now() + graceMs;
  const giveUpAt = killAt + 10_000;
  let killed = graceMs === 0;
  while (running.size > 0) {
    for (const [id, pid] of running) {
      if (await runningPid(dataDir, id) !== undefined) continue;
      // Awaited, where it is our own child, so that nothing of it is left over in this process.
      const child = children.get(pid);
      child?.ref();
      await child?.status;
      children.delete(pid);
      running.delete(id);
    }
    if (running.size === 0) break;
    if (!killed && performance.now() > killAt) {
      killed = true;
      await end(true);
    }
    if (performance.now() > giveUpAt) {
      throw new Error(`stopping Kafka: process ${[...running.values()].join(", ")} does not end`);
    }
    await pause(50);
  }
  for (const id of ids) {
    await removeIfThere(pidFile(dataDir, id));
    const made = madeArchive(dataDir, id);
    if (killed) await removeIfThere(made);
    else if (await exists(made)) await keepArchive(made);
  }
  return ran;
}

/** The pid of a node's process; `undefined` when it does not run. */
async function runningPid(dataDir: string, id: number): Promise<number | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(pidFile(dataDir, id));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const pid = Number(text);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  return await isRunning(pid, propertiesFile(dataDir, id)) ? pid : undefined;
}

/** 16 random bytes as Kafka writes them; its tools would take a leading dash for a flag. */
function newClusterId(): string {
  while (true) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const id = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
    if (!id.startsWith("-")) return id;
  }
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join("\n");
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
