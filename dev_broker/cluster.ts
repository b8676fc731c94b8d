/**
 * The development broker with Java: starts and stops all nodes, one or three, on loopback. They keep
 * running when the program that started them ends.
 *
 * A data directory holds one cluster:
 *
 * ```
 * broker.json                 the nodes and their ports (state.ts)
 * node-1/server.properties    the settings, written by each start
 * node-1/data/                the records
 * node-1/pid                  the process id, while the node runs
 * logs/node-1.log             the log
 * secure/                     of a secured cluster (secure.ts)
 * ```
 *
 * Starting and stopping hold a lock on the directory. A start that fails or is aborted ends every
 * process it has started.
 *
 * Permissions: those of node.ts and java.ts.
 *
 * @module
 */
import { brokerAddresses, defaultNodes, HOST, type NodeSpec } from "./config.ts";
import { exists, lockFile, removeIfThere } from "./files.ts";
import { findJava, kafkaClasspath, type Progress } from "./java.ts";
import {
  endNode,
  formatNode,
  type Launch,
  nodeFiles,
  type NodeStatus,
  runningPid,
  spawnNode,
  type StartedNode,
  statusOfNode,
  untilReady,
} from "./node.ts";
import { brokerSecrets, secureDirectory } from "./secure.ts";
import { type JavaState, readState, stateFile, writeState } from "./state.ts";
import { answersKafka } from "../lib/kafka/probe.ts";

/** What {@linkcode startBroker} takes. */
export interface ClusterOptions extends Progress {
  /** The nodes; by default those of the data directory, or one on the default ports. */
  nodes?: readonly NodeSpec[] | undefined;
  /**
   * The maximum heap of each node, as in `-Xmx`.
   *
   * @default {"192m"}
   */
  heap?: string | undefined;
  /** Further settings for `server.properties`; they override the usual ones. */
  settings?: Record<string, string>;
  /** Further settings of single nodes, by their ids. */
  nodeSettings?: Record<number, Record<string, string>>;
  /** Further flags of Java itself; they override the usual ones. */
  javaFlags?: readonly string[];
  /**
   * Whether the cluster has TLS, logins and access control.
   *
   * @default That of the data directory, or `false`.
   */
  secure?: boolean | undefined;
  /**
   * How long to wait until the nodes are ready, in milliseconds; a download does not count.
   *
   * @default {60000}
   */
  timeoutMs?: number | undefined;
}

/** The result of {@linkcode startBroker}. */
export interface StartResult {
  /** `foreign`: a Kafka broker started by other means answers there; nothing was started. */
  outcome: "started" | "running" | "foreign";
  /** What clients put into `--brokers`. */
  brokers: string;
  /** Whether it was started with TLS, logins and access control. */
  isSecure: boolean;
  /** The ids of the nodes that were started. */
  started: number[];
}

/** What {@linkcode stopBroker} takes. */
export interface StopOptions extends Progress {
  /**
   * After how many milliseconds a node that still runs is killed. The last node of three waits in
   * vain for a quorum, so three nodes get less time.
   *
   * @default {30000 for one node, 8000 for more}
   */
  graceMs?: number | undefined;
}

/**
 * Starts the nodes of a cluster that are not running, and waits until every node names every other
 * as ready.
 *
 * @throws {Error} When a port is taken, Java or the jars are missing, or a node does not start.
 */
export async function startBroker(
  dataDir: string,
  options: ClusterOptions = {},
): Promise<StartResult> {
  const { note = () => {}, signal } = options;
  await Deno.mkdir(dataDir, { recursive: true });
  using _lock = await lockDirectory(dataDir, options);

  const former = await javaState(dataDir);
  const nodes = [...(options.nodes ?? former?.nodes ?? defaultNodes(1))];
  refuseOtherNodes(dataDir, former?.nodes ?? nodes, nodes);
  const brokers = brokerAddresses(nodes);

  const pids = await Promise.all(nodes.map(({ id }) => runningPid(dataDir, id)));
  const missing = nodes.filter((_, index) => pids[index] === undefined);
  if (missing.length < nodes.length && missing.length > 0) {
    note(`${missing.length} of ${nodes.length} nodes not running; starting again`);
  }
  if (await foreignBroker(missing, nodes.length)) {
    return { outcome: "foreign", brokers, started: [], isSecure: false };
  }

  const clusterId = former?.clusterId ?? newClusterId();
  const heap = options.heap ?? former?.heap ?? "192m";
  const secure = (options.secure || former?.secure) ?? false;
  if (former !== undefined && secure !== (former.secure ?? false)) {
    throw new Error(
      `"${dataDir}" holds a cluster without access control; ` +
        "`deno task down --volumes` deletes it with its data",
    );
  }
  const launch = await prepare(dataDir, { clusterId, heap, nodes, secure }, options);
  await writeState(dataDir, { engine: "java", clusterId, heap, nodes, secure });
  await Deno.mkdir(`${dataDir}/logs`, { recursive: true });
  await Promise.all(missing.map((node) => formatNode(node, launch)));
  signal?.throwIfAborted();
  await spawnAndWait(missing, launch);
  if (launch.secrets !== undefined) {
    const { setUpUsers } = await import("./secure_admin.ts");
    await setUpUsers(brokers, { dataDir, secrets: launch.secrets, signal });
  }
  return {
    isSecure: secure,
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
  const ids = (await javaState(dataDir))?.nodes.map(({ id }) => id) ?? [];
  const pids = await Promise.all(ids.map((id) => runningPid(dataDir, id)));
  if (pids.some((pid) => pid !== undefined)) options.note?.("stopping the broker …");
  const { graceMs = ids.length > 1 ? 8_000 : 30_000 } = options;
  const ran = await Promise.all(ids.map((id) => endNode(dataDir, { id, graceMs })));
  return ids.filter((_, index) => ran[index]);
}

/**
 * Starts one node of an existing cluster and waits until it is ready.
 *
 * @throws {Error} When the data directory has no such node, or it does not start.
 */
export async function startNode(
  dataDir: string,
  id: number,
  options: Pick<ClusterOptions, "timeoutMs" | "javaFlags"> = {},
): Promise<void> {
  const state = await javaState(dataDir);
  const nodes = state?.nodes.filter((node) => node.id === id) ?? [];
  if (state === undefined || nodes.length === 0) {
    throw new Error(`node ${id}: "${dataDir}" has no such node`);
  }
  if (await runningPid(dataDir, id) !== undefined) return;
  await spawnAndWait(nodes, await prepare(dataDir, { ...state, nodes }, options));
}

/** The state of all nodes; none when the data directory is new or Docker runs the broker. */
export async function nodeStatus(dataDir: string): Promise<NodeStatus[]> {
  const { nodes = [], secure = false } = await javaState(dataDir) ?? {};
  return await Promise.all(nodes.map((node) => statusOfNode(dataDir, node, secure)));
}

/**
 * What a directory may hold that is to become a data directory: the jars, what an interrupted `up` or
 * `down -v` leaves, and the files of a benchmark.
 */
const BEFORE_THE_START =
  /^(lock|libs-.*|libs\.lock|logs|secure|bench-.*|broker\.json\.unfinished)$/;

/**
 * Checks that a directory is a data directory, new or empty, before anything is written to it or
 * deleted from it.
 *
 * @throws {Error} When it is something else.
 */
export async function requireDataDirectory(dataDir: string): Promise<void> {
  const refuse = (problem: string): never => {
    throw new Error(`--data "${dataDir}": ${problem}`);
  };
  try {
    const names = (await Array.fromAsync(Deno.readDir(dataDir))).map(({ name }) => name);
    const foreign = names.find((name) => !BEFORE_THE_START.test(name));
    if (foreign !== undefined && !names.includes("broker.json")) {
      refuse(`it holds other files, such as "${foreign}"; name a new or an empty directory`);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) refuse("it is not a directory");
    if (error instanceof Deno.errors.PermissionDenied) refuse("it may not be read");
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Deletes the records, the logs, the settings and the logins of a data directory whose nodes are stopped; the
 * jars stay.
 */
export async function deleteData(dataDir: string): Promise<void> {
  const nodes = (await javaState(dataDir))?.nodes ?? [];
  for (const { id } of nodes) {
    const { dir, properties } = nodeFiles(dataDir, id);
    if (await exists(properties)) await removeIfThere(dir);
  }
  const logs = `${dataDir}/logs`;
  for (const { name } of await Array.fromAsync(Deno.readDir(logs)).catch(() => [])) {
    if (/^node-\d+\b/.test(name)) await removeIfThere(`${logs}/${name}`);
  }
  // It stays when it holds files of others.
  await Deno.remove(logs).catch(() => {});
  await removeIfThere(secureDirectory(dataDir));
  await removeIfThere(stateFile(dataDir));
}

async function javaState(dataDir: string): Promise<JavaState | undefined> {
  const state = await readState(dataDir);
  return state?.engine === "java" ? state : undefined;
}

async function prepare(
  dataDir: string,
  { clusterId, heap, nodes, secure }: Omit<JavaState, "engine">,
  options: ClusterOptions = {},
): Promise<Launch> {
  const { settings = {}, nodeSettings = {}, javaFlags = [], timeoutMs = 60_000, signal } = options;
  const { command: java } = await findJava();
  const classPath = await kafkaClasspath(options);
  return {
    ...{ dataDir, clusterId, heap, nodes, settings, nodeSettings, javaFlags, timeoutMs, signal },
    ...{ java, classPath },
    secrets: secure ? await brokerSecrets(dataDir) : undefined,
  };
}

async function spawnAndWait(missing: readonly NodeSpec[], launch: Launch): Promise<void> {
  const started: StartedNode[] = [];
  try {
    for (const node of missing) started.push(await spawnNode(node, launch));
    await untilReady(started, launch);
  } catch (error) {
    await Promise.all(
      started.map(({ node: { id } }) => endNode(launch.dataDir, { id, graceMs: 3_000 })),
    );
    throw error;
  }
}

function lockDirectory(dataDir: string, { note, signal }: Progress): Promise<Disposable> {
  return lockFile(`${dataDir}/lock`, {
    signal,
    onWait: () => note?.("another program is starting or stopping this broker; waiting for it"),
  });
}

function refuseOtherNodes(
  dataDir: string,
  former: readonly NodeSpec[],
  wanted: readonly NodeSpec[],
): void {
  if (JSON.stringify(former) === JSON.stringify(wanted)) return;
  const cluster = (nodes: readonly NodeSpec[]) =>
    `${nodes.length} node${nodes.length === 1 ? "" : "s"} at ${brokerAddresses(nodes)}`;
  throw new Error(
    `"${dataDir}" holds a cluster of ${cluster(former)}, not of ${cluster(wanted)}; ` +
      "`deno task down --volumes` deletes it with its data",
  );
}

/**
 * Whether a single-node broker started by other means answers there already.
 *
 * @throws {Error} When one of the ports is taken by anything else.
 */
async function foreignBroker(missing: readonly NodeSpec[], nodeCount: number): Promise<boolean> {
  for (const { id, port, controllerPort } of missing) {
    for (const each of [port, controllerPort]) {
      const answer = await answersKafka(HOST, each);
      if (answer === "nothing") continue;
      if (nodeCount === 1 && answer === "kafka" && each === port) return true;
      const who = answer === "kafka" ? "another Kafka broker" : "another program";
      throw new Error(
        `starting Kafka node ${id}: ${who} listens at ${HOST}:${each}; stop it first`,
      );
    }
  }
  return false;
}

/** 16 random bytes as Kafka writes them; its tools would take a leading dash for a flag. */
function newClusterId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // A dash stands for 62, the first six bits; with a 0 in front they are below 32.
  bytes[0]! &= 0x7f;
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
