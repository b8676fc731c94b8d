/**
 * The order desk: orders are placed by HTTP, and watched on their way.
 *
 * 202 means that all in-sync replicas have the order. Every other answer but 504 means that it is not
 * stored; after 504 that is not known yet, and sending it again with the same Idempotency-Key is safe: the
 * answer is then that of the first.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { deadline } from "../async.ts";
import { MalformedEvent } from "../event_fields.ts";
import { IdempotencyKeys } from "../idempotency_keys.ts";
import { NotStored, type OrderStore } from "../kafka/order_store.ts";
import type { OrderWays } from "../kafka/order_ways.ts";
import type { MenuItem } from "../menu.ts";
import type { OrderPlaced } from "../order.ts";
import { readOrderRequest } from "../order_request.ts";
import type { AcceptedOrder, OrderWay } from "../order_way.ts";
import {
  formatTraceparent,
  NEW_TRACE_BYTES,
  newTrace,
  parseTraceparent,
  TRACEPARENT,
} from "../trace_context.ts";
import { DESK_BOUNDS } from "./desk_bounds.ts";
import { EventStream } from "./event_stream.ts";
import { isSameOrigin, json, problem } from "./listen.ts";
import { isJson, readBody } from "./request_body.ts";

/** What has become of an order that was handed over. */
type Outcome = { accepted: AcceptedOrder } | { orderId: string; unknown: string };

/** What the desk works with. */
export interface OrderDeskOptions {
  menu: readonly MenuItem[];
  store: OrderStore;
  /** Follows the orders; gets the functions that connect it with the viewers. */
  ways: (viewers: {
    onChange: (way: OrderWay) => void;
    isWatched: (orderId: string) => boolean;
  }) => OrderWays;
}

type Route = (request: Request, orderId: string) => Response | Promise<Response>;

const WAY_PATH = /^\/orders\/([^/]+)\/events$/;

/** Answers the requests of the desk. */
export class OrderDesk {
  #menu: readonly MenuItem[];
  #prices: ReadonlyMap<string, number>;
  #store: OrderStore;
  #ways: OrderWays;
  #keys = new IdempotencyKeys<Outcome>({
    maxKeys: DESK_BOUNDS.maxKeys,
    keptMs: DESK_BOUNDS.keptKeysMs,
  });
  #underWay = 0;
  /** The viewers of each order. */
  #streams = new Map<string, EventStream>();
  #routes: Record<string, { method: "GET" | "POST"; answer: Route }> = {
    "/orders": { method: "POST", answer: (request) => this.#place(request) },
    "/orders/{order_id}/events": { method: "GET", answer: (_, orderId) => this.#watch(orderId) },
    "/api/menu": { method: "GET", answer: () => json(this.#menu) },
  };

  /** Opens the desk. */
  constructor({ menu, store, ways }: OrderDeskOptions) {
    this.#menu = menu;
    this.#prices = new Map(menu.map(({ item_id, price }) => [item_id, price]));
    this.#store = store;
    this.#ways = ways({
      onChange: (way) => this.#show(way),
      isWatched: (orderId) => (this.#streams.get(orderId)?.viewers ?? 0) > 0,
    });
  }

  /** The paths that it answers, as OpenAPI writes them. */
  get paths(): string[] {
    return Object.keys(this.#routes);
  }

  /** The answer; `undefined` for a path that is not the desk's. */
  answer(request: Request): Response | Promise<Response> | undefined {
    const { pathname } = new URL(request.url);
    const orderId = WAY_PATH.exec(pathname)?.[1];
    const route = this.#routes[orderId === undefined ? pathname : "/orders/{order_id}/events"];
    if (route === undefined) return undefined;
    const { method, answer } = route;
    if (request.method !== method) {
      return problem(405, `this path takes ${method}`, { headers: { allow: method } });
    }
    return answer(request, orderId ?? "");
  }

  /** Ends the connections of all viewers, and the following; its signal must be aborted. */
  async close(): Promise<void> {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    await this.#ways.closed;
  }

  async #place(request: Request): Promise<Response> {
    const refused = refusal(request);
    if (refused !== undefined) return refused;
    if (Math.max(this.#underWay, this.#store.waiting) >= DESK_BOUNDS.maxWaiting) {
      return problem(429, `${DESK_BOUNDS.maxWaiting} orders wait already; this one is not stored`, {
        headers: { "retry-after": "1" },
      });
    }
    this.#underWay++;
    try {
      return await this.#read(request);
    } finally {
      this.#underWay--;
    }
  }

  async #read(request: Request): Promise<Response> {
    const arrivedMs = performance.now();
    const body = await readBody(request, {
      maxBytes: DESK_BOUNDS.maxBodyBytes,
      limitMs: DESK_BOUNDS.bodyLimitMs,
    });
    if (body instanceof Response) return body;
    const read = readOrder(body, this.#prices);
    if (read instanceof Response) return read;
    // The order of an earlier request with the same key may have another id.
    let orderId: string | undefined;
    const place = () => {
      orderId = read.order_id;
      return this.#hand(read, { arrivedMs, traceparent: traceOf(request) });
    };
    const key = request.headers.get("idempotency-key");
    if (key === null) return await this.#answer(place(), orderId);
    const fingerprint = createHash("sha256").update(body).digest("base64");
    const outcome = this.#keys.once({ key, fingerprint, nowMs: performance.now() }, place);
    return outcome === undefined
      ? problem(422, "another order was placed with this Idempotency-Key")
      : await this.#answer(outcome, orderId);
  }

  /** Hands an order over; rejects only when it is not stored. */
  async #hand(
    order: OrderPlaced,
    { arrivedMs, traceparent }: { arrivedMs: number; traceparent: string },
  ): Promise<Outcome> {
    const { trouble, ends } = this.#ways;
    if (trouble !== undefined) throw new NotStored(trouble, "away");
    const { order_id } = order;
    try {
      const stored = await this.#store.store(order, traceparent);
      const acceptedMs = Math.round((performance.now() - arrivedMs) * 10) / 10;
      this.#ways.add({ order, ...stored, acceptedMs, arrivedMs, from: ends });
      const { topic } = this.#store;
      return { accepted: { order_id, topic, ...stored, accepted_ms: acceptedMs } };
    } catch (error) {
      if (error instanceof NotStored) throw error;
      return { orderId: order_id, unknown: (error as Error).message };
    }
  }

  /** @param orderId Names the order when the answer does not come in time. */
  async #answer(outcome: Promise<Outcome>, orderId?: string): Promise<Response> {
    try {
      const settled = await deadline(outcome, DESK_BOUNDS.answerLimitMs);
      if ("unknown" in settled) return unknownProblem(settled.unknown, settled.orderId);
      const { accepted } = settled;
      const location = `/orders/${encodeURIComponent(accepted.order_id)}/events`;
      return json(accepted, { status: 202, headers: { location } });
    } catch (error) {
      if (error instanceof NotStored) return notStoredProblem(error);
      if ((error as Error).name !== "TimeoutError") throw error;
      return unknownProblem("the brokers have not confirmed the order yet", orderId);
    }
  }

  #watch(encodedId: string): Response {
    const orderId = decoded(encodedId);
    const way = orderId === undefined ? undefined : this.#ways.wayOf(orderId);
    if (way === undefined) {
      return problem(404, "no order with this id was placed here in the last minutes");
    }
    for (const [id, { viewers }] of this.#streams) if (viewers === 0) this.#streams.delete(id);
    const viewers = [...this.#streams.values()].reduce((sum, { viewers }) => sum + viewers, 0);
    if (viewers >= DESK_BOUNDS.maxViewers) {
      return problem(429, `${DESK_BOUNDS.maxViewers} viewers watch orders already`, {
        headers: { "retry-after": "10" },
      });
    }
    const stream = this.#streams.getOrInsertComputed(way.order_id, () => new EventStream());
    stream.send("way", way);
    const response = stream.response();
    if (way.state === "following") this.#ways.wake();
    else this.#end(way.order_id);
    return response;
  }

  #show(way: OrderWay): void {
    this.#streams.get(way.order_id)?.send("way", way);
    if (way.state !== "following") this.#end(way.order_id);
  }

  #end(orderId: string): void {
    this.#streams.get(orderId)?.close();
    this.#streams.delete(orderId);
  }
}

/** What the headers of a request rule out. */
function refusal(request: Request): Response | undefined {
  const { headers } = request;
  if (!isSameOrigin(headers)) return problem(403, "orders are not taken from other pages");
  if (!isJson(request)) return problem(415, "expected Content-Type: application/json, in UTF-8");
  const key = headers.get("idempotency-key");
  if (key !== null && (!/^[!-~]+$/.test(key) || key.length > DESK_BOUNDS.maxKeyCharacters)) {
    const expected = `1 to ${DESK_BOUNDS.maxKeyCharacters} visible ASCII characters`;
    return problem(400, `Idempotency-Key: expected ${expected}`);
  }
  return undefined;
}

function readOrder(body: Uint8Array, prices: ReadonlyMap<string, number>): OrderPlaced | Response {
  const newId = `order_${crypto.randomUUID()}`;
  try {
    const read = readOrderRequest(body, { prices, newId, nowMs: Date.now() });
    return "errors" in read ? problem(400, "the order is not valid", read) : read.order;
  } catch (error) {
    if (error instanceof MalformedEvent) return problem(400, error.message);
    throw error;
  }
}

function notStoredProblem({ message, reason }: NotStored): Response {
  return reason === "too large"
    ? problem(413, message)
    : problem(503, `${message}; the order is not stored`, { headers: { "retry-after": "2" } });
}

function unknownProblem(reason: string, orderId: string | undefined): Response {
  const detail =
    `${reason}: it is not known whether the order is stored. With an Idempotency-Key it ` +
    "can be sent again safely";
  return problem(504, detail, { orderId, headers: { "retry-after": "5" } });
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The trace that a request belongs to, or a new one. */
function traceOf({ headers }: Request): string {
  const context = parseTraceparent(headers.get(TRACEPARENT) ?? "") ??
    newTrace(crypto.getRandomValues(new Uint8Array(NEW_TRACE_BYTES)));
  return formatTraceparent(context);
}
