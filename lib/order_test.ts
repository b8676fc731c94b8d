import { assert, assertEquals } from "@std/assert";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { eachOrder, encodeOrder, type OrderPlaced, parseOrder, parseOrderText } from "./order.ts";
import { formatTimestamp } from "./timestamp.ts";

const encoder = new TextEncoder();

const DOCUMENTED =
  '{"event_type":"OrderPlaced","order_id":"order_000001","user_id":"user_123","items":[{"item_id":"burger","quantity":2,"price":10.0}],"total_amount":20.0,"status":"placed","timestamp":"2024-01-15T10:30:00"}';

/** The documented order with other fields; a field that is `undefined` is missing. */
function orderWith(fields: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(DOCUMENTED), ...fields });
}

/** The documented order with one item that has other fields. */
function orderWithItem(fields: Record<string, unknown>, total = 20): string {
  const item = { "item_id": "burger", quantity: 2, price: 10, ...fields };
  return orderWith({ items: [item], "total_amount": total });
}

function reason(text: string): string {
  const parsed = parseOrderText(text);
  assert(parsed.kind === "malformed", `is ${parsed.kind}: ${text}`);
  return parsed.reason;
}

function orderOf(text: string): OrderPlaced {
  const parsed = parseOrderText(text);
  assert(parsed.kind === "order", `is ${parsed.kind}: ${JSON.stringify(parsed)}`);
  return parsed.order;
}

Deno.test("parseOrder reads the documented order", () => {
  const parsed = parseOrder(encoder.encode(DOCUMENTED));
  assert(parsed.kind === "order");
  assertEquals(JSON.parse(encodeOrder(parsed.order)), JSON.parse(DOCUMENTED));
  assertEquals(parsed.timestampMs, Date.UTC(2024, 0, 15, 10, 30));
});

Deno.test("parseOrder reads part of a larger buffer, and any script", () => {
  for (const user of ["Zoë 🍔", "the replacement character itself: \ufffd"]) {
    const bytes = encoder.encode(`xx${orderWith({ "user_id": user })}yy`);
    const parsed = parseOrder(bytes.subarray(2, bytes.length - 2));
    assert(parsed.kind === "order");
    assertEquals(parsed.order.user_id, user);
  }
});

Deno.test("parseOrder refuses what is not UTF-8, wherever it stands", () => {
  for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf4, 0x90, 0x80, 0x80]]) {
    const bytes = encoder.encode(orderWith({ "user_id": "user_....." }));
    bytes.set(bad, encoder.encode(DOCUMENTED).indexOf("u".charCodeAt(0), 70) + 5);
    assertEquals(parseOrder(bytes), { kind: "malformed", reason: "not UTF-8" }, `${bad}`);
  }
});

Deno.test("parseOrder passes over other kinds of events, whatever their fields", () => {
  assertEquals(parseOrderText('{"event_type":"InventoryEvent","items":0}'), {
    kind: "other",
    eventType: "InventoryEvent",
  });
  assertEquals(parseOrderText(orderWith({ "event_type": "orderplaced" })).kind, "other");
  assertEquals(parseOrderText('{"event_type":""}'), { kind: "other", eventType: "" });
});

Deno.test("parseOrder leaves out fields that the schema does not know", () => {
  const text = orderWith({
    items: [{ "item_id": "burger", quantity: 2, price: 10, note: "no onions" }],
    coupon: { code: "x" },
    toString: 1,
  });
  assertEquals(orderOf(text), orderOf(DOCUMENTED));
  assertEquals(
    orderOf(DOCUMENTED.replace("{", '{"__proto__":{"status":"failed"},"constructor":null,')),
    orderOf(DOCUMENTED),
  );
});

Deno.test("parseOrder does not take a field from __proto__", () => {
  const text = DOCUMENTED.replace('"status":"placed"', '"__proto__":{"status":"placed"}');
  assertEquals(reason(text), "status: missing");
  assertEquals(({} as Record<string, unknown>).status, undefined);
});

Deno.test("parseOrder says why a value is no JSON object", () => {
  for (
    const text of [
      "",
      " ",
      "{",
      "not json",
      DOCUMENTED + "}",
      "\ufeff" + DOCUMENTED,
      "{'a':1}",
      "NaN",
    ]
  ) {
    assert(reason(text).startsWith("not JSON: "), text);
    assert(parseOrder(encoder.encode(text)).kind === "malformed", text);
  }
  assertEquals(reason("null"), "not a JSON object, but null");
  assertEquals(reason("42"), "not a JSON object, but 42");
  assertEquals(reason('"OrderPlaced"'), 'not a JSON object, but "OrderPlaced"');
  assertEquals(reason(`[${DOCUMENTED}]`), "not a JSON object, but a list of 1");
  assertEquals(reason("[]"), "not a JSON object, but an empty list");
});

Deno.test("parseOrder says which field is wrong, what it should be and what it is", () => {
  const cases: [string, string][] = [
    ["{}", "event_type: missing"],
    [orderWith({ "event_type": null }), 'event_type: expected "OrderPlaced", got null'],
    [
      orderWith({ "event_type": ["OrderPlaced"] }),
      'event_type: expected "OrderPlaced", got a list of 1',
    ],
    [orderWith({ "order_id": "" }), 'order_id: expected a text of 1 to 256 characters, got ""'],
    [orderWith({ "order_id": 7 }), "order_id: expected a text of 1 to 256 characters, got 7"],
    [orderWith({ "user_id": undefined }), "user_id: missing"],
    [orderWith({ items: [] }), "items: expected a list of 1 to 1000 items, got an empty list"],
    [orderWith({ items: {} }), "items: expected a list of 1 to 1000 items, got an object"],
    [orderWith({ items: [null] }), "items[0]: expected an object, got null"],
    [orderWith({ items: [[]] }), "items[0].item_id: missing"],
    [
      orderWithItem({ "item_id": "" }),
      'items[0].item_id: expected a text of 1 to 256 characters, got ""',
    ],
    [orderWithItem({ price: -0.01 }), "items[0].price: expected a number of at least 0, got -0.01"],
    [orderWithItem({ price: "10" }), 'items[0].price: expected a number of at least 0, got "10"'],
    [
      orderWith({ "total_amount": "20" }),
      'total_amount: expected a number of at least 0, got "20"',
    ],
    [orderWith({ "total_amount": -1 }), "total_amount: expected a number of at least 0, got -1"],
    [orderWith({ status: "PLACED" }), 'status: expected "placed" or "failed", got "PLACED"'],
    [orderWith({ status: true }), 'status: expected "placed" or "failed", got true'],
    [
      orderWith({ timestamp: 1705314600000 }),
      "timestamp: expected ISO 8601 such as 2024-01-15T10:30:00, got 1705314600000",
    ],
    [
      orderWith({ timestamp: "15.01.2024" }),
      'timestamp: expected ISO 8601 such as 2024-01-15T10:30:00, got "15.01.2024"',
    ],
  ];
  for (const [text, expected] of cases) assertEquals(reason(text), expected);
});

Deno.test("parseOrder wants whole quantities of at least 1, and names the item", () => {
  for (const quantity of [0, -1, 1.5, 2 ** 53, "2", null, true]) {
    const text = orderWith({
      items: [
        { "item_id": "fries", quantity: 1, price: 3 },
        { "item_id": "burger", quantity, price: 10 },
      ],
    });
    const got = JSON.stringify(quantity);
    assertEquals(
      reason(text),
      `items[1].quantity: expected a whole number of at least 1, got ${got}`,
    );
  }
});

Deno.test("parseOrder refuses numbers beyond a double", () => {
  const text = DOCUMENTED.replace("10.0", "1e999");
  assertEquals(reason(text), "items[0].price: expected a number of at least 0, got Infinity");
  const total = DOCUMENTED.replace("20.0", "-1e999");
  assertEquals(reason(total), "total_amount: expected a number of at least 0, got -Infinity");
});

Deno.test("parseOrder takes any total of at least 0: orders carry fees, tips and discounts", () => {
  for (const total of [0, 0.01, 19.99, 20.004, 25, 1e15, Number.MAX_VALUE]) {
    assertEquals(orderOf(orderWithItem({}, total)).total_amount, total);
  }
});

Deno.test("parseOrder takes ids of 1 to 256 characters, counted by Unicode code points", () => {
  const fields = ["order_id", "user_id", "item_id"] as const;
  const withId = (field: typeof fields[number], id: string) =>
    field === "item_id" ? orderWithItem({ [field]: id }) : orderWith({ [field]: id });
  for (const field of fields) {
    for (
      const id of ["x", "x".repeat(256), "ä".repeat(256), "🍕".repeat(256), "\ud800".repeat(256)]
    ) {
      orderOf(withId(field, id));
    }
    for (const id of ["", "x".repeat(257), "🍕".repeat(257), "x".repeat(1_000_000)]) {
      assert(reason(withId(field, id)).includes("expected a text of 1 to 256 characters, got "));
    }
  }
});

Deno.test("parseOrder takes orders of 1 to 1,000 items", () => {
  const items = Array.from({ length: 1_001 }, () => ({ "item_id": "x", quantity: 1, price: 1 }));
  assertEquals(orderOf(orderWith({ items: items.slice(1) })).items.length, 1_000);
  assertEquals(
    reason(orderWith({ items })),
    "items: expected a list of 1 to 1000 items, got a list of 1001",
  );
});

Deno.test("parseOrder keeps reasons short and free of controls", () => {
  const long = reason(orderWith({ status: "x".repeat(100_000) }));
  assertEquals(long, `status: expected "placed" or "failed", got "${"x".repeat(40)}…"`);
  const steering = reason(orderWith({ status: "\u001b[2J\u009b\n\ud800" }));
  assertEquals(
    steering,
    'status: expected "placed" or "failed", got "\ufffd[2J\ufffd\ufffd\ufffd"',
  );
  assert(!reason("\u001b[2J").includes("\u001b"));
  assert(reason("x".repeat(100_000)).length < 200);
});

Deno.test("parseOrder survives deep nesting", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  assertEquals(reason(deep), "not a JSON object, but a list of 1");
  assertEquals(
    reason(DOCUMENTED.replace('"placed"', deep)),
    'status: expected "placed" or "failed", got a list of 1',
  );
  assert(reason("[".repeat(200_000)).startsWith("not JSON: "));
  assertEquals(orderOf(DOCUMENTED.replace("{", `{"extra":${deep},`)), orderOf(DOCUMENTED));
});

Deno.test("parseOrder does not throw on an order with bytes flipped, cut or repeated", () => {
  const random = xoroshiro128plus(1);
  const bytes = encoder.encode(DOCUMENTED);
  const kinds = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const damaged = bytes.slice(
      0,
      uniformInt(random, 0, 4) === 0 ? uniformInt(random, 0, 205) : 300,
    );
    for (let n = uniformInt(random, 1, 3); n > 0; n--) {
      damaged[uniformInt(random, 0, damaged.length)] = uniformInt(random, 0, 255);
    }
    const { kind } = parseOrder(damaged);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  assert(kinds.get("malformed")! > 10_000);
  assert(kinds.get("order")! > 100);
});

Deno.test("encodeOrder writes the known fields in the documented order", () => {
  const { timestamp, ...rest } = JSON.parse(DOCUMENTED);
  const shuffled = { timestamp, extra: 1, ...rest };
  assertEquals(
    encodeOrder(shuffled),
    DOCUMENTED.replace("10.0", "10").replace("20.0", "20"),
  );
});

Deno.test("encodeOrder gives what JSON.stringify gives, and parseOrder reads it back", () => {
  const random = xoroshiro128plus(2);
  const awkward = [
    '"',
    "\\",
    "\n",
    "\u0000",
    "\u001f",
    "\u007f",
    "\u2028",
    "ä",
    "🍕",
    "\ud83c",
    "a",
  ];
  const text = () => {
    let made = "x";
    for (let n = uniformInt(random, 0, 5); n > 0; n--) {
      made += awkward[uniformInt(random, 0, awkward.length - 1)]!;
    }
    return made;
  };
  for (let i = 0; i < 2_000; i++) {
    const items = Array.from({ length: uniformInt(random, 1, 4) }, () => ({
      "item_id": text(),
      quantity: uniformInt(random, 1, 2 ** 40),
      price: uniformInt(random, 0, 100_000) / [1, 100, 1e9, 1e-12][i % 4]!,
    }));
    const order: OrderPlaced = {
      "event_type": "OrderPlaced",
      "order_id": text(),
      "user_id": text(),
      items,
      "total_amount": items.reduce((sum, { quantity, price }) => sum + quantity * price, 0),
      status: i % 3 === 0 ? "failed" : "placed",
      timestamp: formatTimestamp(uniformInt(random, 0, 4e12)),
    };
    const encoded = encodeOrder(order);
    assertEquals(encoded, JSON.stringify(order));
    assertEquals(orderOf(encoded), order);
  }
});

Deno.test("eachOrder hands over orders in their order, counts other records and gives reasons", () => {
  const values = [
    DOCUMENTED,
    null,
    '{"event_type":"InventoryEvent"}',
    "{",
    DOCUMENTED.replace("order_000001", "order_000002"),
  ];
  const records = values.map((value) => ({ value: value === null ? null : encoder.encode(value) }));
  const ids: string[] = [];
  const { skipped, malformed } = eachOrder(records, (order) => ids.push(order.order_id));
  assertEquals(ids, ["order_000001", "order_000002"]);
  assertEquals(skipped, 2);
  assertEquals(malformed.map(({ record }) => record), [records[3]]);
  assert(malformed[0]!.reason.startsWith("not JSON: "));
});
