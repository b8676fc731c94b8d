/**
 * Sorting records into orders, records of other kinds, and records that cannot be read.
 *
 * @module
 */
import { type OrderPlaced, parseOrder } from "./order.ts";

/** What records hold beside orders. */
export interface NoOrders<R> {
  /** Records that are no orders but are fine: other events, and tombstones. */
  skipped: number;
  /** Records that are not valid, each with what is wrong. */
  malformed: { record: R; reason: string }[];
}

/**
 * Reads each record's value as an order and hands it over, in the order of the records.
 *
 * Orders are handed over one by one, not as a list: a list of thousands lives long enough to cost the
 * garbage collector a tenth of a program's time.
 */
export function eachOrder<R extends { value: Uint8Array | null }>(
  records: Iterable<R>,
  onOrder: (order: OrderPlaced, timestampMs: number) => void,
): NoOrders<R> {
  const rest: NoOrders<R> = { skipped: 0, malformed: [] };
  for (const record of records) {
    if (record.value === null) {
      rest.skipped++;
      continue;
    }
    const parsed = parseOrder(record.value);
    if (parsed.kind === "order") onOrder(parsed.order, parsed.timestampMs);
    else if (parsed.kind === "other") rest.skipped++;
    else rest.malformed.push({ record, reason: parsed.reason });
  }
  return rest;
}
