/**
 * From an order to the stock movements that it causes.
 *
 * @module
 */
import type { InventoryEvent } from "./inventory_event.ts";
import { type OrderPlaced } from "./order.ts";
import { formatTimestamp } from "./timestamp.ts";

/**
 * One event per item, in the order of the items: `reserve` for an order that was placed, `release`
 * for one that failed.
 *
 * @param timestampMs The event time of the order, which becomes that of the movements, in UTC.
 */
export function stockMovements(order: OrderPlaced, timestampMs: number): InventoryEvent[] {
  const action = order.status === "placed" ? "reserve" : "release";
  const timestamp = formatTimestamp(timestampMs);
  return order.items.map((item) => ({
    event_type: "InventoryEvent",
    order_id: order.order_id,
    item_id: item.item_id,
    quantity: item.quantity,
    action,
    timestamp,
  }));
}
