/**
 * Reading the topics of a run again, to reconcile what they hold.
 *
 * @module
 */
import { parseInventoryEvent } from "../inventory_event.ts";
import { parseOrder } from "../order.ts";
import { Reconciliation } from "../reconciliation.ts";
import { deadLetters, inventoryEvents, orderEvents, type TopicSpec } from "../topics.ts";
import { readTopic } from "./read_topic.ts";
import type { KafkaSettings } from "./settings.ts";

/** What the topics hold for a `read_committed` reader. */
export interface StoredEvents {
  /** The orders, and the inventory events that follow from them. */
  reconciliation: Reconciliation;
  /** Records of the orders that are not orders. */
  unreadableOrders: number;
  /** Records of the inventory events that are none. */
  unreadableEvents: number;
  /** Dead letters. */
  deadLetters: number;
}

/** A tombstone is neither an order nor an event, and neither are no bytes. */
const EMPTY = new Uint8Array();

/** Reads orders, inventory events and dead letters from beginning to end. */
export async function readStoredEvents(
  settings: KafkaSettings,
  prefix: string,
  signal: AbortSignal,
): Promise<StoredEvents> {
  const reconciliation = new Reconciliation();
  const stored = { reconciliation, unreadableOrders: 0, unreadableEvents: 0, deadLetters: 0 };
  const group = `${prefix}reconciliation`;
  const read = ({ name: topic }: TopicSpec, onValue: (value: Uint8Array) => void) =>
    readTopic(settings, { topic, group, onRecord: ({ value }) => onValue(value ?? EMPTY) }, signal);
  await read(orderEvents(prefix), (value) => {
    const parsed = parseOrder(value);
    if (parsed.kind === "order") reconciliation.addOrder(parsed.order, parsed.timestampMs);
    else stored.unreadableOrders++;
  });
  await read(inventoryEvents(prefix), (value) => {
    const parsed = parseInventoryEvent(value);
    if (parsed.kind === "event") reconciliation.addEvent(parsed.event);
    else stored.unreadableEvents++;
  });
  await read(deadLetters(prefix), () => stored.deadLetters++);
  return stored;
}
