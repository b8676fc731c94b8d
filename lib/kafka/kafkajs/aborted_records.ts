/**
 * Leaving out the records of aborted transactions.
 *
 * @module
 */

/** A transaction that was aborted, as a fetch response names it. */
export interface AbortedTransaction {
  /** Whose it was. */
  producerId: string;
  /** The offset of its first record in this partition. */
  firstOffset: string;
}

/** A record as kafkajs decodes it. */
export interface DecodedRecord {
  /** Its offset. */
  offset: string;
  /** The key. */
  key: Uint8Array | null;
  /** Whether it is a transaction marker. */
  isControlRecord: boolean;
  /** Its batch; the same object for all its records, and missing in formats without transactions. */
  batchContext?: {
    /** The offset of the first record that the batch was written with. */
    firstOffset: string;
    /** How far from it the last one is. */
    lastOffsetDelta: number;
    /** Who wrote it. */
    producerId: string;
    /** Whether it belongs to a transaction. */
    inTransaction: boolean;
  };
}

/** Where a marker's key has its type, in two bytes, and the type that says "aborted". */
const MARKER_TYPE_AT = 2;
const ABORT_MARKER = 0;

/**
 * The records without those of aborted transactions, by the rule of Kafka's own consumer
 * (`CompletedFetch`): a transaction on the list begins with the batch that reaches its first offset
 * and ends with the producer's abort marker.
 *
 * The original takes the list for sorted, which it is not when transactions of several producers
 * interleave, and begins at most one transaction per record: aborted records come through. It also
 * takes a record with a key of four zero bytes for an abort marker. Reported in no issue.
 */
export function filterAbortedMessages<R extends DecodedRecord>(
  { messages, abortedTransactions }: {
    messages: R[];
    abortedTransactions?: AbortedTransaction[] | null;
  },
): R[] {
  if (!abortedTransactions?.length) return messages;
  const waiting = abortedTransactions
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
      while (begun < waiting.length && waiting[begun]!.firstOffset <= lastOffset) {
        abortedProducers.add(waiting[begun++]!.producerId);
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
