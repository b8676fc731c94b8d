import { assert, assertEquals } from "@std/assert";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { scanLooseOrder } from "./loose_order_scan.ts";
import { encodeOrder, type OrderPlaced, parseOrderText } from "./order.ts";
import { orderGenerator } from "./order_generator.ts";

const textEncoder = new TextEncoder();
const random = xoroshiro128plus(78);
const upTo = (max: number) => uniformInt(random, 0, max);

/** What the scan says, all fields read. */
function scan(text: string) {
  const scanned = scanLooseOrder(textEncoder.encode(text));
  if (scanned?.kind !== "order") return undefined;
  const { event_type, order_id, user_id, items, total_amount, status, timestamp } = scanned.order;
  return {
    ...scanned,
    order: { event_type, order_id, user_id, items, total_amount, status, timestamp },
  };
}

function generated(count: number): OrderPlaced[] {
  const nextOrder = orderGenerator({
    seed: 2025,
    failureRate: 0.3,
    eventTimeMs: (index) => Date.UTC(2024, 1, 28, 23, 30) + index * 61_234,
  });
  return Array.from({ length: count }, nextOrder);
}

function shuffled<T extends object>(fields: T): T {
  const entries = Object.entries(fields);
  for (let i = entries.length - 1; i > 0; i--) {
    const other = upTo(i);
    [entries[i], entries[other]] = [entries[other]!, entries[i]!];
  }
  return Object.fromEntries(entries) as T;
}

/** An order as some writer may write it: fields in any order, indented, spaced as Python does. */
function written(order: OrderPlaced): string {
  const timestamp = order.timestamp.slice(0, [16, 19, 23, 24][upTo(3)]);
  const ids = ["order_é", 'a "quote" \\ and \t', "\u{1f354}", "\ud83c", "a/b", "x".repeat(256)];
  const order_id = upTo(3) === 0 ? ids[upTo(ids.length - 1)]! : order.order_id;
  const items = order.items.map((item) => ({
    ...item,
    item_id: upTo(9) === 0 ? ids[upTo(ids.length - 1)]! : item.item_id,
  }));
  const loose = shuffled({ ...order, order_id, timestamp, items: items.map(shuffled) });
  const text = [
    () => encodeOrder(order),
    () => JSON.stringify(loose),
    () =>
      JSON.stringify(loose, null, ["  ", "\t"][upTo(1)]).replaceAll("\n", ["\n", "\r\n"][upTo(1)]!),
    () => ` ${JSON.stringify(loose).replace(/[:,](?!\d\d)/g, "$& ").replace(/[{[]/g, "$& ")}\t\n`,
  ][upTo(3)]!();
  // As Python does by default.
  return text.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

Deno.test("scanLooseOrder reads orders of other writers as the JSON parser does", () => {
  for (const order of generated(2_000)) {
    const text = written(order);
    const scanned = scan(text);
    assertEquals(scanned?.kind, "order", text);
    assertEquals(scanned, parseOrderText(text));
  }
});

Deno.test("scanLooseOrder leaves repeated, missing and unknown fields to the JSON parser", () => {
  const fields = Object.entries(JSON.parse(encodeOrder(generated(1)[0]!)))
    .map(([name, value]) => `"${name}":${JSON.stringify(value)}`);
  const object = (parts: string[]) => `{${parts.join()}}`;
  assert(scan(object(fields)) !== undefined);
  for (const [index, field] of fields.entries()) {
    const others = fields.filter((_, other) => other !== index);
    for (const parts of [others, [...fields, field], [...others, others[0]!]]) {
      assertEquals(scan(object(parts)), undefined, object(parts));
    }
  }
  assertEquals(scan(object([...fields, '"note":1'])), undefined);
  for (
    const item of ['{"item_id":"x","quantity":1}', '{"item_id":"x","quantity":1,"quantity":1}']
  ) {
    assertEquals(scan(object(fields).replace(/"items":\[.*\]/, `"items":[${item}]`)), undefined);
  }
});

Deno.test("scanLooseOrder takes nothing that the JSON parser reads in another way", () => {
  const alphabet = '"\\{}[],:.0123456789-eEplacedfiTZ \u0000\u00e9\ud83c\n\t\u00a0';
  let taken = 0;
  for (const order of generated(300)) {
    const text = written(order);
    for (let round = 0; round < 150; round++) {
      const at = upTo(text.length - 1);
      const letter = alphabet[upTo(alphabet.length - 1)];
      const mutated = [
        () => text.slice(0, at) + letter + text.slice(at + 1),
        () => text.slice(0, at) + letter + text.slice(at),
        () => text.slice(0, at) + text.slice(at + 1 + upTo(2)),
        () => text.slice(0, at),
        () => text + text.slice(at),
      ][upTo(4)]!();
      const scanned = scan(mutated);
      if (scanned === undefined) continue;
      taken++;
      assertEquals(scanned, parseOrderText(mutated), mutated);
    }
  }
  assert(taken > 1_000, `it took ${taken} only`);
});
