import { assertEquals } from "@std/assert";
import { encodeOrder, type OrderPlaced, parseOrder } from "../lib/order.ts";
import { foreignJson } from "./other_writers.ts";

const order: OrderPlaced = {
  event_type: "OrderPlaced",
  order_id: "order_1_000001",
  user_id: "user_7",
  items: [{ item_id: "crème_🍮", quantity: 2, price: 10 }, {
    item_id: "soup",
    quantity: 1,
    price: 5.6,
  }],
  total_amount: 25.6,
  status: "placed",
  timestamp: "2026-01-02T03:04:05.678Z",
};

Deno.test("foreignJson writes what Python's json.dumps with sorted keys writes", () => {
  assertEquals(
    foreignJson(order),
    '{"event_type": "OrderPlaced", "items": ' +
      String.raw`[{"item_id": "cr\u00e8me_\ud83c\udf6e", "price": 10.0, "quantity": 2}, ` +
      '{"item_id": "soup", "price": 5.6, "quantity": 1}], "order_id": "order_1_000001", ' +
      '"status": "placed", "timestamp": "2026-01-02T03:04:05.678Z", "total_amount": 25.6, ' +
      '"user_id": "user_7"}',
  );
});

Deno.test("foreignJson writes the same order as encodeOrder", () => {
  const parsed = parseOrder(new TextEncoder().encode(foreignJson(order)));
  assertEquals(parsed.kind === "order" && encodeOrder(parsed.order), encodeOrder(order));
});
