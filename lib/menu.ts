/**
 * The menu that generated orders choose from.
 *
 * @module
 */
import * as v from "valibot";
import { conform, expected, id, MalformedEvent, reasonOf } from "./event_fields.ts";

/** The highest price on a menu: sums in cents stay exact far above it. */
const MAX_PRICE = 1e9;

const NAME = expected("a text that is not empty");
const PRICE = expected(`a number from 0 to ${MAX_PRICE} with at most two decimals`);

const itemSchema = v.object({
  item_id: id("What events call it."),
  name: v.pipe(v.string(NAME), v.nonEmpty(NAME), v.description("What people call it.")),
  price: v.pipe(
    v.number(PRICE),
    v.minValue(0, PRICE),
    v.maxValue(MAX_PRICE, PRICE),
    v.check(isWholeCents, PRICE),
    v.description("The price of one."),
  ),
}, expected("an object"));

/** Something that can be ordered. */
export type MenuItem = v.InferOutput<typeof itemSchema>;

/** The schema of something that can be ordered. */
export const menuItemSchema: v.GenericSchema<MenuItem> = itemSchema;

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
    try {
      const menuItem = conform(itemSchema, item);
      const { item_id } = menuItem;
      const earlier = indexOfId.get(item_id);
      if (earlier !== undefined) {
        throw new MalformedEvent(`item_id: "${item_id}" is that of item ${earlier} already`);
      }
      indexOfId.set(item_id, index);
      return menuItem;
    } catch (error) {
      throw new Error(`item ${index}: ${reasonOf(error)}`);
    }
  });
}

/** Whether a price has at most two decimals. */
export function isWholeCents(price: number): boolean {
  return price === centsOf(price) / 100;
}

/** A price in whole cents. */
export function centsOf(price: number): number {
  return Math.round(price * 100);
}
