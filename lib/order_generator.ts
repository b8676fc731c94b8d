/**
 * From a seed to orders: the same seed and options give the same orders, byte for byte.
 *
 * @module
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { isAmount, isObject } from "./event_fields.ts";
import { type OrderItem, type OrderPlaced } from "./order.ts";
import { formatTimestamp } from "./timestamp.ts";

/** Something that can be ordered. */
export interface MenuItem {
  /** What events call it. */
  item_id: string;
  /** What people call it. */
  name: string;
  /** The price of one, with at most two decimals. */
  price: number;
}

/** The menu when no other is given. */
export const MENU: readonly MenuItem[] = [
  { item_id: "burger", name: "Burger", price: 10 },
  { item_id: "cheeseburger", name: "Cheeseburger", price: 11.5 },
  { item_id: "veggie_burger", name: "Veggie burger", price: 10.9 },
  { item_id: "pizza_margherita", name: "Pizza Margherita", price: 9.8 },
  { item_id: "pizza_funghi", name: "Pizza Funghi", price: 11.2 },
  { item_id: "pasta", name: "Pasta al pomodoro", price: 8.75 },
  { item_id: "lasagne", name: "Lasagne", price: 12.4 },
  { item_id: "sushi", name: "Sushi, eight pieces", price: 14.95 },
  { item_id: "ramen", name: "Ramen", price: 13.25 },
  { item_id: "tacos", name: "Tacos, three pieces", price: 9.99 },
  { item_id: "salad", name: "Mixed salad", price: 7.45 },
  { item_id: "soup", name: "Soup of the day", price: 5.6 },
  { item_id: "fries", name: "Fries", price: 3.5 },
  { item_id: "ice_cream", name: "Ice cream", price: 4.2 },
  { item_id: "coffee", name: "Coffee", price: 2.8 },
  { item_id: "lemonade", name: "Lemonade", price: 3.3 },
];

/** The highest price on a menu: sums in cents stay exact far above it. */
const MAX_PRICE = 1e9;

/**
 * Reads a menu: a JSON array of objects with `item_id`, `name` and `price`.
 *
 * @throws {Error} With a message that says which item and field is wrong.
 */
export function parseMenu(text: string): MenuItem[] {
  let menu: unknown;
  try {
    menu = JSON.parse(text);
  } catch (error) {
    throw new Error(`expected a JSON array of items: ${(error as Error).message}`);
  }
  if (!Array.isArray(menu) || menu.length === 0) {
    throw new Error("expected a JSON array of at least one item");
  }
  const indexOfId = new Map<string, number>();
  return menu.map((item: unknown, index) => {
    if (!isObject(item)) throw new Error(`item ${index}: expected an object`);
    const { item_id, name, price } = item;
    if (typeof item_id !== "string" || item_id === "") {
      throw new Error(`item ${index}: item_id: expected a text that is not empty`);
    }
    if (typeof name !== "string" || name === "") {
      throw new Error(`item ${index}: name: expected a text that is not empty`);
    }
    if (!isAmount(price) || price > MAX_PRICE || price !== centsOf(price) / 100) {
      throw new Error(
        `item ${index}: price: expected a number from 0 to ${MAX_PRICE} with at most two ` +
          `decimals, got ${JSON.stringify(price)}`,
      );
    }
    const earlier = indexOfId.get(item_id);
    if (earlier !== undefined) {
      throw new Error(`item ${index}: item_id: "${item_id}" is that of item ${earlier} already`);
    }
    indexOfId.set(item_id, index);
    return { item_id, name, price };
  });
}

function centsOf(price: number): number {
  return Math.round(price * 100);
}

/** What orders are generated from. */
export interface GeneratorOptions {
  /** An unsigned whole number of 32 bits. */
  seed: number;
  /** The share of orders that fail, from 0 (none) to 1 (all). */
  failureRate: number;
  /**
   * What can be ordered; at least one item.
   *
   * @default {MENU}
   */
  menu?: readonly MenuItem[];
  /** The event time of the order with this index, in milliseconds since the epoch. */
  eventTimeMs: (index: number) => number;
}

const USERS = 1_000;
const MAX_ITEMS = 4;
const MAX_QUANTITY = 3;

/**
 * Makes a generator of orders, to be called with 0, 1, 2, … in this order.
 *
 * The id of an order is `order_<seed in base 36>_<index + 1>`, so runs with different seeds never
 * share an id, and runs with the same seed repeat theirs.
 *
 * @throws {RangeError} When the seed is not an unsigned whole number of 32 bits.
 */
export function orderGenerator(
  { seed, failureRate, menu = MENU, eventTimeMs }: GeneratorOptions,
): (index: number) => OrderPlaced {
  const random = randomOf(seed);
  const idPrefix = `order_${seed.toString(36)}_`;
  const deck = [...menu];

  return (index) => {
    const items: OrderItem[] = [];
    let totalCents = 0;
    const itemCount = uniformInt(random, 1, Math.min(MAX_ITEMS, deck.length));
    for (let i = 0; i < itemCount; i++) {
      // Draws a card that was not drawn for this order: those are in front.
      const drawn = uniformInt(random, i, deck.length - 1);
      const item = deck[drawn]!;
      deck[drawn] = deck[i]!;
      deck[i] = item;
      const quantity = uniformInt(random, 1, MAX_QUANTITY);
      items.push({ item_id: item.item_id, quantity, price: item.price });
      totalCents += quantity * centsOf(item.price);
    }
    return {
      event_type: "OrderPlaced",
      order_id: idPrefix + String(index + 1).padStart(6, "0"),
      user_id: `user_${uniformInt(random, 1, USERS)}`,
      items,
      total_amount: totalCents / 100,
      status: uniformFloat64(random) < failureRate ? "failed" : "placed",
      timestamp: formatTimestamp(eventTimeMs(index)),
    };
  };
}

/** Numbers from a seed. */
function randomOf(seed: number): RandomGenerator {
  if (seed >>> 0 !== seed) {
    throw new RangeError(`expected a seed from 0 to 4294967295, got ${seed}`);
  }
  const random = xoroshiro128plus(seed);
  // Its first numbers show the seed's own bits: neighbouring seeds would begin alike.
  random.jump();
  return random;
}

/** Where event times lie. */
export interface RhythmOptions {
  /** An unsigned whole number of 32 bits. */
  seed: number;
  /** The beginning, inclusive, in whole milliseconds since the epoch. */
  startMs: number;
  /** How much time there is, in milliseconds; the end is exclusive. */
  spanMs: number;
  /** How many orders share it. */
  count: number;
}

/** How busy each hour of the day is, UTC, in the middle of the hour. */
// deno-fmt-ignore
const BUSYNESS_BY_HOUR = [
  3, 2, 1, 1, 1, 2, 4, 8, 10, 12, 20, 45,
  70, 50, 24, 18, 22, 45, 80, 90, 65, 35, 16, 7,
];

/** How much a minute differs from what its hour suggests, up or down. */
const RIPPLE = 0.2;

/** Enough for a table by the minute over 45 days; longer spans have longer cells. */
const MAX_CELLS = 65_536;

/**
 * Spreads orders over a span of time as a day goes: busy at lunch and dinner (UTC), quiet at night,
 * and no two minutes alike.
 *
 * The event times are whole milliseconds in `[startMs, startMs + spanMs)` and never go back; the
 * result depends on the index alone. Without a span all of them are `startMs`.
 */
export function rhythm(
  { seed, startMs, spanMs, count }: RhythmOptions,
): (index: number) => number {
  if (spanMs < 1) return () => startMs;
  const random = randomOf(seed);
  const cellMs = Math.max(60_000, spanMs / MAX_CELLS);
  const lengthMs = (cell: number) => Math.min(cellMs, spanMs - cell * cellMs);
  // shareUntil[n]: how much of everything comes before the end of cell n, growing towards the total.
  const shareUntil = new Float64Array(Math.ceil(spanMs / cellMs));
  let total = 0;
  for (let cell = 0; cell < shareUntil.length; cell++) {
    const ripple = 1 + RIPPLE * (2 * uniformFloat64(random) - 1);
    total += lengthMs(cell) * ripple * busyness(startMs + cell * cellMs + lengthMs(cell) / 2);
    shareUntil[cell] = total;
  }

  return (index) => {
    const share = total * (index + 0.5) / count;
    const cell = firstAbove(shareUntil, share);
    const before = shareUntil[cell - 1] ?? 0;
    const within = (share - before) / (shareUntil[cell]! - before);
    const offsetMs = Math.floor(cell * cellMs + within * lengthMs(cell));
    return startMs + Math.min(offsetMs, Math.ceil(spanMs) - 1);
  };
}

/** How busy the day is at a time, between the figures of its two nearest hours. */
function busyness(epochMs: number): number {
  const hours = epochMs / 3_600_000 - 0.5;
  const hour = Math.floor(hours);
  const at = (n: number) => BUSYNESS_BY_HOUR[((n % 24) + 24) % 24]!;
  return at(hour) + (at(hour + 1) - at(hour)) * (hours - hour);
}

/** The index of the first number above `limit` in an ascending list; the last when there is none. */
function firstAbove(numbers: Float64Array, limit: number): number {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}
