/**
 * Creating the topics that are missing. What exists is never changed.
 *
 * @module
 */
import type { Admin, ITopicMetadata } from "kafkajs";
import { printNote } from "../cli/output.ts";
import type { TopicSpec } from "../topics.ts";
import { sleep } from "../async.ts";

/** How often, and with which pauses, a new topic is asked for its leaders. */
const LEADER_TRIES = 100;
const LEADER_PAUSE_MS = 50;

/**
 * Creates the topics that do not exist, says so, and returns how many partitions each one has.
 *
 * Replication factor 3 with `min.insync.replicas=2` where the cluster has three brokers or more,
 * else 1. Two programs may create the same topic at once; one of them finds it there.
 */
export async function createMissingTopics(
  admin: Admin,
  specs: readonly TopicSpec[],
): Promise<Map<string, number>> {
  const { topics: existing } = await admin.fetchTopicMetadata();
  const missing = specs.filter((spec) => !existing.some(({ name }) => name === spec.name));
  if (missing.length > 0) await createTopics(admin, missing);
  return partitionCounts(existing, specs) ?? await untilLed(admin, specs);
}

async function createTopics(admin: Admin, specs: readonly TopicSpec[]): Promise<void> {
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
      printNote(`created topic ${name} (${partitions} partition${partitions === 1 ? "" : "s"})`);
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
  for (let attempt = 0;; attempt++) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: names });
      const counts = partitionCounts(topics, specs);
      if (counts !== undefined) return counts;
    } catch (error) {
      // Right after the creation a broker may not know the topic yet.
      if (attempt >= LEADER_TRIES) throw error;
    }
    if (attempt >= LEADER_TRIES) {
      throw new Error(`topics ${names.join(", ")} have partitions without leader`);
    }
    await sleep(LEADER_PAUSE_MS);
  }
}
