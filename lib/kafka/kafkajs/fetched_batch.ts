/**
 * Moving a consumer's position past everything that was fetched.
 *
 * @module
 */
import {
  type AbortedTransaction,
  type DecodedRecord,
  filterAbortedMessages,
} from "./aborted_records.ts";
import { fetchedLog } from "./fetched_records.ts";

/** One partition of a fetch response. */
interface PartitionData {
  partition: number;
  /** The end of what all in-sync replicas have. */
  highWatermark: string;
  abortedTransactions?: AbortedTransaction[] | null;
  messages: DecodedRecord[];
}

/** kafkajs's `Batch`: what a fetch response holds for a partition. */
export interface FetchedBatch {
  /** The offset that was requested. */
  fetchedOffset: string;
  /** All fetched records. */
  rawMessages: DecodedRecord[];
  /** Those at the requested offset or after it. */
  messagesWithinOffset: DecodedRecord[];
  /** Those that the user sees. */
  messages: DecodedRecord[];
  /** The batch of the log to read in pieces, when nothing was decoded because it comes first and is large. */
  readonly large: Buffer | undefined;
  /** Shows these records, a piece of the large batch. */
  show(records: DecodedRecord[]): void;
  /** Whether there is nothing to show and no offset to move past. */
  isEmpty(): boolean;
  /** Whether the consumer moves past it without showing it to the user. */
  isEmptyDueToFiltering(): boolean;
  /** The offset that the consumer moves past. */
  lastOffset(): string;
}

type BatchClass = new (
  topic: string,
  fetchedOffset: string,
  data: PartitionData,
) => FetchedBatch;

/**
 * Creates a class whose position follows the batches of the log, not the records in them.
 *
 * Compaction can remove the last records of a batch, or all, and keeps the batch with its offsets. A
 * fetch never crosses the end of a segment: where a segment ends with an empty batch, the original
 * gets no records and requests the same offset again without end (issue 1072). Where only the last
 * records are missing, it advances by one offset per fetch (issue 562).
 *
 * The original moves past a batch of only transaction markers and aborted records without showing it
 * to the user, whose committed offset then never reaches the end. Here every batch in which something
 * was fetched is shown, possibly without records, and the user moves the position.
 *
 * The original also converts the offset of every record to a BigInt to find where to begin; since
 * records are in order, it suffices to find the first at or after the requested offset.
 */
export function movingPastEmptyBatches(Original: BatchClass): BatchClass {
  return class Batch extends Original {
    override readonly large: Buffer | undefined;
    #abortedTransactions: AbortedTransaction[] | null;

    constructor(topic: string, fetchedOffset: string, data: PartitionData) {
      super(topic, fetchedOffset, { ...data, messages: [] });
      this.#abortedTransactions = data.abortedTransactions ?? null;
      const { lastOffset, large } = fetchedLog(data.messages) ?? {};
      this.large = lastOffset === undefined ? large : undefined;
      this.show(data.messages);
    }

    override show(messages: DecodedRecord[]): void {
      const from = BigInt(this.fetchedOffset);
      const first = messages.findIndex(({ offset }) => BigInt(offset) >= from);
      this.rawMessages = messages;
      this.messagesWithinOffset = first === -1
        ? []
        : first === 0
        ? messages
        : messages.slice(first);
      this.messages = filterAbortedMessages({
        messages: this.messagesWithinOffset,
        abortedTransactions: this.#abortedTransactions,
      })
        .filter(({ isControlRecord }) => !isControlRecord);
    }

    override isEmpty(): boolean {
      return this.rawMessages.length === 0 && this.#lastOffset() === undefined;
    }

    override isEmptyDueToFiltering(): boolean {
      return false;
    }

    override lastOffset(): string {
      const last = this.#lastOffset();
      return last !== undefined && last >= BigInt(this.fetchedOffset)
        ? String(last)
        : super.lastOffset();
    }

    #lastOffset(): bigint | undefined {
      return fetchedLog(this.rawMessages)?.lastOffset;
    }
  };
}
