/**
 * The inventory event: its type, and reading and writing it.
 *
 * ```json
 * {"event_type":"InventoryEvent","order_id":"order_000001","item_id":"burger","quantity":2,"action":"reserve","timestamp":"2024-01-15T10:30:00.000Z"}
 * ```
 *
 * @module
 */
import * as v from "valibot";
import {
  conform,
  decodeUtf8,
  expected,
  id,
  oneOf,
  parseObject,
  reasonOf,
  timestamp,
  wholeNumber,
} from "./event_fields.ts";
import { JsonWriter } from "./json_writer.ts";

const schema = v.object({
  event_type: oneOf(["InventoryEvent"], "The kind of event."),
  order_id: id("The order that caused the movement."),
  item_id: id("What moves; the key of the record."),
  quantity: wholeNumber(1, "How many."),
  action: oneOf(
    ["reserve", "release"],
    "`reserve` for an order that was placed, `release` for one that failed.",
  ),
  timestamp: timestamp("The event time of the order, ISO 8601; UTC when it names no zone."),
}, expected("an object"));

/** A movement of stock that an order has caused. */
export type InventoryEvent = v.InferOutput<typeof schema>;

/** The schema of an inventory event. */
export const inventoryEventSchema: v.GenericSchema<InventoryEvent> = schema;

/** The result of reading a value. */
export type ParsedInventoryEvent =
  /** An inventory event. */
  | { kind: "event"; event: InventoryEvent }
  /** Anything else. */
  | { kind: "malformed"; reason: string };

const encoder = new TextEncoder();
const BEFORE_ORDER_ID = encoder.encode('{"event_type":"InventoryEvent","order_id":');
const BEFORE_ITEM_ID = encoder.encode(',"item_id":');
const BEFORE_QUANTITY = encoder.encode(',"quantity":');
const BEFORE_ACTION = encoder.encode(',"action":');
const BEFORE_TIMESTAMP = encoder.encode(',"timestamp":');
const END = encoder.encode("}");

/** The last event's bytes before its item and after its quantity: those of one order are the same. */
const shared = new JsonWriter();
let sharedBy: Pick<InventoryEvent, "order_id" | "action" | "timestamp"> | undefined;
let beforeItem = shared.bytes;
let afterQuantity = shared.bytes;

/** Writes an event as JSON, the fields in the documented order. */
export function writeInventoryEvent(event: InventoryEvent, to: JsonWriter): void {
  const { order_id, action, timestamp } = event;
  const isShared = sharedBy !== undefined && order_id === sharedBy.order_id &&
    action === sharedBy.action && timestamp === sharedBy.timestamp;
  if (!isShared) writeShared(event);
  to.string(beforeItem, event.item_id);
  to.number(BEFORE_QUANTITY, event.quantity);
  to.raw(afterQuantity);
}

function writeShared(event: InventoryEvent): void {
  shared.offset = 0;
  shared.string(BEFORE_ORDER_ID, event.order_id);
  shared.raw(BEFORE_ITEM_ID);
  const end = shared.offset;
  shared.string(BEFORE_ACTION, event.action);
  shared.string(BEFORE_TIMESTAMP, event.timestamp);
  shared.raw(END);
  beforeItem = shared.bytes.subarray(0, end);
  afterQuantity = shared.bytes.subarray(end);
  sharedBy = event;
}

/** Reads the bytes of a record; never throws, whatever they are. */
export function parseInventoryEvent(value: Uint8Array): ParsedInventoryEvent {
  try {
    return { kind: "event", event: conform(schema, parseObject(decodeUtf8(value))) };
  } catch (error) {
    return { kind: "malformed", reason: reasonOf(error) };
  }
}
