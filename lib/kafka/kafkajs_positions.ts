/**
 * Repairs of kafkajs 2.2.4's consumer, so that a handler can trust where its batch begins and ends.
 *
 * - A batch of transaction markers and aborted records only never reaches the handler; the client
 *   moves past it alone, and a committed offset stays behind the end of the topic for ever. Here
 *   every batch in which something was fetched reaches the handler, without messages if need be,
 *   and only the handler moves the position.
 * - A response that was under way while the position changed (a seek, a rejoin, or a leader that
 *   moved, with one fetch per broker) is handled as if nothing had happened, and records are passed
 *   over. Here a batch that does not begin at the current position is dropped; it is fetched again.
 * - When the next record is gone (`OFFSET_OUT_OF_RANGE`), the client commits −2 for "the beginning",
 *   although it was told not to commit: a reset that nobody asked for. Here only the position moves.
 *
 * @module
 */
import { createRequire } from "node:module";
import type { Batch } from "kafkajs";

/** A batch with the offset that it was fetched from. */
export interface FetchedBatch extends Batch {
  /** The offset that was asked for. */
  fetchedOffset: string;
  /** What came, markers and aborted records included. */
  rawMessages: unknown[];
}

/** What is used here of the client's consumer group. */
interface ConsumerGroup {
  offsetManager: { nextOffset(topic: string, partition: number): unknown } | undefined;
  hasSeekOffset(of: { topic: string; partition: number }): boolean;
  fetch(nodeId: number): Promise<FetchedBatch[]>;
}

const require = createRequire(import.meta.url);

const batch: FetchedBatch & { isEmptyDueToFiltering(): boolean } =
  require("kafkajs/src/consumer/batch.js").prototype;
batch.isEmpty = function () {
  return this.rawMessages.length === 0;
};
batch.isEmptyDueToFiltering = () => false;

const consumerGroup: ConsumerGroup = require("kafkajs/src/consumer/consumerGroup.js").prototype;
const fetchBatches = consumerGroup.fetch;
consumerGroup.fetch = async function (nodeId) {
  const manager = this.offsetManager;
  const batches = await fetchBatches.call(this, nodeId);
  // Each assignment has an offset manager of its own.
  if (manager === undefined || manager !== this.offsetManager) return [];
  return batches.filter((batch) =>
    !this.hasSeekOffset(batch) &&
    String(manager.nextOffset(batch.topic, batch.partition)) === batch.fetchedOffset
  );
};

/** What is used here of the client's offset manager. */
interface OffsetManager {
  cluster: {
    fetchTopicsOffset(topics: { topic: string; partitions: { partition: number }[] }[]): Promise<
      { partitions: { offset: string }[] }[]
    >;
  };
  topicConfigurations: Record<string, { fromBeginning: boolean }>;
  resolvedOffsets: Record<string, Record<number, string>>;
  setDefaultOffset(of: { topic: string; partition: number }): Promise<void>;
}

const offsetManager: OffsetManager =
  require("kafkajs/src/consumer/offsetManager/index.js").prototype;
offsetManager.setDefaultOffset = async function ({ topic, partition }) {
  const [found] = await this.cluster.fetchTopicsOffset([
    { topic, partitions: [{ partition }], ...this.topicConfigurations[topic] },
  ]);
  this.resolvedOffsets[topic]![partition] = found!.partitions[0]!.offset;
};
