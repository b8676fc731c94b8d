/**
 * Moving the position of a consumer past what was fetched.
 *
 * @module
 */
import {
  type AbortedTransaction,
  type DecodedRecord,
  filterAbortedMessages,
} from "./aborted_records.ts";
import { lastOffsetOf } from "./fetched_records.ts";

/** What a fetch response says of a partition. */
export interface PartitionData {
  /** The partition. */
  partition: number;
  /** The end of what all replicas have. */
  highWatermark: string;
  /** The transactions among the records that were aborted. */
  abortedTransactions?: AbortedTransaction[] | null;
  /** The records. */
  messages: DecodedRecord[];
}

/** kafkajs's `Batch`: what a fetch response has for a partition. */
export interface FetchedBatch {
  /** The offset that was asked for. */
  fetchedOffset: string;
  /** The records as they were fetched. */
  rawMessages: DecodedRecord[];
  /** Those from the offset on that was asked for. */
  messagesWithinOffset: DecodedRecord[];
  /** Those that a user sees. */
  messages: DecodedRecord[];
  /** Whether there is nothing to show and nothing to move past. */
  isEmpty(): boolean;
  /** Whether the consumer moves on without showing it to the user. */
  isEmptyDueToFiltering(): boolean;
  /** The offset that the consumer moves past. */
  lastOffset(): string;
}

/** The class. */
export type BatchClass = new (
  topic: string,
  fetchedOffset: string,
  data: PartitionData,
) => FetchedBatch;

/**
 * The class with a position that follows the batches of the log, not the records in them.
 *
 * Compaction may take the last records out of a batch, or all of them, and keeps the batch with its
 * offsets. A fetch never goes beyond a segment: where a segment ends with an empty batch, the
 * original gets no records, so it asks for the same offset again, for ever (issue 1072). Where only
 * the last records are missing, it goes on by one offset per fetch (issue 562).
 *
 * A batch of transaction markers and aborted records alone never reaches the original's user: the
 * consumer moves past it, and what the user commits stays behind the end for ever. Here every batch
 * in which something was fetched is shown, without records if need be, and the user moves the
 * position.
 *
 * The original also turns the offset of every record into a BigInt to find where to begin;
 * in order, as records are, the first one that is far enough suffices.
 */
export function movingPastEmptyBatches(Original: BatchClass): BatchClass {
  return class Batch extends Original {
    constructor(topic: string, fetchedOffset: string, data: PartitionData) {
      super(topic, fetchedOffset, { ...data, messages: [] });
      const { messages, abortedTransactions = null } = data;
      const from = BigInt(fetchedOffset);
      const first = messages.findIndex(({ offset }) => BigInt(offset) >= from);
      this.rawMessages = messages;
      this.messagesWithinOffset = first === -1
        ? []
        : first === 0
        ? messages
        : messages.slice(first);
      this.messages = filterAbortedMessages({
        messages: this.messagesWithinOffset,
        abortedTransactions,
      })
        .filter(({ isControlRecord }) => !isControlRecord);
    }

    override isEmpty(): boolean {
      return this.rawMessages.length === 0 && lastOffsetOf(this.rawMessages) === undefined;
    }

    override isEmptyDueToFiltering(): boolean {
      return false;
    }

    override lastOffset(): string {
      const last = lastOffsetOf(this.rawMessages);
      return last !== undefined && last >= BigInt(this.fetchedOffset)
        ? String(last)
        : super.lastOffset();
    }
  };
}
