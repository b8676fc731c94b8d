/**
 * From a seed to orders: the same seed and options give the same orders, byte for byte.
 *
 * @module
 */
import { centsOf, MENU, type MenuItem } from "./menu.ts";
import type { OrderItem, OrderPlaced } from "./order.ts";
import { seededRandom } from "./seeded_random.ts";
import { formatTimestamp } from "./timestamp.ts";

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

const USERS = Array.from({ length: 1_000 }, (_, index) => `user_${index + 1}`);
const MAX_ITEMS = 4;
const MAX_QUANTITY = 3;

/**
 * Makes a function that returns the next order at each call.
 *
 * The ids are `order_<seed in base 36>_000001` and so on, so runs with different seeds never share an
 * id, and runs with the same seed repeat theirs.
 *
 * @throws {RangeError} When the seed is not an unsigned whole number of 32 bits.
 */
export function orderGenerator(
  { seed, failureRate, menu = MENU, eventTimeMs }: GeneratorOptions,
): () => OrderPlaced {
  const random = seededRandom(seed);
  const idPrefix = `order_${seed.toString(36)}_`;
  const deck = [...menu];
  let index = 0;

  return () => {
    const items: OrderItem[] = [];
    let totalCents = 0;
    const itemCount = random.whole(1, Math.min(MAX_ITEMS, deck.length));
    for (let i = 0; i < itemCount; i++) {
      // Draws a card that was not drawn for this order: those are in front.
      const drawn = random.whole(i, deck.length - 1);
      const item = deck[drawn]!;
      deck[drawn] = deck[i]!;
      deck[i] = item;
      const quantity = random.whole(1, MAX_QUANTITY);
      items.push({ item_id: item.item_id, quantity, price: item.price });
      totalCents += quantity * centsOf(item.price);
    }
    const timestamp = formatTimestamp(eventTimeMs(index++));
    return {
      event_type: "OrderPlaced",
      order_id: idPrefix + String(index).padStart(6, "0"),
      user_id: USERS[random.whole(1, USERS.length) - 1]!,
      items,
      total_amount: totalCents / 100,
      status: random.share() < failureRate ? "failed" : "placed",
      timestamp,
    };
  };
}
