/**
 * A real broker for tests: one that all test files of a run share, or one for a test alone.
 *
 * All brokers started here end with the run, however it ends; see broker_guard.ts.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNode, stopBroker } from "../../dev_broker/cluster.ts";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { lockFile, removeIfThere } from "../../dev_broker/files.ts";
import { endNode, runningPid } from "../../dev_broker/node.ts";
import { freeNodes, freePorts } from "../../dev_broker/free_ports.ts";
import { answersKafka } from "../../lib/kafka/probe.ts";
import { type GuardedOptions, START_LIMIT_MS } from "./broker_guard.ts";
import { classArchiveFlags } from "./class_archive.ts";
import { Proxy } from "./proxy.ts";

/** Where a test's broker is. */
export interface TestBroker extends AsyncDisposable {
  /** The addresses, as `--brokers` takes them. */
  brokers: string;
}

/** A cluster for one test alone, whose nodes may be killed. */
export interface TestCluster extends TestBroker {
  /** Its data directory, for the functions of dev_broker/cluster.ts. */
  dataDir: string;
  /** Ends a node as `kill -9` does. */
  kill(nodeId: number): Promise<boolean>;
  /** Stops a node in good order. */
  stop(nodeId: number): Promise<boolean>;
  /** Sends a signal to the process of a node. */
  signal(nodeId: number, signal: Deno.Signal): Promise<void>;
  /** Starts a node again and waits until it is ready. */
  start(nodeId: number): Promise<void>;
}

/** The environment is the one thing that the isolates of all test files share. */
const SHARED = "ORDER_STREAM_TEST_BROKERS";

/**
 * The broker that all tests share: that of `KAFKA_BROKERS` when it is set, else the one that answers
 * at 127.0.0.1:9092, else one that the first call of the run starts in a temporary directory.
 *
 * Disposing of it does nothing: the tests that come next need it.
 */
export async function testBroker(): Promise<TestBroker> {
  const brokers = known() ?? await firstBroker();
  return { brokers, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function known(): string | undefined {
  return Deno.env.get("KAFKA_BROKERS") || Deno.env.get(SHARED);
}

async function firstBroker(): Promise<string> {
  // Test files may run side by side; all of them have the process id of the run.
  const path = join(tmpdir(), `order-stream-test-${Deno.pid}.lock`);
  using _lock = await lockFile(path, { onWait: () => {} });
  let brokers = known();
  if (brokers === undefined) {
    brokers = await answersKafka(HOST, 9092) === "kafka"
      ? `${HOST}:9092`
      : (await startGuarded({ nodes: freeNodes(1) })).brokers;
    Deno.env.set(SHARED, brokers);
  }
  // Who waits for the lock finds the broker known.
  await removeIfThere(path);
  return brokers;
}

/**
 * Starts a cluster of one node or three for one test; disposing of it stops it.
 *
 * @param settingsOf Further settings for `server.properties`; they override the usual ones.
 */
export async function testCluster(
  nodeCount: 1 | 3,
  settingsOf: (node: NodeSpec) => Record<string, string> = () => ({}),
): Promise<TestCluster> {
  const nodes = freeNodes(nodeCount);
  return clusterAt(await startGuarded({ nodes, settings: settingsOf(nodes[0]!) }));
}

/** A cluster whose clients reach each node through a proxy. */
export interface ProxiedCluster extends TestCluster {
  /** By node, the first is that of node 1. */
  proxies: Proxy[];
  /** The addresses without the proxies. */
  direct: string;
}

/**
 * Starts a cluster of one node or three that its clients reach through proxies; disposing of it stops all.
 *
 * @param settings Further settings for `server.properties`; they override the usual ones.
 */
export async function proxiedCluster(
  nodeCount: 1 | 3,
  settings: Record<string, string> = {},
): Promise<ProxiedCluster> {
  const nodes = freeNodes(nodeCount);
  const taken = new Set(nodes.flatMap(({ port, controllerPort }) => [port, controllerPort]));
  const ports = freePorts(3 * nodeCount).filter((port) => !taken.has(port));
  const proxies = nodes.map((_, index) => new Proxy(ports[index]!));
  const nodeSettings = Object.fromEntries(nodes.map((node, index) => {
    // The requests of brokers, such as transaction markers, do not take this way.
    const listeners = (proxied: number) =>
      `PLAINTEXT://${HOST}:${node.port},PROXIED://${HOST}:${proxied}`;
    return [node.id, {
      "listeners": `${listeners(ports[index]!)},CONTROLLER://${HOST}:${node.controllerPort}`,
      "advertised.listeners": listeners(proxies[index]!.port),
    }];
  }));
  const started = startGuarded({
    nodes,
    nodeSettings,
    settings: {
      "listener.security.protocol.map":
        "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
      // Ten seconds by default: a transaction that has expired is aborted that much later.
      "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
      ...settings,
    },
  });
  started.catch(() => proxies.forEach((proxy) => proxy[Symbol.dispose]()));
  const cluster = clusterAt(await started);
  return {
    ...cluster,
    brokers: proxies.map(({ port }) => `${HOST}:${port}`).join(","),
    direct: cluster.brokers,
    proxies,
    async [Symbol.asyncDispose]() {
      proxies.forEach((proxy) => proxy[Symbol.dispose]());
      await cluster[Symbol.asyncDispose]();
    },
  };
}

function clusterAt({ brokers, dataDir }: { brokers: string; dataDir: string }): TestCluster {
  return {
    brokers,
    dataDir,
    kill: (nodeId) => endNode(dataDir, { id: nodeId, graceMs: 0 }),
    stop: (nodeId) => endNode(dataDir, { id: nodeId, graceMs: 30_000 }),
    async signal(nodeId, signal) {
      const pid = await runningPid(dataDir, nodeId);
      if (pid === undefined) throw new Error(`node ${nodeId} does not run`);
      Deno.kill(pid, signal);
    },
    async start(nodeId) {
      const javaFlags = await classArchiveFlags();
      await startNode(dataDir, nodeId, { timeoutMs: START_LIMIT_MS, javaFlags });
    },
    async [Symbol.asyncDispose]() {
      // Its data is deleted next, so there is no need to wait for a clean stop.
      await stopBroker(dataDir, { graceMs: 0 });
      await removeIfThere(dataDir);
    },
  };
}

async function startGuarded(
  options: GuardedOptions,
): Promise<{ brokers: string; dataDir: string }> {
  const dataDir = await Deno.makeTempDir({ prefix: "order-stream-test-broker-" });
  const guard = `${import.meta.dirname}/broker_guard.ts`;
  // In a detached process: otherwise the broker's process would be an open resource of the first
  // test, and Ctrl-C could interrupt the start before the guard knows the broker.
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", guard, "start", String(Deno.pid), dataDir, JSON.stringify(options)],
    detached: true,
  }).output();
  if (!success) {
    await removeIfThere(dataDir);
    throw new Error(`starting a broker for the tests:\n${new TextDecoder().decode(stderr)}`);
  }
  return { brokers: new TextDecoder().decode(stdout).trim(), dataDir };
}
