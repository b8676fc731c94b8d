import { assert, assertEquals } from "@std/assert";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { encodeOrder, type OrderPlaced, parseOrderText } from "./order.ts";
import { orderGenerator } from "./order_generator.ts";
import { scanOrder } from "./order_scan.ts";

const textEncoder = new TextEncoder();

/** What the scan says, all fields read. */
function scan(text: string) {
  const scanned = scanOrder(textEncoder.encode(text));
  return scanned?.kind === "order" ? { ...scanned, order: fields(scanned.order) } : undefined;
}

function fields(
  { event_type, order_id, user_id, items, total_amount, status, timestamp }: OrderPlaced,
) {
  return { event_type, order_id, user_id, items, total_amount, status, timestamp };
}

function generated(count: number): string[] {
  const nextOrder = orderGenerator({
    seed: 2024,
    failureRate: 0.3,
    eventTimeMs: (index) => Date.UTC(2024, 1, 28, 23, 30) + index * 61_234,
  });
  return Array.from({ length: count }, () => encodeOrder(nextOrder()));
}

Deno.test("scanOrder reads what encodeOrder writes, as the JSON parser does", () => {
  for (const text of generated(2_000)) {
    const scanned = scan(text);
    assertEquals(scanned?.kind, "order");
    assertEquals(scanned, parseOrderText(text));
  }
});

Deno.test("scanOrder agrees with the JSON parser on every number that it takes", () => {
  const numbers = ["0", "0.0", "0.1", "10.0", "2.50", "0.30000", "123456789012345", "0.05", "7e0"];
  numbers.push("1.", ".5", "01", "00", "-1", "+1", "1e3", "1234567890123456", "0.1234567890123456");
  numbers.push("", "1.2.3", "4.35", "1.005", "99999999.995", "NaN", "0x10", "1_0", " 1");
  const [order] = generated(1);
  let taken = 0;
  for (const number of numbers) {
    for (const field of ["price", "quantity", "total_amount"]) {
      const item = `{"item_id":"x","quantity":${field === "quantity" ? number : "1"},"price":${
        field === "price" ? number : "1"
      }}`;
      const text = order!.replace(/"items":\[.*\]/, `"items":[${item}]`)
        .replace(/"total_amount":[^,]*/, `"total_amount":${number}`);
      const scanned = scan(text);
      if (scanned === undefined) continue;
      taken++;
      assertEquals(scanned, parseOrderText(text), text);
    }
  }
  assert(taken >= 8, `it took ${taken} only`);
});

Deno.test("scanOrder takes nothing that the JSON parser reads in another way", () => {
  const random = xoroshiro128plus(77);
  const alphabet = '"\\{}[],:.0123456789-eEplacedfiTZ \u0000\u00e9\ud83c\n';
  const pick = (length: number) => uniformInt(random, 0, length - 1);
  let taken = 0;
  for (const text of generated(200)) {
    for (let round = 0; round < 200; round++) {
      const at = pick(text.length);
      const mutations = [
        () => text.slice(0, at) + alphabet[pick(alphabet.length)] + text.slice(at + 1),
        () => text.slice(0, at) + alphabet[pick(alphabet.length)] + text.slice(at),
        () => text.slice(0, at) + text.slice(at + 1 + pick(3)),
        () => text.slice(0, at),
        () => text + text.slice(at),
      ];
      const mutated = mutations[pick(mutations.length)]!();
      const scanned = scan(mutated);
      if (scanned === undefined) continue;
      taken++;
      assertEquals(scanned, parseOrderText(mutated), mutated);
    }
  }
  assert(taken > 500, `it took ${taken} only`);
});
