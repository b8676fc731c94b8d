/**
 * How large a message a topic takes.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import type { AdminPool } from "./client_pool.ts";
import { configValues } from "./config_values.ts";

/** The setting `max.message.bytes` of a topic for which nothing else is set. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;

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

/** The limits of topics; of those whose settings may not be read, the limit of a broker without settings. */
export async function messageLimits(
  admin: AdminPool,
  topics: readonly string[],
): Promise<Map<string, MessageLimit>> {
  const settings = ["max.message.bytes", "compression.type"];
  const values = await admin.use((client) =>
    configValues(client, "topic", { names: topics, settings })
  );
  return new Map([...values].map(([topic, [maxMessageBytes, compression]]) => [topic, {
    maxMessageBytes: Number(maxMessageBytes ?? DEFAULT_LIMIT.maxMessageBytes),
    keepsCompression: compression !== "uncompressed",
  }]));
}

/** The setting `max.message.bytes` of a topic; `undefined` when it may not be read. */
export async function readMaxMessageBytes(
  admin: Admin,
  topic: string,
): Promise<number | undefined> {
  const settings = ["max.message.bytes"];
  const values = await configValues(admin, "topic", { names: [topic], settings });
  const [value] = values.get(topic)!;
  return value === undefined ? undefined : Number(value);
}
