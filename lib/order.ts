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
import * as v from "valibot";
import {
  amount,
  conform,
  decodeUtf8,
  expected,
  id,
  MAX_ITEMS,
  oneOf,
  parseObject,
  reasonOf,
  timestamp,
  wholeNumber,
} from "./event_fields.ts";
import { jsonOf, type JsonWriter } from "./json_writer.ts";
import { scanLooseOrder } from "./loose_order_scan.ts";
import { scanOrder } from "./order_scan.ts";
import { parseTimestampMs } from "./timestamp.ts";

const LIST_OF_ITEMS = expected(`a list of 1 to ${MAX_ITEMS} items`);

const itemSchema = v.object({
  item_id: id("What is ordered."),
  quantity: wholeNumber(1, "How many."),
  price: amount("The price of one."),
}, expected("an object"));

function listOfItems<T>(item: v.GenericSchema<T>): v.GenericSchema<T[]> {
  return v.pipe(
    v.array(item, LIST_OF_ITEMS),
    v.minLength(1, LIST_OF_ITEMS),
    v.maxLength(MAX_ITEMS, LIST_OF_ITEMS),
  );
}

const schema = v.object({
  event_type: oneOf(["OrderPlaced"], "The kind of event."),
  order_id: id("Which order; the key of the record."),
  user_id: id("Who ordered."),
  items: listOfItems(itemSchema),
  total_amount: amount("What the order costs, with all fees, tips and discounts."),
  status: oneOf(["placed", "failed"], "Whether the order was placed or failed."),
  timestamp: timestamp("The event time, ISO 8601; UTC when it names no zone."),
}, expected("an object"));

/** An item of an order. */
export type OrderItem = v.InferOutput<typeof itemSchema>;

/** An order, placed or failed. */
export type OrderPlaced = v.InferOutput<typeof schema>;

/** The schema of an order. */
export const orderSchema: v.GenericSchema<OrderPlaced> = schema;

const requestSchema = v.partial(
  v.object({
    ...schema.entries,
    items: listOfItems(v.partial(itemSchema, ["price"])),
  }, expected("an object")),
  ["event_type", "order_id", "total_amount", "status", "timestamp"],
);

/** What a client sends to place an order: an order, of which much can be left out. */
export type OrderRequest = v.InferOutput<typeof requestSchema>;

/** The schema of what a client sends to place an order. */
export const orderRequestSchema: v.GenericSchema<OrderRequest> = requestSchema;

/** The result of reading a value. */
export type ParsedOrder =
  /** An order; `timestampMs` is its event time since the epoch. */
  | { kind: "order"; order: OrderPlaced; timestampMs: number }
  /** An event of another kind: valid, but skipped and counted. */
  | { kind: "other"; eventType: string }
  /** Not JSON, or an order that breaks the schema: a dead letter. */
  | { kind: "malformed"; reason: string };

/** The largest value that is read as an order, in bytes: every order fits that has no unknown fields. */
const MAX_ORDER_BYTES = 4_194_304;

/** Reads the bytes of a record as an order; fields that the schema does not know are left out. */
export function parseOrder(value: Uint8Array): ParsedOrder {
  if (value.length > MAX_ORDER_BYTES) {
    return { kind: "malformed", reason: `more than ${MAX_ORDER_BYTES} bytes` };
  }
  // Most orders are written as writeOrder writes them, and these are read in a tenth of the time.
  return scanOrder(value) ?? scanLooseOrder(value) ?? readOrder(value);
}

/** As {@linkcode parseOrder}, for text such as a line of a file. */
export function parseOrderText(text: string): ParsedOrder {
  return readOrder(text);
}

function readOrder(json: Uint8Array | string): ParsedOrder {
  try {
    const fields = parseObject(typeof json === "string" ? json : decodeUtf8(json));
    const eventType = fields.event_type;
    if (typeof eventType === "string" && eventType !== "OrderPlaced") {
      return { kind: "other", eventType };
    }
    const order = conform(schema, fields);
    return { kind: "order", order, timestampMs: parseTimestampMs(order.timestamp) };
  } catch (error) {
    return { kind: "malformed", reason: reasonOf(error) };
  }
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
  onOrder: (order: OrderPlaced, timestampMs: number, record: R) => void,
): NotOrders<R> {
  const rest: NotOrders<R> = { skipped: 0, malformed: [] };
  for (const record of records) {
    if (record.value === null) {
      rest.skipped++;
      continue;
    }
    const parsed = parseOrder(record.value);
    if (parsed.kind === "order") onOrder(parsed.order, parsed.timestampMs, record);
    else if (parsed.kind === "other") rest.skipped++;
    else rest.malformed.push({ record, reason: parsed.reason });
  }
  return rest;
}

const encoder = new TextEncoder();
const BEFORE_ORDER_ID = encoder.encode('{"event_type":"OrderPlaced","order_id":');
const BEFORE_USER_ID = encoder.encode(',"user_id":');
const BEFORE_ITEMS = encoder.encode(',"items":[');
const BEFORE_ITEM_ID = encoder.encode('{"item_id":');
const BEFORE_NEXT_ITEM_ID = encoder.encode(',{"item_id":');
const BEFORE_QUANTITY = encoder.encode(',"quantity":');
const BEFORE_PRICE = encoder.encode(',"price":');
const AFTER = encoder.encode("}");
const BEFORE_TOTAL = encoder.encode('],"total_amount":');
const BEFORE_STATUS = encoder.encode(',"status":');
const BEFORE_TIMESTAMP = encoder.encode(',"timestamp":');

/**
 * Writes an order as JSON, the known fields in the documented order, exactly as `JSON.stringify` does.
 * Read again it is the same order, except that −0 has become 0.
 */
export function writeOrder(order: OrderPlaced, to: JsonWriter): void {
  to.string(BEFORE_ORDER_ID, order.order_id);
  to.string(BEFORE_USER_ID, order.user_id);
  to.raw(BEFORE_ITEMS);
  let beforeItemId = BEFORE_ITEM_ID;
  for (const { item_id, quantity, price } of order.items) {
    to.string(beforeItemId, item_id);
    to.number(BEFORE_QUANTITY, quantity);
    to.number(BEFORE_PRICE, price);
    to.raw(AFTER);
    beforeItemId = BEFORE_NEXT_ITEM_ID;
  }
  to.number(BEFORE_TOTAL, order.total_amount);
  to.string(BEFORE_STATUS, order.status);
  to.string(BEFORE_TIMESTAMP, order.timestamp);
  to.raw(AFTER);
}

/** An order as {@linkcode writeOrder} writes it, as text. */
export function encodeOrder(order: OrderPlaced): string {
  return jsonOf(order, writeOrder);
}
