import { assertEquals } from "@std/assert";
import {
  type InventoryEvent,
  parseInventoryEvent,
  writeInventoryEvent,
} from "./inventory_event.ts";
import { jsonOf } from "./json_writer.ts";

const encoder = new TextEncoder();

const EVENT: InventoryEvent = {
  "event_type": "InventoryEvent",
  "order_id": "order_000001",
  "item_id": "burger",
  quantity: 2,
  action: "reserve",
  timestamp: "2024-01-15T10:30:00.000Z",
};

Deno.test("writeInventoryEvent writes what JSON.stringify gives, and parseInventoryEvent reads it", () => {
  for (
    const event of [
      EVENT,
      { ...EVENT, action: "release" as const, quantity: 9_007_199_254_740_991 },
      { ...EVENT, "order_id": 'a "quoted" \\ one', "item_id": "pizza\n🍕 \ud800" },
    ]
  ) {
    const encoded = jsonOf(event, writeInventoryEvent);
    assertEquals(encoded, JSON.stringify(event));
    assertEquals(parseInventoryEvent(encoder.encode(encoded)), { kind: "event", event });
  }
});

Deno.test("writeInventoryEvent writes the known fields in the documented order", () => {
  const { action, ...rest } = EVENT;
  const shuffled = { action, extra: 1, ...rest };
  assertEquals(
    jsonOf(shuffled, writeInventoryEvent),
    '{"event_type":"InventoryEvent","order_id":"order_000001","item_id":"burger","quantity":2,"action":"reserve","timestamp":"2024-01-15T10:30:00.000Z"}',
  );
});

Deno.test("parseInventoryEvent says what is wrong", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ "event_type": "OrderPlaced" }, 'event_type: expected "InventoryEvent", got "OrderPlaced"'],
    [{ "order_id": "" }, 'order_id: expected a text of 1 to 256 characters, got ""'],
    [{ "item_id": 5 }, "item_id: expected a text of 1 to 256 characters, got 5"],
    [
      { "item_id": "x".repeat(257) },
      `item_id: expected a text of 1 to 256 characters, got "${"x".repeat(40)}…"`,
    ],
    [{ quantity: 0 }, "quantity: expected a whole number of at least 1, got 0"],
    [{ action: "hold" }, 'action: expected "reserve" or "release", got "hold"'],
    [{ timestamp: undefined }, "timestamp: missing"],
    [
      { timestamp: "today" },
      'timestamp: expected ISO 8601 such as 2024-01-15T10:30:00, got "today"',
    ],
  ];
  for (const [fields, reason] of cases) {
    const bytes = encoder.encode(JSON.stringify({ ...EVENT, ...fields }));
    assertEquals(parseInventoryEvent(bytes), { kind: "malformed", reason });
  }
  assertEquals(parseInventoryEvent(new Uint8Array()).kind, "malformed");
  assertEquals(parseInventoryEvent(encoder.encode("null")).kind, "malformed");
  assertEquals(parseInventoryEvent(new Uint8Array([0xff])), {
    kind: "malformed",
    reason: "not UTF-8",
  });
});
