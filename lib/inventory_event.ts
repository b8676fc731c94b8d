/**
 * The inventory event: its type, and reading and writing it.
 *
 * ```json
 * {"event_type":"InventoryEvent","order_id":"order_000001","item_id":"burger","quantity":2,"action":"reserve","timestamp":"2024-01-15T10:30:00.000Z"}
 * ```
 *
 * @module
 */
import {
  decodeUtf8,
  isQuantity,
  type JsonObject,
  jsonText,
  nonEmptyText,
  parseObject,
  reasonOf,
  refusal,
} from "./json_event.ts";
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
