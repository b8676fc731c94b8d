/**
 * A view: follows a compacted topic from its beginning and passes on what it says.
 *
 * The view reads `read_committed` and as the only member of its own group, so it sees every
 * partition. How far it has come is known from the offsets of whole batches, not of records: compaction
 * and transaction markers leave gaps between records, but a batch keeps its last offset.
 *
 * After each rejoin the topic is read from its beginning again, and `onReset` says so.
 *
 * @module
 */
import { consume } from "./consume.ts";
import { type KafkaSettings, readerSettings } from "./settings.ts";

/** Which topic to follow, and the functions that are called. */
export interface ViewOptions {
  /** Where the brokers are. */
  settings: KafkaSettings;
  /** The topic, prefix included. */
  topic: string;
  /** The view's own consumer group starts with this; a random part follows. */
  groupPrefix: string;
  /** Forget everything: all these partitions are read from their beginning. */
  onReset(partitions: number[]): void;
  /** A record; a `null` value is a tombstone. */
  onRecord(key: string, value: string | null): void;
  /** All that stands before this offset of the partition has been passed on. */
  onPosition(partition: number, nextOffset: bigint): void;
}

/**
 * Follows the topic until the signal is aborted.
 *
 * @throws {Error} As {@linkcode consume}.
 */
export async function followTopic(options: ViewOptions, signal: AbortSignal): Promise<void> {
  const { settings, topic, groupPrefix } = options;
  await consume({
    settings: readerSettings(settings),
    topic,
    // Another one for each consumer: the group of the former may wait for a member that was cut off.
    group: () => `${groupPrefix}-${crypto.randomUUID()}`,
    onAssigned: (_consumer, partitions) => options.onReset(partitions),
    onLost: () => {},
    async onBatch({ batch, resolveOffset, heartbeat }) {
      for (const { key, value } of batch.messages) {
        if (key !== null) {
          options.onRecord(key.toString(), value === null ? null : value.toString());
        }
      }
      resolveOffset(batch.lastOffset());
      options.onPosition(batch.partition, BigInt(batch.lastOffset()) + 1n);
      // A rebalance shows here; kafkajs finds out by itself right after this handler.
      await heartbeat().catch(() => {});
    },
  }, signal);
}
