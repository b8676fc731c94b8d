/**
 * Properties that must hold for every input, tried on random ones.
 *
 * A failure prints the seed and the smallest input that was found; `fc.assert(…, { seed, path })` repeats
 * it. `FUZZ_FACTOR` multiplies the number of inputs: `deno task fuzz` sets it.
 *
 * @module
 */
import * as fc from "fast-check";
import { orderGenerator } from "../../lib/order_generator.ts";
import { encodeOrder, type OrderPlaced } from "../../lib/order.ts";

const factor = Number(Deno.env.get("FUZZ_FACTOR") ?? "1");

/**
 * Checks inputs and prints how many there were.
 *
 * @param kind What the inputs are, for the line that is printed.
 * @param options.each How many inputs each value holds that `inputs` makes; 1 by default.
 * @param check Throws, or returns a promise that rejects, when the property does not hold.
 */
export async function fuzz<T>(
  { kind, runs, each = 1 }: { kind: string; runs: number; each?: number },
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void | Promise<void>,
): Promise<void> {
  let count = 0;
  const property = fc.asyncProperty(inputs, async (input) => {
    count += each;
    await check(input);
  });
  await fc.assert(property, { numRuns: runs * factor });
  console.log(`${count.toLocaleString("en")} inputs of kind ${kind}`);
}

/** A change of a text or of bytes, at a place that is counted from the beginning. */
export interface Mutation {
  kind: "replace" | "insert" | "delete" | "cut" | "repeat" | "swap";
  /** Where, taken modulo the length. */
  at: number;
  /** How much is deleted or repeated. */
  length: number;
  /** What is put there. */
  put: number;
}

/** Bytes that often leave JSON valid, such with a meaning in JSON or in UTF-8, and any others. */
const ORDINARY = [..."0123456789 abcdefpTZ."].map((each) => each.charCodeAt(0));
const SPECIAL = [...'"\\{}[],:-+Eunl\n\t\r'].map((each) => each.charCodeAt(0));
const byte = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...ORDINARY) },
  { weight: 3, arbitrary: fc.constantFrom(...SPECIAL, 0, 0x1f, 0x7f, 0x80, 0xc3, 0xed, 0xff) },
  { weight: 1, arbitrary: fc.nat(255) },
);

/** Changes, most often one. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record<Mutation>({
    kind: fc.constantFrom(
      ...["replace", "replace", "replace", "replace", "insert", "insert"] as const,
      ...["delete", "delete", "cut", "repeat", "swap"] as const,
    ),
    // Small numbers, which are preferred otherwise, are the beginning.
    at: fc.noBias(fc.nat(0xffff)),
    length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 })),
    put: byte,
  }),
  { minLength: 1, maxLength: 3, size: "xsmall" },
);

/** The bytes with the changes made. */
export function mutated(bytes: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  let list = [...bytes];
  for (const { kind, at: place, length, put } of changes) {
    const at = list.length === 0 ? 0 : place % list.length;
    if (kind === "replace") list[at] = put;
    else if (kind === "insert") list.splice(at, 0, put);
    else if (kind === "delete") list.splice(at, length);
    else if (kind === "cut") list = list.slice(0, at);
    else if (kind === "repeat") list.splice(at, 0, ...list.slice(at, at + length * 10));
    else {
      const other = (at + length) % list.length;
      [list[at], list[other]] = [list[other] ?? put, list[at] ?? put];
    }
  }
  return Uint8Array.from(list);
}

/** Text of all kinds: what steers a terminal, what hides, what is not Unicode, what other languages write. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.array(
    fc.constantFrom(
      ...[
        "\x1b[32mOK\x1b[39m",
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\x07",
        "\r\n",
        "\0",
        "\x7f",
      ],
      ...[
        "\u202e",
        "\u2066",
        "\u2069",
        "\u200b",
        "\u2028",
        "\ufeff",
        "\ud800",
        "\udc00",
        "\u{e0041}",
      ],
      ...["$(touch made)", "`touch made`", '"', "'", ";", "|", "&&", ">made", "\\", ",", " ", "="],
      ...["-", "--", "__proto__", "constructor", "lag 0", "漢字", "e\u0301", "🍔"],
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")),
);

/** Orders as they are generated. */
export function orders(count: number, seed = 2024): OrderPlaced[] {
  const nextOrder = orderGenerator({
    seed,
    failureRate: 0.3,
    eventTimeMs: (index) => Date.UTC(2024, 1, 28, 23, 30) + index * 61_234,
  });
  return Array.from({ length: count }, nextOrder);
}

/** The bytes of orders as different writers write them. */
export function writtenOrders(count: number): Uint8Array[] {
  const encoder = new TextEncoder();
  return orders(count).map((order, index) => {
    const { event_type, order_id, user_id, items, total_amount, status } = order;
    const timestamp = order.timestamp.slice(0, [16, 19, 23, 24][index % 4]);
    const other = { timestamp, status, total_amount, user_id, order_id, items, event_type };
    const text = [
      () => encodeOrder(order),
      () => JSON.stringify(other),
      () => JSON.stringify({ ...order, timestamp }, null, "\t"),
      () =>
        JSON.stringify(other).replace("order_", "\\u006frder\\t\\ud83c\\udf54").replace(
          /,"/g,
          ' , "',
        ),
    ][index % 4]!();
    return encoder.encode(text);
  });
}
