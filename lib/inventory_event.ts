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
import {
  decodeUtf8,
  isQuantity,
  type JsonObject,
  jsonText,
  nonEmptyText,
  parseObject,
  reasonOf,
  refusal,
} from "./event_fields.ts";
import { parseTimestampMs } from "./timestamp.ts";

/** A movement of stock that an order has caused. */
export interface InventoryEvent {
  /** The kind of event. */
  event_type: "InventoryEvent";
  /** The order that caused it; not empty. */
  order_id: string;
  /** What moves; not empty. */
  item_id: string;
  /** How many; a whole number of at least 1. */
  quantity: number;
  /** `reserve` for an order that was placed, `release` for one that failed. */
  action: "reserve" | "release";
  /** The event time of the order, ISO 8601. */
  timestamp: string;
}

/** What a value turns out to be. */
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
    return { kind: "event", event: readEvent(parseObject(decodeUtf8(value))) };
  } catch (error) {
    return { kind: "malformed", reason: reasonOf(error) };
  }
}

function readEvent(fields: JsonObject): InventoryEvent {
  const { event_type: eventType, quantity, action } = fields;
  if (eventType !== "InventoryEvent") throw refusal("event_type", '"InventoryEvent"', eventType);
  if (!isQuantity(quantity)) throw refusal("quantity", "a whole number of at least 1", quantity);
  if (action !== "reserve" && action !== "release") {
    throw refusal("action", '"reserve" or "release"', action);
  }
  const timestamp = nonEmptyText("timestamp", fields.timestamp);
  if (Number.isNaN(parseTimestampMs(timestamp))) {
    throw refusal("timestamp", "ISO 8601 such as 2024-01-15T10:30:00", timestamp);
  }
  return {
    event_type: eventType,
    order_id: nonEmptyText("order_id", fields.order_id),
    item_id: nonEmptyText("item_id", fields.item_id),
    quantity,
    action,
    timestamp,
  };
}
