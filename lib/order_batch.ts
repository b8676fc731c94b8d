/**
 * Sorting records into orders, records of other kinds, and records that cannot be read.
 *
 * @module
 */
import { type OrderPlaced, parseOrder } from "./order.ts";

/** What a batch of records holds. */
export interface OrderBatch<R> {
  /** The orders, in the order of the records. */
  orders: { order: OrderPlaced; timestampMs: number }[];
  /** Records that are no orders but are fine: other events, and tombstones. */
  skipped: number;
  /** Records that are not valid, each with what is wrong. */
  malformed: { record: R; reason: string }[];
}

/** Reads each record's value as an order. */
export function readOrders<R extends { value: Uint8Array | null }>(
  records: readonly R[],
): OrderBatch<R> {
  const batch: OrderBatch<R> = { orders: [], skipped: 0, malformed: [] };
  for (const record of records) {
    if (record.value === null) {
      batch.skipped++;
      continue;
    }
    const parsed = parseOrder(record.value);
    if (parsed.kind === "order") batch.orders.push(parsed);
    else if (parsed.kind === "other") batch.skipped++;
    else batch.malformed.push({ record, reason: parsed.reason });
  }
  return batch;
}
