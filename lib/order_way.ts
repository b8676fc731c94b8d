/**
 * What the order desk says of an order: where it is, and how far it has come.
 *
 * @module
 */
import * as v from "valibot";
import { amount, expected, id, oneOf, wholeNumber } from "./event_fields.ts";

const places = {
  order_id: id("Which order."),
  topic: v.pipe(v.string(), v.description("The topic that has it.")),
  partition: wholeNumber(0, "Its partition."),
  offset: wholeNumber(0, "Its offset in the partition."),
  accepted_ms: amount(
    "From the arrival of the order until all in-sync replicas had it, in milliseconds.",
  ),
};

const accepted = v.object(places, expected("an object"));

const movement = v.object({
  item_id: id("What moves."),
  quantity: wholeNumber(1, "How many."),
  action: oneOf(
    ["reserve", "release"],
    "`reserve` for a placed order, `release` for a failed one.",
  ),
}, expected("an object"));

const way = v.object({
  ...places,
  counted_ms: v.pipe(
    v.nullable(amount("Milliseconds from the arrival.")),
    v.description("When analytics was seen to have committed it; `null` before."),
  ),
  moved_ms: v.pipe(
    v.nullable(amount("Milliseconds from the arrival.")),
    v.description("When inventory was seen to have committed it; `null` before."),
  ),
  movements: v.pipe(
    v.array(movement),
    v.description("The movements that were found so far, in no particular order."),
  ),
  state: oneOf(["following", "done", "given up"], "Whether it is still followed."),
}, expected("an object"));

/** Where an order is that was accepted. */
export type AcceptedOrder = v.InferOutput<typeof accepted>;

/** How far an order has come. Times count from its arrival. */
export type OrderWay = v.InferOutput<typeof way>;

/** The schema of an accepted order. */
export const acceptedOrderSchema: v.GenericSchema<AcceptedOrder> = accepted;

/** The schema of an order's way. */
export const orderWaySchema: v.GenericSchema<OrderWay> = way;
