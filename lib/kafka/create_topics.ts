/**
 * Looking topics up, by their names, and creating those that are missing. What exists is never changed.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { retry } from "../async.ts";
import type { TopicSpec } from "../topics.ts";
import { configValues } from "./config_values.ts";
import { topicMetadata } from "./kafkajs/cluster.ts";
import type { TopicMetadata } from "./kafkajs/topic_metadata.ts";

/** How long a new topic may take to get its leaders, in milliseconds. */
const LEADER_LIMIT_MS = 10_000;
/** With so many replicas a single one may not be enough to acknowledge a record. */
const WEAK_REPLICAS = 3;
/** Stands for the number of replicas that the cluster gives to a topic by default; since Kafka 2.4. */
const CLUSTER_DEFAULT = -1;

/** The topics that exist, by their names. */
export async function existingTopics(
  admin: Admin,
  names: readonly string[],
): Promise<Map<string, TopicMetadata>> {
  return (await topicMetadata(admin, names)).topics;
}

/**
 * Creates the topics that do not exist, reports it through `note`, and returns how many partitions
 * each one has.
 *
 * They get as many replicas as the cluster gives by default. Two programs may create the same topic at
 * once; one of them finds it there.
 *
 * @throws {Error} When a topic cannot be created, or gets no leaders.
 */
export async function createMissingTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
  note: (line: string) => void = () => {},
): Promise<Map<string, number>> {
  const { brokers, topics } = await topicMetadata(admin, specs.map(({ name }) => name));
  const missing = specs.filter(({ name }) => !topics.has(name));
  if (missing.length > 0) {
    for (const spec of missing) await createTopic(admin, spec, brokers, note);
    const created = await untilLed(admin, missing);
    created.forEach((topic, name) => topics.set(name, topic));
  }
  warnOfWeakTopics([...topics.values()], brokers.length, note);
  return new Map([...topics].map(([name, { partitions }]) => [name, partitions.length]));
}

/** Reports topics that a single broker holds although there are several, and partitions without a leader. */
function warnOfWeakTopics(
  topics: readonly TopicMetadata[],
  brokers: number,
  note: (line: string) => void,
): void {
  const single = topics.filter(({ partitions }) =>
    partitions.some(({ replicas }) => replicas.length === 1)
  );
  if (single.length > 0 && brokers > 1) {
    note(
      `warning: one replica in a cluster of ${brokers} brokers: ` +
        `${
          single.map(({ name }) => name).join(", ")
        }; what is in them is lost with a broker's disk`,
    );
  }
  for (const { name, partitions } of topics) {
    const leaderless = partitions.filter(({ leader }) => leader < 0);
    if (leaderless.length > 0) {
      const numbers = leaderless.map(({ partitionId }) => partitionId).join(", ");
      note(
        `warning: partition ${numbers} of ${name} has no leader: the brokers that hold it are down`,
      );
    }
  }
}

async function createTopic(
  admin: Admin,
  { name, partitions, settings }: TopicSpec,
  brokers: readonly number[],
  note: (line: string) => void,
): Promise<void> {
  const all = await isWeaklyAcknowledged(admin, brokers)
    ? { ...settings, "min.insync.replicas": "2" }
    : settings;
  const created = await admin.createTopics({
    waitForLeaders: false,
    topics: [{
      topic: name,
      numPartitions: partitions,
      replicationFactor: CLUSTER_DEFAULT,
      configEntries: Object.entries(all).map(([name, value]) => ({ name, value })),
    }],
  });
  if (created) {
    note(`created topic ${name} (${partitions} partition${partitions === 1 ? "" : "s"})`);
  }
}

/**
 * Whether new topics get three replicas or more, and a record would count as stored once a single one
 * has it. `false` when the settings of the brokers may not be read.
 */
async function isWeaklyAcknowledged(
  admin: Admin,
  brokers: readonly number[],
): Promise<boolean> {
  if (brokers.length < WEAK_REPLICAS) return false;
  const id = String(brokers[0]);
  const values = await configValues(admin, "broker", {
    names: [id],
    settings: ["default.replication.factor", "min.insync.replicas"],
  });
  const [replicas, inSync] = values.get(id)!;
  return Number(replicas) >= WEAK_REPLICAS && inSync === "1";
}

/** The topics, once all their partitions have a leader. */
async function untilLed(
  admin: Admin,
  specs: readonly TopicSpec[],
): Promise<Map<string, TopicMetadata>> {
  const names = specs.map(({ name }) => name);
  return await retry(async () => {
    // Right after the creation a broker may not know the topic yet.
    const topics = await existingTopics(admin, names);
    const waiting = names.filter((name) => {
      const { partitions = [] } = topics.get(name) ?? {};
      return partitions.length === 0 || partitions.some(({ leader }) => leader < 0);
    });
    if (waiting.length > 0) throw new Error(`no leaders for the new topics ${waiting.join(", ")}`);
    return topics;
  }, { minTimeout: 50, multiplier: 1, jitter: 0.5, limitMs: LEADER_LIMIT_MS });
}
