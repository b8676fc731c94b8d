/**
 * The position of a consumer: only what begins at it is shown, and nothing commits it unasked.
 *
 * @module
 */
import type { FetchedBatch } from "./fetched_batch.ts";

interface TopicPartition {
  topic: string;
  partition: number;
}

/** kafkajs's consumer group, as far as it is used here. */
export interface ConsumerGroup {
  /** The positions; each assignment has a new one. */
  offsetManager: {
    nextOffset(topic: string, partition: number): { toString(): string };
  } | null;
  /** Whether a seek waits for the next fetch. */
  hasSeekOffset(of: TopicPartition): boolean;
}

/** `fetch` of kafkajs's consumer group. */
export type Fetch = (
  this: ConsumerGroup,
  nodeId: number,
) => Promise<(FetchedBatch & TopicPartition)[]>;

/**
 * `fetch` without the batches that do not begin at the current position. With one fetch under way to
 * each broker, a response may come after a seek, after a rejoin or after the leader has moved; the
 * original shows it all the same, and what lies between is passed over.
 */
export function fetchingAtPosition(original: Fetch): Fetch {
  return async function (nodeId) {
    const manager = this.offsetManager;
    const batches = await original.call(this, nodeId);
    if (manager === null || manager !== this.offsetManager) return [];
    return batches.filter((batch) =>
      !this.hasSeekOffset(batch) &&
      manager.nextOffset(batch.topic, batch.partition).toString() === batch.fetchedOffset
    );
  };
}

/** kafkajs's offset manager, as far as it is used here. */
export interface OffsetManager {
  /** The connection to the brokers. */
  cluster: {
    fetchTopicsOffset(topics: { topic: string; partitions: { partition: number }[] }[]): Promise<
      { partitions: { offset: string }[] }[]
    >;
  };
  /** Where a topic is read from without a commit. */
  topicConfigurations: Record<string, { fromBeginning: boolean }>;
  /** The positions. */
  resolvedOffsets: Record<string, Record<number, string>>;
}

/**
 * Called when the next record is gone (`OFFSET_OUT_OF_RANGE`). The original commits −2 or −1, also
 * for a consumer that was told not to commit: a reset that nobody asked for. Here the position moves,
 * and what is committed stays.
 */
export async function setDefaultOffset(
  this: OffsetManager,
  { topic, partition }: TopicPartition,
): Promise<void> {
  const [found] = await this.cluster.fetchTopicsOffset([
    { topic, partitions: [{ partition }], ...this.topicConfigurations[topic] },
  ]);
  this.resolvedOffsets[topic]![partition] = found!.partitions[0]!.offset;
}
