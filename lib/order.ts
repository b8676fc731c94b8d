/**
 * The order event: its type, and reading and writing it. Nothing else knows its wire format.
 *
 * ```json
 * {"event_type":"OrderPlaced","order_id":"order_000001","user_id":"user_123","items":[{"item_id":"burger","quantity":2,"price":10.0}],"total_amount":20.0,"status":"placed","timestamp":"2024-01-15T10:30:00"}
 * ```
 *
 * Reading never throws, whatever the bytes: what breaks the schema comes back with the reason.
 *
 * @module
 */
import {
  decodeUtf8,
  isAmount,
  isObject,
  isQuantity,
  type JsonObject,
  jsonText,
  nonEmptyText,
  parseObject,
  reasonOf,
  refusal,
} from "./event_fields.ts";
import { scanOrder } from "./order_scan.ts";
import { parseTimestampMs } from "./timestamp.ts";

/** A line of an order. */
export interface OrderItem {
  /** What is ordered; not empty. */
  item_id: string;
  /** How many; a whole number of at least 1. */
  quantity: number;
  /** The price of one; at least 0. */
  price: number;
}

/** An order, placed or failed. */
export interface OrderPlaced {
  /** The kind of event. */
  event_type: "OrderPlaced";
  /** Which order; not empty. */
  order_id: string;
  /** Who orders; not empty. */
  user_id: string;
  /** What is ordered; at least one line. */
  items: OrderItem[];
  /** The sum of quantity × price, rounded to cents. */
  total_amount: number;
  /** What became of the order. */
  status: "placed" | "failed";
  /** The event time, ISO 8601; UTC when it names no zone. */
  timestamp: string;
}

/** What a value turns out to be. */
export type ParsedOrder =
  /** An order; `timestampMs` is its event time since the epoch. */
  | { kind: "order"; order: OrderPlaced; timestampMs: number }
  /** A JSON object of another kind: nothing is wrong with it, it is skipped and counted. */
  | { kind: "other"; eventType: string }
  /** Not JSON, or an order that breaks the schema: a dead letter. */
  | { kind: "malformed"; reason: string };

/** Reads the bytes of a record as an order; fields that the schema does not know are left out. */
export function parseOrder(value: Uint8Array): ParsedOrder {
  // Most orders are written as encodeOrder writes them, and these are read in a third of the time.
  const scanned = scanOrder(value);
  if (scanned !== undefined) return scanned;
  try {
    return parseOrderText(decodeUtf8(value));
  } catch (error) {
    return { kind: "malformed", reason: reasonOf(error) };
  }
}

/** As {@linkcode parseOrder}, for text such as a line of a file. */
export function parseOrderText(text: string): ParsedOrder {
  try {
    return readOrder(parseObject(text));
  } catch (error) {
    return { kind: "malformed", reason: reasonOf(error) };
  }
}

function readOrder(fields: JsonObject): ParsedOrder {
  const eventType = fields.event_type;
  if (typeof eventType !== "string") throw refusal("event_type", "a text", eventType);
  if (eventType !== "OrderPlaced") return { kind: "other", eventType };

  const items = readItems(fields.items);
  const order: OrderPlaced = {
    event_type: eventType,
    order_id: nonEmptyText("order_id", fields.order_id),
    user_id: nonEmptyText("user_id", fields.user_id),
    items,
    total_amount: readTotal(fields.total_amount, items),
    status: readStatus(fields.status),
    timestamp: nonEmptyText("timestamp", fields.timestamp),
  };
  return { kind: "order", order, timestampMs: timeOf(order.timestamp) };
}

function readItems(value: unknown): OrderItem[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw refusal("items", "a list of at least one item", value);
  }
  return value.map((item, index): OrderItem => {
    if (!isObject(item)) throw refusal(`items[${index}]`, "an object", item);
    const { item_id, quantity, price } = item;
    if (typeof item_id !== "string" || item_id === "") {
      throw refusal(`items[${index}].item_id`, "a text that is not empty", item_id);
    }
    if (!isQuantity(quantity)) {
      throw refusal(`items[${index}].quantity`, "a whole number of at least 1", quantity);
    }
    if (!isAmount(price)) {
      throw refusal(`items[${index}].price`, "a number of at least 0", price);
    }
    return { item_id, quantity, price };
  });
}

function readTotal(value: unknown, items: OrderItem[]): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw refusal("total_amount", "a number", value);
  }
  let sum = 0;
  for (const { quantity, price } of items) sum += quantity * price;
  if (!isTotal(value, sum)) {
    throw refusal("total_amount", `${cents(sum)}, the sum of quantity × price`, value);
  }
  return value;
}

/** Whether an amount is a sum of doubles, rounded to cents in any way or not at all. */
export function isTotal(amount: number, sum: number): boolean {
  // Half a cent lets every way of rounding pass; the rest is the noise of doubles in large sums.
  return Math.abs(amount - sum) <= 0.005 + Math.abs(amount) * 1e-12;
}

function cents(amount: number): number {
  return Number(amount.toFixed(2));
}

function readStatus(value: unknown): OrderPlaced["status"] {
  if (value === "placed" || value === "failed") return value;
  throw refusal("status", '"placed" or "failed"', value);
}

function timeOf(timestamp: string): number {
  const ms = parseTimestampMs(timestamp);
  if (!Number.isNaN(ms)) return ms;
  throw refusal("timestamp", "ISO 8601 such as 2024-01-15T10:30:00", timestamp);
}

/** The records that are not orders. */
export interface NotOrders<R> {
  /** How many are valid, but not orders: other events, and tombstones. */
  skipped: number;
  /** Records that are not valid, each with the reason. */
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
): NotOrders<R> {
  const rest: NotOrders<R> = { skipped: 0, malformed: [] };
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

/** Writes an order as JSON, the known fields in the documented order. */
export function encodeOrder(order: OrderPlaced): string {
  // By hand it is faster than JSON.stringify, and the fields come in order whoever made the object.
  let items = "";
  for (const { item_id, quantity, price } of order.items) {
    const item = `{"item_id":${jsonText(item_id)},"quantity":${quantity},"price":${price}}`;
    items = items === "" ? item : `${items},${item}`;
  }
  return `{"event_type":"OrderPlaced","order_id":${jsonText(order.order_id)}` +
    `,"user_id":${jsonText(order.user_id)},"items":[${items}]` +
    `,"total_amount":${order.total_amount},"status":"${order.status}"` +
    `,"timestamp":${jsonText(order.timestamp)}}`;
}
