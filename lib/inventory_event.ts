/**
 * The inventory event: its type, and reading and writing it.
 *
 * ```json
 * {"event_type":"InventoryEvent","order_id":"order_000001","item_id":"burger","quantity":2,"action":"reserve","timestamp":"2024-01-15T10:30:00.000Z"}
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import * as v from "valibot";
import {
  conform,
  decodeUtf8,
  expected,
  id,
  jsonText,
  oneOf,
  parseObject,
  reasonOf,
  timestamp,
  wholeNumber,
} from "./event_fields.ts";

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

/** Writes an event as JSON, the fields in the documented order. */
export function encodeInventoryEvent(event: InventoryEvent): string {
  return `{"event_type":"InventoryEvent","order_id":${jsonText(event.order_id)}` +
    `,"item_id":${jsonText(event.item_id)},"quantity":${event.quantity}` +
    `,"action":"${event.action}","timestamp":${jsonText(event.timestamp)}}`;
}

const textEncoder = new TextEncoder();
const BEFORE_ORDER_ID = textEncoder.encode('{"event_type":"InventoryEvent","order_id":"');
const BEFORE_ITEM_ID = textEncoder.encode('","item_id":"');
const BEFORE_QUANTITY = textEncoder.encode('","quantity":');
const BEFORE_ACTION = textEncoder.encode(',"action":"');
const BEFORE_TIMESTAMP = textEncoder.encode('","timestamp":"');
const END = textEncoder.encode('"}');
/** The length of all constant parts, and of the longest quantity and action, in bytes. */
const FIXED_BYTES = BEFORE_ORDER_ID.length + BEFORE_ITEM_ID.length + BEFORE_QUANTITY.length +
  BEFORE_ACTION.length + BEFORE_TIMESTAMP.length + END.length + 16 + 7;
const PAGE_BYTES = 65_536;

/**
 * Makes a function that writes events as {@linkcode encodeInventoryEvent} does, but as bytes.
 *
 * A transaction writes thousands of events: as strings, each of a dozen parts, they would take four
 * times the memory until they are sent. The bytes of many events share a page.
 */
export function inventoryEventEncoder(): (event: InventoryEvent) => Buffer {
  let page = Buffer.alloc(0);
  let at = 0;

  function putBytes(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) page[at++] = bytes[i]!;
  }

  /** Writes a text that needs no escapes; `false` when it does, or is not ASCII. */
  function putText(text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
      page[at++] = code;
    }
    return true;
  }

  return (event) => {
    const { order_id, item_id, timestamp } = event;
    const mostBytes = FIXED_BYTES + order_id.length + item_id.length + timestamp.length;
    if (at + mostBytes > page.length) {
      page = Buffer.allocUnsafeSlow(Math.max(PAGE_BYTES, mostBytes));
      at = 0;
    }
    const start = at;
    putBytes(BEFORE_ORDER_ID);
    let isPlain = putText(order_id);
    putBytes(BEFORE_ITEM_ID);
    isPlain = isPlain && putText(item_id);
    putBytes(BEFORE_QUANTITY);
    putText(String(event.quantity));
    putBytes(BEFORE_ACTION);
    putText(event.action);
    putBytes(BEFORE_TIMESTAMP);
    isPlain = isPlain && putText(timestamp);
    putBytes(END);
    if (isPlain) return page.subarray(start, at);
    at = start;
    return Buffer.from(encodeInventoryEvent(event));
  };
}

/** Reads the bytes of a record; never throws, whatever they are. */
export function parseInventoryEvent(value: Uint8Array): ParsedInventoryEvent {
  try {
    return { kind: "event", event: conform(schema, parseObject(decodeUtf8(value))) };
  } catch (error) {
    return { kind: "malformed", reason: reasonOf(error) };
  }
}
