/**
 * Leaving out the records of aborted transactions.
 *
 * @module
 */

/** An aborted transaction in a fetch response. */
export interface AbortedTransaction {
  /** The producer that aborted it. */
  producerId: string;
  /** The offset of its first record in the partition. */
  firstOffset: string;
}

/** A record as kafkajs decodes it. */
export interface DecodedRecord {
  /** The position in the partition. */
  offset: string;
  /** The key as bytes. */
  key: Uint8Array | null;
  /** Whether it is a transaction marker. */
  isControlRecord: boolean;
  /** The header of its batch, the same object for all its records; old formats have none. */
  batchContext?: {
    /** The offset of the first record when the batch was written. */
    firstOffset: string;
    /** The offset of the last record when the batch was written, minus the first. */
    lastOffsetDelta: number;
    /** The producer that wrote it. */
    producerId: string;
    /** Whether it belongs to a transaction. */
    inTransaction: boolean;
  };
}

/** The key of a marker holds its type in two bytes: 0 is an abort, 1 a commit. */
const MARKER_TYPE_AT = 2;
const ABORT_MARKER = 0;

/**
 * Returns the records without those of aborted transactions, by the rule of Kafka's own consumer
 * (`CompletedFetch`): an aborted transaction begins with the batch that reaches its first offset and
 * ends with the producer's abort marker.
 *
 * The original expects the list of aborted transactions in the order of their first offsets, but
 * brokers send it in the order of the abort markers, and it starts at most one transaction per record:
 * when transactions interleave, aborted records are shown. It also takes a record whose key is four
 * zero bytes for an abort marker. No issue reports this.
 */
export function filterAbortedMessages<R extends DecodedRecord>(
  { messages, abortedTransactions }: {
    messages: R[];
    abortedTransactions?: AbortedTransaction[] | null;
  },
): R[] {
  if (!abortedTransactions?.length) return messages;
  const byFirstOffset = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: BigInt(firstOffset) }))
    .sort((a, b) => a.firstOffset < b.firstOffset ? -1 : a.firstOffset > b.firstOffset ? 1 : 0);
  const abortedProducers = new Set<string>();
  let begun = 0;
  let currentBatch: DecodedRecord["batchContext"];
  return messages.filter((record) => {
    const batch = record.batchContext;
    if (batch === undefined) return true;
    if (batch !== currentBatch) {
      currentBatch = batch;
      const lastOffset = BigInt(batch.firstOffset) + BigInt(batch.lastOffsetDelta);
      while (begun < byFirstOffset.length && byFirstOffset[begun]!.firstOffset <= lastOffset) {
        abortedProducers.add(byFirstOffset[begun++]!.producerId);
      }
    }
    if (record.isControlRecord) {
      if (isAbortMarker(record)) abortedProducers.delete(batch.producerId);
      return true;
    }
    return !(batch.inTransaction && abortedProducers.has(batch.producerId));
  });
}

function isAbortMarker({ key }: DecodedRecord): boolean {
  return key !== null && key.length >= MARKER_TYPE_AT + 2 &&
    (key[MARKER_TYPE_AT]! << 8 | key[MARKER_TYPE_AT + 1]!) === ABORT_MARKER;
}
