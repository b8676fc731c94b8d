/**
 * Stock levels: the units of each item that orders have reserved and released. They are the state of
 * inventory; its rows are named `<partition>/<item>`.
 *
 * @module
 */
import * as v from "valibot";
import {
  conform,
  expected,
  id,
  isId,
  MalformedEvent,
  reasonOf,
  wholeNumber,
} from "./event_fields.ts";
import type { InventoryEvent } from "./inventory_event.ts";
import type { StateRows, StateTable } from "./state_rows.ts";

/** The units of an item that were moved. */
export interface StockCounts {
  /** By orders that were placed. */
  reserved: number;
  /** By orders that failed. */
  released: number;
}

/** Names of other rows: an item that is called so gets a backslash before it, and one more if it has some. */
const RESERVED_NAME = /^\\*(progress|barrier)$/;

/** The table of items. */
export const stockTable: StateTable<string, StockCounts> = {
  writer: "inventory",
  nameOf: (item) => RESERVED_NAME.test(item) ? `\\${item}` : item,
  keyOf(name) {
    const item = RESERVED_NAME.test(name) ? name.slice(1) : name;
    return isId(item) ? item : undefined;
  },
  schema: v.object({
    reserved: wholeNumber(0, "Units reserved by orders that were placed."),
    released: wholeNumber(0, "Units released by orders that failed."),
  }),
  add: (a, b) => ({
    reserved: addUnits(a.reserved, b.reserved),
    released: addUnits(a.released, b.released),
  }),
};

/** Units are exact up to 2^53 − 1 and stay there: in any order of adding, the sum is the same. */
function addUnits(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}

/** Adds a movement to the counts of its item. */
export function countMovement(
  counts: Map<string, StockCounts>,
  { item_id, action, quantity }: Pick<InventoryEvent, "item_id" | "action" | "quantity">,
): void {
  let count = counts.get(item_id);
  if (count === undefined) {
    // As it will be read back: UTF-8 has no lone surrogates.
    const item = item_id.toWellFormed();
    counts.set(item, count = counts.get(item) ?? { reserved: 0, released: 0 });
  }
  if (action === "reserve") count.reserved = addUnits(count.reserved, quantity);
  else count.released = addUnits(count.released, quantity);
}

const ITEMS = expected('a JSON array of objects such as {"item_id":"burger","units":500}');

const openingSchema = v.object({
  item_id: id("Which item."),
  units: wholeNumber(0, "The units in stock before the first order."),
}, expected("an object"));

/**
 * Reads an opening stock: a JSON array of objects with `item_id` and `units`.
 *
 * @throws {Error} With a message that says which item and field is wrong.
 */
export function parseOpeningStock(text: string): Map<string, number> {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    throw new Error(`expected a JSON array of items: ${(error as Error).message}`);
  }
  const opening = new Map<string, number>();
  try {
    for (const [index, item] of conform(v.array(v.unknown(), ITEMS), items).entries()) {
      try {
        const { item_id, units } = conform(openingSchema, item);
        if (opening.has(item_id)) throw new MalformedEvent(`item_id: "${item_id}" is there twice`);
        opening.set(item_id, units);
      } catch (error) {
        throw new MalformedEvent(`item ${index}: ${reasonOf(error)}`);
      }
    }
  } catch (error) {
    throw new Error(reasonOf(error));
  }
  return opening;
}

/** The level of one item, with the names that it has in JSON. */
export interface StockLevel {
  /** Which item. */
  item_id: string;
  /** Units reserved by orders that were placed. */
  reserved_units: number;
  /** Units released by orders that failed. */
  released_units: number;
  /** Opening stock − reserved + released; only with an opening stock. */
  available_units?: number;
  /** Whether less than nothing is available; only with an opening stock. */
  oversold?: boolean;
}

/**
 * The levels of all partitions together, by item.
 *
 * @param opening The units of each item before the first order; an item that is not in it had none.
 */
export function stockLevels(
  rows: StateRows<string, StockCounts>,
  opening?: ReadonlyMap<string, number>,
): StockLevel[] {
  const none = { reserved: 0, released: 0 };
  const sums = new Map<string, StockCounts>();
  for (const item of opening?.keys() ?? []) sums.set(item, none);
  for (const { counts } of rows.partitions()) {
    for (const [item, count] of counts) {
      sums.set(item, stockTable.add(sums.get(item) ?? none, count));
    }
  }
  return [...sums].sort(([a], [b]) => a < b ? -1 : 1).map(([item_id, { reserved, released }]) => {
    const available = (opening?.get(item_id) ?? 0) - reserved + released;
    return {
      item_id,
      reserved_units: reserved,
      released_units: released,
      ...(opening && { available_units: available, oversold: available < 0 }),
    };
  });
}
