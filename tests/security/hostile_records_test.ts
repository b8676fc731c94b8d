/**
 * Records with any bytes: what reads them gives a value or its own error, and does not crash, hang or take
 * memory without bounds.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { parseInventoryEvent } from "../../lib/inventory_event.ts";
import { scanLooseOrder } from "../../lib/loose_order_scan.ts";
import {
  encodeOrder,
  type OrderPlaced,
  type ParsedOrder,
  parseOrder,
  parseOrderText,
} from "../../lib/order.ts";
import { scanOrder } from "../../lib/order_scan.ts";
import {
  deadLetterText,
  movementText,
  orderText,
  recordJson,
  rowText,
  type ShownRecord,
} from "../../lib/shown_record.ts";
import { stockMovements } from "../../lib/stock_movements.ts";
import { visible } from "../../lib/visible_text.ts";
import { fuzz, hostileText, mutated, mutations, orders, writtenOrders } from "../support/fuzz.ts";

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The most that a reason may have, in UTF-16 units: it becomes a header of a dead letter. */
const MAX_REASON = 250;

/** All that a reader has read, without getters. */
function plain(parsed: ParsedOrder | undefined) {
  if (parsed?.kind !== "order") return parsed;
  const { event_type, order_id, user_id, items, total_amount, status, timestamp } = parsed.order;
  return {
    ...parsed,
    order: { event_type, order_id, user_id, items, total_amount, status, timestamp },
  };
}

/** What the JSON parser makes of the bytes; the scans must not make anything else of them. */
function reference(bytes: Uint8Array): ParsedOrder {
  let text: string;
  try {
    text = strictDecoder.decode(bytes);
  } catch {
    return { kind: "malformed", reason: "not UTF-8" };
  }
  return parseOrderText(text);
}

/** Cheaper than `assertEquals`, which then says what differs. */
function requireSame(actual: unknown, expected: unknown, bytes: Uint8Array): void {
  const isSame = JSON.stringify(actual) === JSON.stringify(expected);
  if (!isSame) assertEquals(actual, expected, new TextDecoder().decode(bytes));
}

function requireAgreement(bytes: Uint8Array): ParsedOrder {
  const expected = reference(bytes);
  for (const scan of [scanOrder, scanLooseOrder]) {
    const scanned = scan(bytes);
    if (scanned !== undefined) requireSame(plain(scanned), expected, bytes);
  }
  const parsed = parseOrder(bytes);
  requireSame(plain(parsed), expected, bytes);
  if (parsed.kind === "malformed") {
    assert(parsed.reason.length <= MAX_REASON, parsed.reason);
    assertEquals(parsed.reason, parsed.reason.toWellFormed());
  }
  return parsed;
}

const WRITTEN = writtenOrders(400);

Deno.test("the readers of orders agree on every mutation of an order", async () => {
  const taken = { order: 0, other: 0, malformed: 0 };
  await fuzz(
    { kind: "order mutation", runs: 250, each: 40 },
    fc.array(fc.tuple(fc.nat(WRITTEN.length - 1), mutations), { minLength: 40, maxLength: 40 }),
    (list) => {
      for (const [index, changes] of list) {
        taken[requireAgreement(mutated(WRITTEN[index]!, changes)).kind]++;
      }
    },
  );
  assert(taken.order > 500 && taken.malformed > 500, JSON.stringify(taken));
});

Deno.test("the readers of orders agree on all bytes and on all JSON", async () => {
  await fuzz(
    { kind: "record bytes", runs: 3_000 },
    fc.uint8Array({ maxLength: 300 }),
    (bytes) => void requireAgreement(bytes),
  );
  const field = fc.constantFrom(...Object.keys(orders(1)[0]!), "item_id", "__proto__");
  await fuzz(
    { kind: "JSON instead of a field", runs: 3_000 },
    fc.tuple(field, fc.json({ maxDepth: 3 })),
    ([name, json]) => {
      const [order] = orders(1);
      const text = encodeOrder(order!).replace(
        new RegExp(`"${name}":("[^"]*"|\\[.*\\]|[^,}]*)`),
        () => `"${name}":${json}`,
      );
      requireAgreement(encoder.encode(text));
    },
  );
});

Deno.test("large and deep values are read or refused in bounded time", () => {
  const whole = encodeOrder(orders(1)[0]!);
  const large = [
    ["[", "]"],
    ['{"a":', "}"],
  ].map(([open, close]) => `{"x":${open!.repeat(500_000)}1${close!.repeat(500_000)}}`);
  large.push(`{"x":"${"\\u0000".repeat(600_000)}"}`, `${" ".repeat(4_000_000)}${whole}`);
  large.push(
    whole.replace(
      '"items":[',
      `"items":[${'{"item_id":"x","quantity":1,"price":1},'.repeat(90_000)}`,
    ),
  );
  large.push(whole.replace(/"total_amount":[\d.]+/, `"total_amount":${"9".repeat(4_000_000)}`));
  large.push(whole.replace(/"order_id":"/, `$&${"\\\\".repeat(2_000_000)}`));
  large.push(`{${'"order_id":"a",'.repeat(250_000)}${whole.slice(1)}`, "x".repeat(5_000_000));
  for (const text of large) requireAgreement4MB(encoder.encode(text));
});

/** As {@linkcode requireAgreement}; more than four megabytes are refused unread. */
function requireAgreement4MB(bytes: Uint8Array): void {
  if (bytes.length <= 4_194_304) requireAgreement(bytes);
  else assertEquals(parseOrder(bytes), { kind: "malformed", reason: "more than 4194304 bytes" });
}

const id = fc.oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), hostileText)
  .filter((text) => text !== "");
const amount = fc.oneof(
  fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
  fc.nat(100_000).map((cents) => cents / 100),
  fc.constantFrom(-0, 1e-7, 5e-324, Number.MAX_VALUE, 1e21, 0.1 + 0.2, 2 ** 53),
);
const anyOrder: fc.Arbitrary<OrderPlaced> = fc.record({
  event_type: fc.constant("OrderPlaced"),
  order_id: id,
  user_id: id,
  items: fc.array(
    fc.record({ item_id: id, quantity: fc.integer({ min: 1, max: 2 ** 53 - 1 }), price: amount }),
    { minLength: 1, maxLength: 5 },
  ),
  total_amount: amount,
  status: fc.constantFrom("placed", "failed"),
  timestamp: fc.constantFrom(
    ...["2024-01-15T10:30:00", "2024-01-15T10:30", "0000-01-01T00:00:00Z"],
    ...["2024-02-29T23:59:59.999+05:30", "9999-12-31T23:59:59.999Z"],
  ),
}, { noNullPrototype: true });

Deno.test("encodeOrder writes what JSON.stringify gives, and parseOrder reads the same order", async () => {
  await fuzz({ kind: "order", runs: 5_000 }, anyOrder, (order) => {
    const text = encodeOrder(order);
    // UTF-8 has no lone surrogates, which is why JSON escapes them; and its −0 is 0.
    assertEquals(text, JSON.stringify(order));
    const parsed = parseOrder(encoder.encode(text));
    assert(parsed.kind === "order", text);
    assertEquals(plain(parsed), { ...parsed, order: withoutNegativeZero(order) });
    assertEquals(stockMovements(parsed.order, parsed.timestampMs).length, order.items.length);
  });
});

function withoutNegativeZero(order: OrderPlaced): OrderPlaced {
  return {
    ...order,
    total_amount: order.total_amount + 0,
    items: order.items.map((item) => ({ ...item, price: item.price + 0 })),
  };
}

Deno.test("parseInventoryEvent gives an event or a reason for all bytes", async () => {
  const movement = encoder.encode(
    '{"event_type":"InventoryEvent","order_id":"order_1","item_id":"burger","quantity":2,' +
      '"action":"reserve","timestamp":"2024-01-15T10:30:00.000Z"}',
  );
  let events = 0;
  await fuzz({ kind: "movement mutation", runs: 5_000 }, mutations, (changes) => {
    const parsed = parseInventoryEvent(mutated(movement, changes));
    if (parsed.kind === "event") events++;
    else assert(parsed.reason.length <= MAX_REASON, parsed.reason);
  });
  assert(events > 50, `${events} are events`);
});

const bytesOrNull = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    hostileText.map((text) => encoder.encode(text)),
    fc.json().map((text) => encoder.encode(text)),
    fc.tuple(fc.nat(WRITTEN.length - 1), mutations)
      .map(([index, changes]) => mutated(WRITTEN[index]!, changes)),
  ),
);
const anyRecord: fc.Arbitrary<ShownRecord> = fc.record({
  topic: fc.constant("order-events"),
  partition: fc.nat(),
  offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String),
  timestampMs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(Number),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.dictionary(
    fc.oneof(hostileText, fc.constantFrom("dlq.topic", "dlq.reason", "dlq.group", "dlq.resent")),
    hostileText,
  ),
});

Deno.test("every record can be shown, in one line without controls, and as JSON", async () => {
  await fuzz({ kind: "shown record", runs: 3_000 }, anyRecord, (record) => {
    for (const text of [orderText, movementText, rowText, deadLetterText]) {
      const line = text(record);
      assertEquals(visible(line), line);
    }
    JSON.parse(recordJson(record));
  });
});
