import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { MENU } from "./menu.ts";
import { encodeOrder, type OrderPlaced, parseOrderText } from "./order.ts";
import { type GeneratorOptions, orderGenerator } from "./order_generator.ts";

const START_MS = Date.UTC(2026, 1, 17);

function generate(count: number, options: Partial<GeneratorOptions> = {}): OrderPlaced[] {
  const nextOrder = orderGenerator({
    seed: 7,
    failureRate: 0.05,
    eventTimeMs: (index) => START_MS + index,
    ...options,
  });
  return Array.from({ length: count }, nextOrder);
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
