/**
 * The slices in which a batch is committed: all of it at once, unless it is large, or a throttle or the
 * link slows it down.
 *
 * @module
 */
import type { SourceRecord } from "./records.ts";

/** How long a throttled slice takes, in milliseconds: short, so that the lag is seen to fall. */
const THROTTLED_SLICE_MS = 250;

/**
 * How many bytes of values are committed together. An order's movements repeat its id for each item:
 * they can take thirty times the bytes of the order.
 */
const SLICE_BYTES = 1_048_576;

/** Records that are committed together. */
export interface CommitSlice {
  records: readonly SourceRecord[];
  /** The offset that is committed with them. */
  nextOffset: bigint;
}

/**
 * Splits a batch into the slices that are committed one after the other. Transaction markers and
 * aborted records at the end of the batch go with the last one.
 *
 * @param endOffset The offset after the batch.
 * @param options.throttleMs The delay per record, in milliseconds; 0 for none.
 * @param options.maxRecords How many records a slice may have; called for each.
 */
export function* commitSlices(
  records: readonly SourceRecord[],
  endOffset: bigint,
  { throttleMs, maxRecords }: { throttleMs: number; maxRecords: () => number },
): Generator<CommitSlice> {
  const throttled = throttleMs > 0
    ? Math.max(1, Math.floor(THROTTLED_SLICE_MS / throttleMs))
    : Infinity;
  let from = 0;
  do {
    const most = Math.min(throttled, maxRecords());
    let end = from;
    let bytes = 0;
    do bytes += records[end++]?.value?.length ?? 0; while (
      end < records.length && end - from < most &&
      bytes + (records[end]!.value?.length ?? 0) <= SLICE_BYTES
    );
    const slice = records.slice(from, end);
    const isLast = end >= records.length;
    yield { records: slice, nextOffset: isLast ? endOffset : BigInt(slice.at(-1)!.offset) + 1n };
    from = end;
  } while (from < records.length);
}
