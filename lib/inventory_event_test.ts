import { assertEquals } from "@std/assert";
import {
  encodeInventoryEvent,
  type InventoryEvent,
  inventoryEventEncoder,
  parseInventoryEvent,
} from "./inventory_event.ts";

const encoder = new TextEncoder();

const EVENT: InventoryEvent = {
  "event_type": "InventoryEvent",
  "order_id": "order_000001",
  "item_id": "burger",
  quantity: 2,
  action: "reserve",
  timestamp: "2024-01-15T10:30:00.000Z",
};

Deno.test("encodeInventoryEvent gives what JSON.stringify gives, and parseInventoryEvent reads it", () => {
  for (
    const event of [
      EVENT,
      { ...EVENT, action: "release" as const, quantity: 9_007_199_254_740_991 },
      { ...EVENT, "order_id": 'a "quoted" \\ one', "item_id": "pizza\n🍕 \ud800" },
    ]
  ) {
    const encoded = encodeInventoryEvent(event);
    assertEquals(encoded, JSON.stringify(event));
    assertEquals(parseInventoryEvent(encoder.encode(encoded)), { kind: "event", event });
  }
});

Deno.test("encodeInventoryEvent writes the known fields in the documented order", () => {
  const { action, ...rest } = EVENT;
  const shuffled = { action, extra: 1, ...rest };
  assertEquals(
    encodeInventoryEvent(shuffled),
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

Deno.test("inventoryEventEncoder writes the bytes of encodeInventoryEvent, and none changes later", () => {
  const encode = inventoryEventEncoder();
  const texts = ["burger", 'a"b', "back\\slash", "ä", "\u0001", "🍕", "x".repeat(70_000), "~ !"];
  const events = Array.from({ length: 2_000 }, (_, index): InventoryEvent => ({
    event_type: "InventoryEvent",
    order_id: index % 50 === 7 ? texts[index % texts.length]! : `order_${index}`,
    item_id: index % 20 === 3 ? texts[(index * 3) % texts.length]! : "fries",
    quantity: index % 3 === 0 ? Number.MAX_SAFE_INTEGER : index,
    action: index % 2 === 0 ? "reserve" : "release",
    timestamp: "2024-01-15T10:30:00.000Z",
  }));
  const written = events.map(encode);
  assertEquals(written.map(String), events.map(encodeInventoryEvent));
});
