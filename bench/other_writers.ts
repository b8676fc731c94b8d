/**
 * Orders as other programs write them, to measure what reading them costs.
 *
 * The text of each order is that of Python's `json.dumps(order, sort_keys=True)`: spaces after commas
 * and colons, other order of fields, `10.0` for 10, and escapes for what is not ASCII, which every
 * fourth item of the menu contains.
 *
 * @module
 */
import { MENU } from "../lib/menu.ts";
import type { OrderPlaced } from "../lib/order.ts";
import { orderGenerator } from "../lib/order_generator.ts";

const ACCENTED_MENU = MENU.map((item, index) =>
  index % 4 === 0 ? { ...item, item_id: `${item.item_id}_à_la_crème` } : item
);
const AMOUNTS = new Set(["price", "total_amount"]);
const SPAN_MS = 3_600_000;
const LINES_PER_WRITE = 5_000;

/** Writes an order as JSON in the style of Python. */
export function foreignJson(order: OrderPlaced): string {
  return foreignValue(order, "");
}

function foreignValue(value: unknown, field: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => foreignValue(item, "")).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
    return `{${fields.map(([name, of]) => `"${name}": ${foreignValue(of, name)}`).join(", ")}}`;
  }
  if (AMOUNTS.has(field) && Number.isInteger(value)) return `${value}.0`;
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Writes a file of such orders, one per line; their event times are those of the last hour. */
export async function writeForeignOrders(path: string, count: number): Promise<void> {
  await Deno.writeTextFile(path, ReadableStream.from(foreignLines(count)));
}

function* foreignLines(count: number): Generator<string> {
  const startMs = Date.now() - SPAN_MS;
  const nextOrder = orderGenerator({
    seed: 2,
    failureRate: 0.05,
    menu: ACCENTED_MENU,
    eventTimeMs: (index) => startMs + Math.floor(index * SPAN_MS / count),
  });
  for (let done = 0; done < count; done += LINES_PER_WRITE) {
    const length = Math.min(LINES_PER_WRITE, count - done);
    yield Array.from({ length }, () => foreignJson(nextOrder()) + "\n").join("");
  }
}
