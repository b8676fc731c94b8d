/**
 * How large a message a topic takes.
 *
 * @module
 */
import type { AdminPool } from "./client_pool.ts";
import { isRetriable } from "./errors.ts";
import { DEFAULT_MAX_MESSAGE_BYTES } from "./produce_batches.ts";

/** A limit of a topic. */
export interface MessageLimit {
  /** The setting `max.message.bytes`, in bytes: it bounds a record batch as it is stored. */
  maxMessageBytes: number;
  /** Whether the brokers store what is compressed as it came. */
  keepsCompression: boolean;
}

/** The limit of a broker without settings. */
export const DEFAULT_LIMIT: MessageLimit = {
  maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
  keepsCompression: true,
};

/** The number of topics in requests about settings. */
const TOPIC = 2;

/** The limits of topics; of those whose settings may not be read, the limit of a broker without settings. */
export async function messageLimits(
  admin: AdminPool,
  topics: readonly string[],
): Promise<Map<string, MessageLimit>> {
  const limits = new Map(topics.map((topic) => [topic, DEFAULT_LIMIT]));
  try {
    const { resources } = await admin.use((client) =>
      client.describeConfigs({
        includeSynonyms: false,
        resources: topics.map((name) => ({
          type: TOPIC,
          name,
          configNames: ["max.message.bytes", "compression.type"],
        })),
      })
    );
    for (const { resourceName, configEntries } of resources) {
      const valueOf = (name: string) =>
        configEntries.find(({ configName }) => configName === name)?.configValue;
      limits.set(resourceName, {
        maxMessageBytes: Number(valueOf("max.message.bytes") ?? DEFAULT_LIMIT.maxMessageBytes),
        keepsCompression: valueOf("compression.type") !== "uncompressed",
      });
    }
  } catch (error) {
    // Reading settings needs a permission that nothing else needs.
    if (isRetriable(error)) throw error;
  }
  return limits;
}
