/**
 * An admin client for a few requests of a test.
 *
 * @module
 */
import { type AdminPool, adminPool } from "../../lib/kafka/client_pool.ts";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import type { KafkaSettings } from "../../lib/kafka/settings.ts";

type Admin = Parameters<Parameters<AdminPool["use"]>[0]>[0];

/** Runs the function with an admin client, once, and disconnects it. */
export async function withAdmin<T>(
  settings: KafkaSettings,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const pool = adminPool(settings);
  try {
    return await pool.use(use);
  } finally {
    await pool.close();
  }
}

/**
 * Creates a topic with these settings, as an administrator does, and waits until its partitions have
 * leaders.
 *
 * @param topicSettings By their names in https://kafka.apache.org/documentation/#topicconfigs.
 */
export async function createTopic(
  settings: KafkaSettings,
  name: string,
  { partitions = 1, topicSettings = {} }: {
    partitions?: number;
    topicSettings?: Record<string, string> | undefined;
  } = {},
): Promise<void> {
  await withAdmin(
    settings,
    (admin) => createMissingTopics(admin, [{ name, partitions, settings: topicSettings }]),
  );
}

/**
 * Creates a topic on these nodes, as `kafka-topics --replica-assignment` does; it does not wait for
 * leaders, as a node may be down.
 *
 * @param replicas The nodes of each partition.
 * @param topicSettings By their names in https://kafka.apache.org/documentation/#topicconfigs.
 */
export async function placeTopic(
  settings: KafkaSettings,
  topic: string,
  replicas: readonly number[][],
  topicSettings: Record<string, string> = {},
): Promise<void> {
  await withAdmin(settings, (admin) =>
    admin.createTopics({
      waitForLeaders: false,
      topics: [{
        topic,
        numPartitions: -1,
        replicationFactor: -1,
        replicaAssignment: replicas.map((nodes, partition) => ({ partition, replicas: nodes })),
        configEntries: Object.entries(topicSettings).map(([name, value]) => ({ name, value })),
      }],
    }));
}
