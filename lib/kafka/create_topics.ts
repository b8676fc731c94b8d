/**
 * Creating the topics that are missing. What exists is never changed.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { printNote } from "../cli.ts";
import type { TopicSpec } from "../topics.ts";
import { sleep } from "./connect.ts";

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
  const existing = new Set(await admin.listTopics());
  const missing = specs.filter(({ name }) => !existing.has(name));
  if (missing.length > 0) {
    const { brokers } = await admin.describeCluster();
    const replicated = brokers.length >= 3;
    for (const { name, partitions, settings } of missing) {
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
  return await partitionCounts(admin, specs.map(({ name }) => name));
}

/** How many partitions each topic has, once all of them have a leader. */
async function partitionCounts(admin: Admin, topics: string[]): Promise<Map<string, number>> {
  for (let attempt = 0;; attempt++) {
    try {
      const metadata = await admin.fetchTopicMetadata({ topics });
      const led = metadata.topics.every(({ partitions }) =>
        partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)
      );
      if (led) {
        return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
      }
    } catch (error) {
      // Right after the creation a broker may not know the topic yet.
      if (attempt >= 50) throw error;
    }
    if (attempt >= 50) {
      throw new Error(`topics ${topics.join(", ")} have partitions without leader`);
    }
    await sleep(100);
  }
}
