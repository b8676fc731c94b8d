/**
 * The settings of the development broker, and what Java and Kafka print: data in, data out.
 *
 * They suit a developer's machine: loopback only, a small heap, few threads, a quick start.
 * compose.yaml has the same settings for one node; a test compares the two.
 *
 * @module
 */

/** The version of Apache Kafka. */
export const KAFKA_VERSION = "4.4.0";

/** The only address that a development broker listens on. */
export const HOST = "127.0.0.1";

/** One Kafka process of the development broker. */
export interface NodeSpec {
  /** The node id, from 1. */
  id: number;
  /** Where clients connect. */
  port: number;
  /** The port of its controller. */
  controllerPort: number;
}

/** The nodes of a cluster on its default ports: 9092 for clients, 9093 for the controller; +2 each. */
export function defaultNodes(count: number): NodeSpec[] {
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    port: 9092 + 2 * index,
    controllerPort: 9093 + 2 * index,
  }));
}

/** What clients put into `--brokers`. */
export function brokerAddresses(nodes: readonly NodeSpec[]): string {
  return nodes.map(({ port }) => `${HOST}:${port}`).join(",");
}

/** With these a cluster recovers 2–3 s after `kill -9` of a leader; with the defaults after 8 s. */
const FAST_FAILOVER = {
  "broker.session.timeout.ms": "2000",
  "broker.heartbeat.interval.ms": "400",
  "controller.quorum.fetch.timeout.ms": "1000",
  "controller.quorum.election.timeout.ms": "500",
};

/**
 * After `kill -9` a single node can rejoin only when its former session has expired: with these
 * after about 4 s, with the defaults after 10 s.
 */
const FAST_RESTART = {
  "broker.session.timeout.ms": "4000",
  "broker.heartbeat.interval.ms": "500",
};

/** The settings of a cluster of one or three nodes, with Docker and with Java. */
export function clusterSettings(nodeCount: number): Record<string, string> {
  const replicas = nodeCount >= 3 ? "3" : "1";
  const inSync = nodeCount >= 3 ? "2" : "1";
  return {
    // A typing error in a name is an error, not a new topic.
    "auto.create.topics.enable": "false",
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    // The first member of a group does not wait for others to join.
    "group.initial.rebalance.delay.ms": "0",
    ...(nodeCount >= 3 ? FAST_FAILOVER : FAST_RESTART),
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
    // 128 MB by default, most of the heap here.
    "log.cleaner.dedupe.buffer.size": "2097152",
  };
}

/** The listeners of a node: one with this name for clients, and that of the controller. */
export function clientListeners(
  name: string,
  { port, controllerPort }: NodeSpec,
): Record<string, string> {
  const client = `${name}://${HOST}:${port}`;
  return {
    "listeners": `${client},CONTROLLER://${HOST}:${controllerPort}`,
    "advertised.listeners": client,
  };
}

/**
 * The text of a node's `server.properties`.
 *
 * @param node The node that it is for.
 */
export function serverProperties(
  node: NodeSpec,
  { nodes, dataDir, settings = {} }: {
    /** All nodes of the cluster, this one included. */
    nodes: readonly NodeSpec[];
    /** The absolute path of the directory for the node's records. */
    dataDir: string;
    /** Further settings; they override the usual ones. */
    settings?: Record<string, string>;
  },
): string {
  const all = {
    "node.id": String(node.id),
    "process.roles": "broker,controller",
    "controller.quorum.voters": nodes.map(({ id, controllerPort }) =>
      `${id}@${HOST}:${controllerPort}`
    ).join(","),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    ...clientListeners("PLAINTEXT", node),
    "log.dirs": dataDir,
    ...clusterSettings(nodes.length),
    ...settings,
  };
  return "# Written by each start of the development broker; changes here are lost.\n" +
    Object.entries(all).map(([key, value]) => `${key}=${escapeValue(value)}\n`).join("");
}

/** Escapes a value for a Java properties file: doubles backslashes, writes non-ASCII as \uXXXX. */
export function escapeValue(value: string): string {
  return value.replaceAll("\\", "\\\\")
    .replace(/[^\x20-\x7e]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
}

/** The major version in what `java -version` prints, e.g. 17, and 8 for `1.8.0`. */
export function javaMajorVersion(text: string): number | undefined {
  const match = /version "(\d+)(?:\.(\d+))?/.exec(text);
  if (match === null) return undefined;
  return Number(match[1] === "1" ? match[2] : match[1]);
}

/** Why a broker ended, from its log: the last eight errors, or the last eight lines without any. */
export function errorLines(log: string): string[] {
  const lines = log.split("\n").map((line) => line.trimEnd())
    // Users need the messages of a stack trace, not its frames.
    .filter((line) => line !== "" && !/^\s+(at |\.\.\. \d+ more)/.test(line));
  const errors = lines.filter((line) =>
    /\b(ERROR|FATAL)\b/.test(line) || /^(Caused by: |[\w.$]+(Exception|Error)\b)/.test(line)
  );
  return [...new Set(errors.length > 0 ? errors : lines)].slice(-8);
}
