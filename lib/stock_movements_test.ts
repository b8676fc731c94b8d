import { assertEquals } from "@std/assert";
import { type OrderPlaced } from "./order.ts";
import { parseTimestampMs } from "./timestamp.ts";
import { stockMovements } from "./stock_movements.ts";

const ORDER: OrderPlaced = {
  "event_type": "OrderPlaced",
  "order_id": "order_000001",
  "user_id": "user_123",
  items: [
    { "item_id": "burger", quantity: 2, price: 10 },
    { "item_id": "fries", quantity: 1, price: 3.5 },
    { "item_id": "burger", quantity: 1, price: 10 },
  ],
  "total_amount": 33.5,
  status: "placed",
  timestamp: "2024-01-15T12:30:00+02:00",
};

Deno.test("stockMovements reserves each item of an order that was placed", () => {
  const event = {
    "event_type": "InventoryEvent",
    "order_id": "order_000001",
    action: "reserve",
    timestamp: "2024-01-15T10:30:00.000Z",
  } as const;
  assertEquals(stockMovements(ORDER, parseTimestampMs(ORDER.timestamp)), [
    { ...event, "item_id": "burger", quantity: 2 },
    { ...event, "item_id": "fries", quantity: 1 },
    { ...event, "item_id": "burger", quantity: 1 },
  ]);
});

Deno.test("stockMovements releases each item of an order that failed", () => {
  const events = stockMovements({ ...ORDER, status: "failed" }, 0);
  assertEquals(events.map(({ action }) => action), ["release", "release", "release"]);
  assertEquals(events.map(({ quantity }) => quantity), [2, 1, 1]);
});
