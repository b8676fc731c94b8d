/**
 * From what a client sends to place an order to the order.
 *
 * Only `user_id` and `items` must be given. What is missing is added: an id, the price of what is on the
 * menu, the sum, `placed`, and the time. What is given is taken as it is: orders may carry fees,
 * discounts, and items that are on no menu.
 *
 * @module
 */
import { conformOrErrors, decodeUtf8, type FieldError, parseObject } from "./event_fields.ts";
import { centsOf } from "./menu.ts";
import {
  type OrderItem,
  type OrderPlaced,
  type OrderRequest,
  orderRequestSchema,
} from "./order.ts";
import { formatTimestamp } from "./timestamp.ts";

/** What is added to an order. */
export interface OrderDefaults {
  /** The prices on the menu, by `item_id`. */
  prices: ReadonlyMap<string, number>;
  /** An id that no other order has. */
  newId: string;
  /** The time now, in milliseconds since the epoch. */
  nowMs: number;
}

/** An order, or what is wrong with it. */
export type ReadRequest = { order: OrderPlaced } | { errors: FieldError[] };

/** How many errors are named; there can be three for each item. */
const MAX_ERRORS = 100;

/**
 * Reads the body of a request.
 *
 * @throws {MalformedEvent} When it is not a JSON object.
 */
export function readOrderRequest(body: Uint8Array, defaults: OrderDefaults): ReadRequest {
  const read = conformOrErrors(orderRequestSchema, parseObject(decodeUtf8(body)), MAX_ERRORS);
  return "errors" in read ? read : completed(read.output, defaults);
}

function completed(request: OrderRequest, { prices, newId, nowMs }: OrderDefaults): ReadRequest {
  const errors: FieldError[] = [];
  const items = request.items.map(({ item_id, quantity, price }, index): OrderItem => {
    const known = price ?? prices.get(item_id);
    if (known === undefined) {
      errors.push({ field: `items[${index}].price`, message: "missing, and not on the menu" });
    }
    return { item_id, quantity, price: known ?? 0 };
  });
  const total = request.total_amount ?? sumOf(items);
  if (!Number.isFinite(total)) {
    errors.push({
      field: "total_amount",
      message: "missing, and the sum of the items is too large",
    });
  }
  if (errors.length > 0) return { errors: errors.slice(0, MAX_ERRORS) };
  return {
    order: {
      event_type: "OrderPlaced",
      order_id: request.order_id ?? newId,
      user_id: request.user_id,
      items,
      total_amount: total,
      status: request.status ?? "placed",
      timestamp: request.timestamp ?? formatTimestamp(nowMs),
    },
  };
}

/** The sum in whole cents. */
function sumOf(items: readonly OrderItem[]): number {
  return centsOf(items.reduce((sum, { quantity, price }) => sum + quantity * price, 0)) / 100;
}
