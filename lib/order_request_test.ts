import { assert, assertEquals, assertThrows } from "@std/assert";
import { MalformedEvent } from "./event_fields.ts";
import { type OrderPlaced, parseOrderText } from "./order.ts";
import { orderGenerator } from "./order_generator.ts";
import { readOrderRequest } from "./order_request.ts";

const NOW = "2024-01-15T10:30:00.000Z";
const DEFAULTS = {
  prices: new Map([["burger", 10], ["fries", 3.55]]),
  newId: "order_new",
  nowMs: Date.parse(NOW),
};

function read(value: unknown) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return readOrderRequest(new TextEncoder().encode(text), DEFAULTS);
}

function errorsOf(value: unknown) {
  const result = read(value);
  assert("errors" in result, JSON.stringify(result));
  return Object.fromEntries(result.errors.map(({ field, message }) => [field, message]));
}

Deno.test("readOrderRequest adds all that can be left out", () => {
  const items = [{ item_id: "burger", quantity: 2 }, { item_id: "fries", quantity: 3 }];
  assertEquals(read({ user_id: "user_1", items }), {
    order: {
      event_type: "OrderPlaced",
      order_id: "order_new",
      user_id: "user_1",
      items: [
        { item_id: "burger", quantity: 2, price: 10 },
        { item_id: "fries", quantity: 3, price: 3.55 },
      ],
      total_amount: 30.65,
      status: "placed",
      timestamp: NOW,
    },
  });
});

Deno.test("readOrderRequest takes a complete order as it is, also what is on no menu, and drops unknown fields", () => {
  const next = orderGenerator({ seed: 1, failureRate: 0.5, eventTimeMs: (index) => index });
  for (let count = 0; count < 100; count++) {
    const order = { ...next(), total_amount: 1_234.567, timestamp: "2024-01-15T10:30" };
    assertEquals(read({ ...order, channel: "web", "__proto__x": 1 }), { order });
  }
});

Deno.test("readOrderRequest sums what has prices of its own, in cents", () => {
  const totalOf = (...prices: number[]) => {
    const items = prices.map((price) => ({ item_id: "a", quantity: 1, price }));
    return (read({ user_id: "u", items }) as { order: OrderPlaced }).order.total_amount;
  };
  assertEquals(totalOf(0.1, 0.2), 0.3);
  assertEquals(totalOf(0.004, 0.004), 0.01);
  assertEquals(totalOf(0), 0);
});

Deno.test("readOrderRequest names every wrong field, each once", () => {
  assertEquals(errorsOf({}), { user_id: "missing", items: "missing" });
  assertEquals(
    errorsOf({
      event_type: "Other",
      order_id: "",
      user_id: null,
      items: [{ item_id: 1, quantity: -1.5, price: "x" }, 7, { quantity: 1 }],
      total_amount: -1,
      status: "done",
      timestamp: "yesterday",
    }),
    {
      "event_type": 'expected "OrderPlaced", got "Other"',
      "order_id": 'expected a text of 1 to 256 characters, got ""',
      "user_id": "expected a text of 1 to 256 characters, got null",
      "items[0].item_id": "expected a text of 1 to 256 characters, got 1",
      "items[0].quantity": "expected a whole number of at least 1, got -1.5",
      "items[0].price": 'expected a number of at least 0, got "x"',
      "items[1]": "expected an object, got 7",
      "items[2].item_id": "missing",
      "total_amount": "expected a number of at least 0, got -1",
      "status": 'expected "placed" or "failed", got "done"',
      "timestamp": 'expected ISO 8601 such as 2024-01-15T10:30:00, got "yesterday"',
    },
  );
  assertEquals(errorsOf({ user_id: "u", items: [] }), {
    items: "expected a list of 1 to 1000 items, got an empty list",
  });
  const unknown = [{ item_id: "burger", quantity: 1 }, { item_id: "caviar", quantity: 1 }];
  assertEquals(errorsOf({ user_id: "u", items: unknown }), {
    "items[1].price": "missing, and not on the menu",
  });
  const dear = [{ item_id: "a", quantity: 9, price: 1e308 }];
  assertEquals(errorsOf({ user_id: "u", items: dear }), {
    "total_amount": "missing, and the sum of the items is too large",
  });
});

Deno.test("readOrderRequest names a bounded number of errors", () => {
  const result = read({ user_id: "u", items: Array.from({ length: 30_000 }, () => 0) });
  assert("errors" in result);
  assertEquals(result.errors.length, 100);
});

Deno.test("readOrderRequest refuses what is not a JSON object", () => {
  for (const text of ["", "[]", "null", "{", "[".repeat(60_000), '"order"']) {
    assertThrows(() => read(text), MalformedEvent);
  }
  assertThrows(
    () => readOrderRequest(new Uint8Array([0x7b, 0xff, 0x7d]), DEFAULTS),
    MalformedEvent,
  );
});

Deno.test("readOrderRequest returns what the services read as an order", () => {
  const result = read({ user_id: "\u202eu\n<b>", items: [{ item_id: "burger", quantity: 1 }] });
  assert("order" in result);
  assertEquals(parseOrderText(JSON.stringify(result.order)).kind, "order");
});
