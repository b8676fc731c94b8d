import { assertEquals } from "@std/assert";
import {
  deadLetterText,
  movementText,
  orderText,
  recordJson,
  rowText,
  type ShownRecord,
} from "./shown_record.ts";

const utf8 = new TextEncoder();

function record(value: string | Uint8Array | null, more: Partial<ShownRecord> = {}): ShownRecord {
  return {
    topic: "orders",
    partition: 2,
    offset: "17",
    timestampMs: Date.UTC(2024, 0, 15, 10, 30),
    key: utf8.encode("order_1"),
    value: typeof value === "string" ? utf8.encode(value) : value,
    headers: {},
    ...more,
  };
}

const ORDER = '{"event_type":"OrderPlaced","order_id":"order_1","user_id":"user_7","items":' +
  '[{"item_id":"burger","quantity":2,"price":10},{"item_id":"fries","quantity":1,"price":3.5}],' +
  '"total_amount":23.5,"status":"placed","timestamp":"2024-01-15T10:30:00Z"}';

Deno.test("orderText shows an order in a line, and why a record is none", () => {
  assertEquals(
    orderText(record(ORDER)),
    "2/17  2024-01-15T10:30:00Z  order_1  placed  23.50  2 × burger, 1 × fries  user_7",
  );
  assertEquals(orderText(record(null)), "2/17  not an order: (tombstone)");
  assertEquals(
    orderText(record('{"event_type":"OrderRated"}')),
    '2/17  not an order: {"event_type":"OrderRated"}',
  );
  assertEquals(orderText(record("[]")).startsWith("2/17  cannot be read ("), true);
});

Deno.test("movementText and rowText show movements and rows of the metrics", () => {
  const movement = '{"event_type":"InventoryEvent","order_id":"order_1","item_id":"burger",' +
    '"quantity":2,"action":"reserve","timestamp":"2024-01-15T10:30:00.000Z"}';
  assertEquals(
    movementText(record(movement)),
    "2/17  2024-01-15T10:30:00.000Z  reserve  2  burger  order_1",
  );
  assertEquals(movementText(record("x")), "2/17  not a movement: x");
  const key = utf8.encode("2/2024-01-15T10:30Z");
  assertEquals(rowText(record(null, { key })), "2/17  2/2024-01-15T10:30Z  (tombstone)");
});

Deno.test("deadLetterText shows origin, group, reason, how often it was sent back, and the value", () => {
  const headers = {
    "dlq.topic": "order-events",
    "dlq.partition": "0",
    "dlq.offset": "5",
    "dlq.group": "inventory",
    "dlq.reason": "not JSON",
    "dlq.resent": "1",
  };
  assertEquals(
    deadLetterText(record("{", { headers })),
    "2/17  order-events/0/5  inventory  not JSON  sent back 1 ×: {",
  );
});

Deno.test("lines write out what would steer a terminal", () => {
  const key = utf8.encode("k\u0007");
  assertEquals(rowText(record("v\r", { key })), "2/17  k\\u0007  v\\u000d");
  assertEquals(rowText(record("x".repeat(200))).length, "2/17  order_1  ".length + 121);
});

Deno.test("recordJson gives JSON as JSON, text as text, and other bytes in base64", () => {
  const { key: _key, value: _value, ...place } = JSON.parse(recordJson(record(null)));
  assertEquals(place, {
    topic: "orders",
    partition: 2,
    offset: 17,
    time: "2024-01-15T10:30:00.000Z",
    headers: {},
  });
  assertEquals(JSON.parse(recordJson(record(ORDER))).value.order_id, "order_1");
  assertEquals(JSON.parse(recordJson(record("not JSON"))).value, "not JSON");
  const binary = JSON.parse(recordJson(record(Uint8Array.of(255), { key: null })));
  assertEquals([binary.key, binary.value_base64], [null, "/w=="]);
});

Deno.test("recordJson has no time where the timestamp is none", () => {
  assertEquals(JSON.parse(recordJson(record("x", { timestampMs: 9e18 }))).time, null);
});
