/**
 * Creating the topics that are missing. What exists is never changed.
 *
 * @module
 */
import type { Admin, ITopicMetadata } from "kafkajs";
import { retry } from "../async.ts";
import type { TopicSpec } from "../topics.ts";

/** How long a new topic may take to get its leaders, in milliseconds. */
const LEADER_LIMIT_MS = 10_000;

/**
 * Creates the topics that do not exist, reports it through `note`, and returns how many partitions
 * each one has.
 *
 * Replication factor 3 with `min.insync.replicas=2` where the cluster has three brokers or more,
 * else 1. Two programs may create the same topic at once; one of them finds it there.
 *
 * @throws {Error} When a topic cannot be created, or gets no leaders.
 */
export async function createMissingTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
  note: (line: string) => void = () => {},
): Promise<Map<string, number>> {
  const { topics: existing } = await admin.fetchTopicMetadata();
  const missing = specs.filter((spec) => !existing.some(({ name }) => name === spec.name));
  if (missing.length > 0) await createTopics(admin, missing, note);
  return partitionCounts(existing, specs) ?? await untilLed(admin, specs);
}

async function createTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
  note: (line: string) => void,
): Promise<void> {
  const { brokers } = await admin.describeCluster();
  const replicated = brokers.length >= 3;
  for (const { name, partitions, settings } of specs) {
    const all = replicated ? { ...settings, "min.insync.replicas": "2" } : settings;
    const created = await admin.createTopics({
      waitForLeaders: false,
      topics: [{
        topic: name,
        numPartitions: partitions,
        replicationFactor: replicated ? 3 : 1,
        configEntries: Object.entries(all).map(([key, value]) => ({ name: key, value })),
      }],
    });
    if (created) {
      note(`created topic ${name} (${partitions} partition${partitions === 1 ? "" : "s"})`);
    }
  }
}

/** How many partitions each topic has; `undefined` when one of them is missing or has no leader. */
function partitionCounts(
  topics: readonly ITopicMetadata[],
  specs: readonly TopicSpec[],
): Map<string, number> | undefined {
  const counts = new Map<string, number>();
  for (const spec of specs) {
    const partitions = topics.find(({ name }) => name === spec.name)?.partitions ?? [];
    if (partitions.length === 0 || partitions.some(({ leader }) => leader < 0)) return undefined;
    counts.set(spec.name, partitions.length);
  }
  return counts;
}

/** As {@linkcode partitionCounts}, once all partitions have a leader. */
async function untilLed(admin: Admin, specs: readonly TopicSpec[]): Promise<Map<string, number>> {
  const names = specs.map(({ name }) => name);
  return await retry(async () => {
    // Right after the creation a broker may not know the topic yet.
    const { topics } = await admin.fetchTopicMetadata({ topics: names });
    const counts = partitionCounts(topics, specs);
    if (counts === undefined) {
      throw new Error(`topics ${names.join(", ")} have partitions without a leader`);
    }
    return counts;
  }, { minTimeout: 50, multiplier: 1, jitter: 0.5, limitMs: LEADER_LIMIT_MS });
}
