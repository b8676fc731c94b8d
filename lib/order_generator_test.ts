import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { minuteOf } from "./minute_window.ts";
import { encodeOrder, type OrderPlaced, parseOrderText } from "./order.ts";
import { parseTimestampMs } from "./timestamp.ts";
import {
  type GeneratorOptions,
  MENU,
  orderGenerator,
  parseMenu,
  rhythm,
} from "./order_generator.ts";

const START_MS = Date.UTC(2026, 1, 17);
const DAY_MS = 86_400_000;

function generate(count: number, options: Partial<GeneratorOptions> = {}): OrderPlaced[] {
  const next = orderGenerator({
    seed: 7,
    failureRate: 0.05,
    eventTimeMs: (index) => START_MS + index,
    ...options,
  });
  return Array.from({ length: count }, (_, index) => next(index));
}

function textOf(orders: OrderPlaced[]): string {
  return orders.map(encodeOrder).join("\n");
}

Deno.test("orderGenerator gives the same bytes for the same seed, other orders for another", () => {
  const once = textOf(generate(500));
  assertEquals(textOf(generate(500)), once);
  const other = generate(500, { seed: 8 });
  assertNotEquals(textOf(other).replaceAll("order_8_", "order_7_"), once);
  const both = [...generate(500), ...other].map((order) => order.order_id);
  assertEquals(new Set(both).size, 1000);
});

Deno.test("orderGenerator keeps its promise from version to version", () => {
  // Changes only when a seed gives other orders than before: say so in the release notes.
  assertEquals(
    textOf(generate(2)),
    [
      '{"event_type":"OrderPlaced","order_id":"order_7_000001","user_id":"user_538","items":[{"item_id":"ice_cream","quantity":2,"price":4.2},{"item_id":"cheeseburger","quantity":3,"price":11.5}],"total_amount":42.9,"status":"placed","timestamp":"2026-02-17T00:00:00.000Z"}',
      '{"event_type":"OrderPlaced","order_id":"order_7_000002","user_id":"user_547","items":[{"item_id":"ice_cream","quantity":3,"price":4.2},{"item_id":"soup","quantity":2,"price":5.6},{"item_id":"burger","quantity":3,"price":10},{"item_id":"ramen","quantity":3,"price":13.25}],"total_amount":93.55,"status":"placed","timestamp":"2026-02-17T00:00:00.001Z"}',
    ].join("\n"),
  );
});

Deno.test("orderGenerator's neighbouring seeds have nothing in common", () => {
  const first = [0, 1, 2, 3, 4, 5, 6, 7].map((seed) => generate(1, { seed })[0]!.user_id);
  assert(new Set(first).size >= 7, first.join(" "));
});

Deno.test("orderGenerator names the seed and the number of the order in its id", () => {
  assertEquals(generate(2, { seed: 0 }).map((order) => order.order_id), [
    "order_0_000001",
    "order_0_000002",
  ]);
  assertEquals(generate(1, { seed: 0xffff_ffff })[0]!.order_id, "order_1z141z3_000001");
  const next = orderGenerator({ seed: 1, failureRate: 0, eventTimeMs: () => 0 });
  assertEquals(next(9_999_999).order_id, "order_1_10000000");
});

Deno.test("orderGenerator refuses a seed that is not an unsigned whole number of 32 bits", () => {
  for (const seed of [-1, 1.5, 2 ** 32, NaN]) {
    assertThrows(() => generate(1, { seed }), RangeError, `got ${seed}`);
  }
});

Deno.test("orderGenerator's orders are valid, with totals exact to the cent", () => {
  const priceOf = new Map(MENU.map((item) => [item.item_id, item.price]));
  for (const order of generate(5_000)) {
    const parsed = parseOrderText(encodeOrder(order));
    assert(parsed.kind === "order", JSON.stringify(parsed));
    assertEquals(parsed.order, order);
    let cents = 0;
    for (const { item_id: id, quantity, price } of order.items) {
      assertEquals(price, priceOf.get(id));
      assert(quantity >= 1 && quantity <= 3);
      cents += quantity * Math.round(price * 100);
    }
    assertEquals(order.total_amount, cents / 100);
    assertEquals(new Set(order.items.map((item) => item.item_id)).size, order.items.length);
  }
});

Deno.test("orderGenerator uses the whole menu, all users and 1 to 4 items about evenly", () => {
  const orders = generate(20_000);
  const tally = (values: (string | number)[]) => {
    const counts = new Map<string | number, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    return counts;
  };
  const sizes = tally(orders.map((order) => order.items.length));
  assertEquals([...sizes.keys()].sort(), [1, 2, 3, 4]);
  for (const count of sizes.values()) assert(Math.abs(count - 5_000) < 300, `${count}`);

  const items = tally(orders.flatMap((order) => order.items.map((item) => item.item_id)));
  assertEquals(items.size, MENU.length);
  const average = 50_000 / MENU.length;
  for (const count of items.values()) assert(Math.abs(count / average - 1) < 0.1, `${count}`);

  const users = tally(orders.map((order) => order.user_id));
  assertEquals(users.size, 1000);
  assert(users.has("user_1") && users.has("user_1000") && !users.has("user_0"));
});

Deno.test("orderGenerator fails the share of orders that it is told to", () => {
  const failed = (failureRate: number) =>
    generate(20_000, { failureRate }).filter((order) => order.status === "failed").length;
  assertEquals(failed(0), 0);
  assertEquals(failed(1), 20_000);
  // 5 % of 20,000 is 1,000, with a standard deviation of 31.
  assert(Math.abs(failed(0.05) - 1_000) < 125);
  assert(Math.abs(failed(0.5) - 10_000) < 290);
});

Deno.test("orderGenerator stamps each order with its event time, in UTC", () => {
  assertEquals(generate(3).map((order) => order.timestamp), [
    "2026-02-17T00:00:00.000Z",
    "2026-02-17T00:00:00.001Z",
    "2026-02-17T00:00:00.002Z",
  ]);
});

Deno.test("orderGenerator orders no more items than a small menu has", () => {
  const menu = [{ "item_id": "soup", name: "Soup", price: 0.1 }];
  for (const order of generate(100, { menu })) assertEquals(order.items.length, 1);
  const two = [...menu, { "item_id": "salad", name: "Salad", price: 7 }];
  const sizes = new Set(generate(100, { menu: two }).map((order) => order.items.length));
  assertEquals([...sizes].sort(), [1, 2]);
});

Deno.test("MENU is a menu that parseMenu accepts", () => {
  assert(MENU.length >= 12);
  assertEquals(parseMenu(JSON.stringify(MENU)), MENU);
});

Deno.test("parseMenu takes prices from 0 and leaves out other fields", () => {
  const text = '[{"item_id":"water","name":"Water","price":0,"vegan":true}]';
  assertEquals(parseMenu(text), [{ "item_id": "water", name: "Water", price: 0 }]);
});

Deno.test("parseMenu says which item and field is wrong", () => {
  const soup = '{"item_id":"soup","name":"Soup","price":5.6}';
  const cases: [string, string][] = [
    ["", "expected a JSON array of items: "],
    ["{", "expected a JSON array of items: "],
    ["{}", "expected a JSON array of at least one item"],
    ["[]", "expected a JSON array of at least one item"],
    [`[${soup},null]`, "item 1: expected an object"],
    [`[${soup},[]]`, "item 1: expected an object"],
    ['[{"name":"Soup","price":1}]', "item 0: item_id: expected a text that is not empty"],
    [
      '[{"item_id":"","name":"Soup","price":1}]',
      "item 0: item_id: expected a text that is not empty",
    ],
    ['[{"item_id":"soup","price":1}]', "item 0: name: expected a text that is not empty"],
    ['[{"item_id":"a","name":"A"}]', "item 0: price: expected a number from 0"],
    ['[{"item_id":"a","name":"A","price":"5"}]', 'at most two decimals, got "5"'],
    ['[{"item_id":"a","name":"A","price":-1}]', "at most two decimals, got -1"],
    ['[{"item_id":"a","name":"A","price":1.005}]', "at most two decimals, got 1.005"],
    ['[{"item_id":"a","name":"A","price":1e300}]', "at most two decimals, got 1e+300"],
    [`[${soup},${soup}]`, 'item 1: item_id: "soup" is that of item 0 already'],
  ];
  for (const [text, message] of cases) assertThrows(() => parseMenu(text), Error, message);
});

Deno.test("parseMenu takes every price of two decimals", () => {
  for (let cents = 0; cents <= 20_000; cents++) {
    const text = `[{"item_id":"a","name":"A","price":${(cents / 100).toFixed(2)}}]`;
    assertEquals(parseMenu(text)[0]!.price, cents / 100);
  }
});

Deno.test("rhythm stays within the span, in whole milliseconds, and never goes back", () => {
  for (
    const [spanMs, count] of [
      [1, 10],
      [999, 5_000],
      [60_000, 1],
      [60_001, 100],
      [600_000, 10_000],
      [90_000.5, 1_000],
      [90 * DAY_MS, 20_000],
    ] as const
  ) {
    const time = rhythm({ seed: 7, startMs: START_MS + 1, spanMs, count });
    let last = START_MS + 1;
    for (let index = 0; index < count; index++) {
      const ms = time(index);
      assert(Number.isSafeInteger(ms), `${ms}`);
      assert(
        ms >= last && ms < START_MS + 1 + spanMs,
        `order ${index} of ${count} in ${spanMs} ms`,
      );
      last = ms;
    }
  }
});

Deno.test("rhythm spreads orders over the whole span, also when it is not a whole number of minutes", () => {
  const count = 10_000;
  const spans = [1, 999, 10_000, 59_999, 60_000, 60_001, 90_000, 90_000.5, 150_000];
  for (const spanMs of [...spans, 46 * DAY_MS, 90 * DAY_MS + 12_345]) {
    const time = rhythm({ seed: 7, startMs: START_MS, spanMs, count });
    const tenths = new Array<number>(10).fill(0);
    const perMs = new Map<number, number>();
    for (let index = 0; index < count; index++) {
      const ms = time(index) - START_MS;
      tenths[Math.floor(ms / spanMs * 10)]!++;
      perMs.set(ms, (perMs.get(ms) ?? 0) + 1);
    }
    assert(Math.max(...perMs.values()) <= 3 * Math.ceil(count / spanMs), `${spanMs} ms`);
    if (spanMs >= 10) {
      assert(Math.min(...tenths) > 500 && Math.max(...tenths) < 1_500, `${spanMs} ms: ${tenths}`);
    }
  }
});

Deno.test("rhythm without a span gives the start", () => {
  const time = rhythm({ seed: 7, startMs: START_MS, spanMs: 0, count: 10 });
  assertEquals([time(0), time(9)], [START_MS, START_MS]);
});

Deno.test("rhythm depends on the seed and the index alone", () => {
  const options = { seed: 7, startMs: START_MS, spanMs: 600_000, count: 100 };
  const times = (seed: number) => {
    const time = rhythm({ ...options, seed });
    return Array.from({ length: 100 }, (_, index) => time(index));
  };
  assertEquals(times(7), times(7));
  assertNotEquals(times(7), times(8));
  assertEquals(rhythm(options)(42), times(7)[42]);
});

Deno.test("rhythm is busy at lunch and dinner, quiet at night, and ripples by the minute", () => {
  const count = 100_000;
  const time = rhythm({ seed: 7, startMs: START_MS, spanMs: DAY_MS, count });
  const byHour = new Array<number>(24).fill(0);
  const byMinute = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const ms = time(index);
    byHour[new Date(ms).getUTCHours()]!++;
    byMinute.set(minuteOf(ms), (byMinute.get(minuteOf(ms)) ?? 0) + 1);
  }
  assertEquals(byHour.reduce((sum, orders) => sum + orders), count);
  const [night, lunch, afternoon, dinner] = [byHour[3]!, byHour[12]!, byHour[15]!, byHour[19]!];
  assert(lunch > 3 * afternoon && dinner > lunch && night < lunch / 10 && night > 0);
  const counts = [...byMinute.values()];
  assert(counts.length > 1_300 && new Set(counts).size > 50);
});

Deno.test("rhythm keeps its rhythm on days before 1970", () => {
  const time = rhythm({ seed: 7, startMs: -DAY_MS, spanMs: DAY_MS, count: 1_000 });
  const hours = Array.from({ length: 1_000 }, (_, index) => new Date(time(index)).getUTCHours());
  assert(
    hours.filter((hour) => hour === 19).length > 10 * hours.filter((hour) => hour < 5).length / 5,
  );
});

Deno.test("rhythm and orderGenerator together give times that can be read back", () => {
  const eventTimeMs = rhythm({ seed: 7, startMs: START_MS, spanMs: 600_000, count: 50 });
  generate(50, { eventTimeMs }).forEach((order, index) => {
    assertEquals(parseTimestampMs(order.timestamp), eventTimeMs(index));
  });
});
