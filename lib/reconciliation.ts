/**
 * The reconciliation: do the stock movements match the orders?
 *
 * Orders in, stock movements out: what the inventory events should be follows from the orders, so
 * reading both topics again shows whether one was lost, repeated or changed.
 *
 * @module
 */
import type { InventoryEvent } from "./inventory_event.ts";
import type { OrderPlaced } from "./order.ts";
import { stockMovements } from "./stock_movements.ts";

/** Compares the orders of one topic with the inventory events of another. */
export class Reconciliation {
  /** Valid orders. */
  orders = 0;
  /** Those of them that failed. */
  failed = 0;
  /** Inventory events that the orders ask for. */
  expected = 0;
  /** Inventory events that are there. */
  found = 0;
  /** How often each event is there beyond what the orders ask for; below 0, how often it is missing. */
  #surplus = new Map<string, number>();

  /** Takes in an order. */
  addOrder(order: OrderPlaced, timestampMs: number): void {
    this.orders++;
    if (order.status === "failed") this.failed++;
    for (const event of stockMovements(order, timestampMs)) {
      this.expected++;
      this.#count(event, -1);
    }
  }

  /** Takes in an inventory event. */
  addEvent(event: InventoryEvent): void {
    this.found++;
    this.#count(event, 1);
  }

  /** How often each event that does not add up is there too often; below 0, how often it is missing. */
  get surplus(): ReadonlyMap<string, number> {
    return this.#surplus;
  }

  /** What is missing or too much, one line each; empty when everything adds up. */
  differences(): string[] {
    return [...this.#surplus].map(([event, surplus]) =>
      `${surplus < 0 ? "missing" : "too many"}: ${Math.abs(surplus)} × ${event}`
    );
  }

  #count({ order_id, item_id, quantity, action, timestamp }: InventoryEvent, change: number): void {
    const event = `${action} ${quantity} ${item_id} for ${order_id} at ${timestamp}`;
    const surplus = (this.#surplus.get(event) ?? 0) + change;
    if (surplus === 0) this.#surplus.delete(event);
    else this.#surplus.set(event, surplus);
  }
}
