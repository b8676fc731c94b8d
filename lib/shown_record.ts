/**
 * A record of any topic as people read it, in one line, and as JSON.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { parseInventoryEvent } from "./inventory_event.ts";
import { parseOrder } from "./order.ts";
import { visible } from "./visible_text.ts";

/** A record and where it is. */
export interface ShownRecord {
  /** The topic, prefix included. */
  topic: string;
  /** The partition. */
  partition: number;
  /** The offset, in decimal. */
  offset: string;
  /** When it was sent, in milliseconds since the epoch. */
  timestampMs: number;
  /** The key; `null` for none. */
  key: Uint8Array | null;
  /** The value; `null` is a tombstone. */
  value: Uint8Array | null;
  /** The headers, each with its text. */
  headers: Record<string, string>;
}

/** How much of a value that is not understood is shown, in characters. */
const SHOWN_VALUE = 120;

/** The line of an order: its id, status, amount, items and user. */
export function orderText(record: ShownRecord): string {
  const parsed = record.value === null ? undefined : parseOrder(record.value);
  if (parsed?.kind !== "order") {
    const reason = parsed?.kind === "malformed"
      ? `cannot be read (${visible(parsed.reason)})`
      : "not an order";
    return placed(record, `${reason}: ${valueText(record)}`);
  }
  const { order_id, status, total_amount, items, user_id, timestamp } = parsed.order;
  const list = items.map(({ quantity, item_id }) => `${quantity} × ${item_id}`).join(", ");
  const facts = [timestamp, order_id, status, total_amount.toFixed(2), list, user_id];
  return placed(record, visible(facts.join("  ")));
}

/** The line of a stock movement: what moves, how many, and the order that caused it. */
export function movementText(record: ShownRecord): string {
  const parsed = record.value === null ? undefined : parseInventoryEvent(record.value);
  if (parsed?.kind !== "event") return placed(record, `not a movement: ${valueText(record)}`);
  const { timestamp, action, quantity, item_id, order_id } = parsed.event;
  return placed(record, visible([timestamp, action, quantity, item_id, order_id].join("  ")));
}

/** The line of a row of the metrics: its key and value. */
export function rowText(record: ShownRecord): string {
  return placed(record, `${keyText(record)}  ${valueText(record)}`);
}

/** The line of a dead letter: where it came from, why, and its value. */
export function deadLetterText(record: ShownRecord): string {
  const { headers } = record;
  const from = `${headers["dlq.topic"]}/${headers["dlq.partition"]}/${headers["dlq.offset"]}`;
  const times = headers["dlq.resent"] === undefined ? [] : [`sent back ${headers["dlq.resent"]} ×`];
  const facts = [from, headers["dlq.group"] ?? "", headers["dlq.reason"] ?? "", ...times];
  return placed(record, `${visible(facts.join("  "))}: ${valueText(record)}`);
}

/**
 * The record as a line of JSON. A value that is JSON is shown as such, other text as a string, and
 * bytes that are not UTF-8 in base64 as `value_base64`. The time is `null` when the timestamp is none.
 */
export function recordJson(record: ShownRecord): string {
  const { topic, partition, offset, timestampMs, key, headers } = record;
  return JSON.stringify({
    topic,
    partition,
    offset: Number(offset),
    time: isoTime(timestampMs),
    ...jsonField("key", key, (text) => text),
    ...jsonField("value", record.value, jsonOrText),
    headers,
  });
}

/** A producer may send any 64 bits as the time; `null` for what is no time. */
function isoTime(timestampMs: number): string | null {
  const time = new Date(timestampMs);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

function jsonField(
  name: string,
  bytes: Uint8Array | null,
  read: (text: string) => unknown,
): Record<string, unknown> {
  if (bytes === null) return { [name]: null };
  const text = utf8(bytes);
  return text === undefined
    ? { [`${name}_base64`]: Buffer.from(bytes).toString("base64") }
    : { [name]: read(text) };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function placed({ partition, offset }: ShownRecord, text: string): string {
  return `${partition}/${offset}  ${text}`;
}

function keyText({ key }: ShownRecord): string {
  return key === null ? "(no key)" : visible(utf8(key) ?? `(${key.length} bytes)`);
}

function valueText({ value }: ShownRecord): string {
  if (value === null) return "(tombstone)";
  const text = utf8(value);
  if (text === undefined) return `(${value.length} bytes that are not UTF-8)`;
  return visible(text.length <= SHOWN_VALUE ? text : `${text.slice(0, SHOWN_VALUE)}…`);
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
