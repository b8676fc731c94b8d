/**
 * Writes `docs/openapi.yaml`: what dashboard.ts answers by HTTP, as OpenAPI 3.1, from the schemas and
 * bounds that it uses itself.
 *
 * ```sh
 * deno task docs
 * ```
 *
 * Permissions: `--allow-write=docs/openapi.yaml`.
 *
 * @module
 */
import { MAX_ITEMS } from "../lib/event_fields.ts";
import { DESK_BOUNDS } from "../lib/http/desk_bounds.ts";
import { MAX_PAGE_VIEWERS } from "../lib/http/event_stream.ts";
import { MENU, menuItemSchema } from "../lib/menu.ts";
import { orderRequestSchema } from "../lib/order.ts";
import { acceptedOrderSchema, orderWaySchema } from "../lib/order_way.ts";
import { jsonSchema, yamlText } from "./json_schema.ts";

const NUMBERS = { type: "array", items: { type: "number" } };

const schemas = {
  OrderRequest: {
    description:
      "An order. Only `user_id` and `items` must be given: a missing `order_id` is made, a " +
      "missing price is that of the menu, a missing `total_amount` is the sum, `status` is `placed`, " +
      "and `timestamp` is the time now. What is given is taken as it is. Unknown fields are ignored.",
    ...jsonSchema(orderRequestSchema),
  },
  AcceptedOrder: jsonSchema(acceptedOrderSchema),
  OrderWay: jsonSchema(orderWaySchema),
  MenuItem: jsonSchema(menuItemSchema),
  Problem: {
    description: "What is wrong, as RFC 9457 describes it.",
    type: "object",
    required: ["status", "detail"],
    properties: {
      status: { type: "integer", description: "The status of the answer." },
      detail: { type: "string", description: "What is wrong, for people." },
      errors: {
        type: "array",
        description: "What is wrong with each field, the first hundred.",
        items: {
          type: "object",
          required: ["field", "message"],
          properties: {
            field: { type: "string", examples: ["items[0].quantity"] },
            message: { type: "string" },
          },
        },
      },
      order_id: { type: "string", description: "The order that it is about." },
    },
  },
  Chart: {
    description:
      "Orders by minute, thinned to buckets of one length; those without orders are left out.",
    type: "object",
    required: ["from", "to", "bucket_minutes", "start", "placed", "failed"],
    properties: {
      from: { type: "integer", description: "The beginning of the range, in seconds." },
      to: { type: "integer", description: "Its end, exclusive, in seconds." },
      bucket_minutes: { type: "integer", description: "How many minutes a bucket has." },
      start: { ...NUMBERS, description: "The start of each bucket, in seconds since the epoch." },
      placed: { ...NUMBERS, description: "Orders that were placed." },
      failed: { ...NUMBERS, description: "Orders that failed." },
    },
  },
  LagPoint: {
    type: "object",
    required: ["time", "lag"],
    properties: {
      time: { type: "number", description: "Seconds since the epoch." },
      lag: {
        type: "object",
        description: "Records behind, unread partitions included, by group; `null` if unknown.",
        additionalProperties: { type: ["integer", "null"] },
      },
    },
  },
};

const RETRY_AFTER = {
  "Retry-After": { description: "Seconds.", schema: { type: "integer", minimum: 1 } },
};

const EXAMPLE_ORDER = {
  user_id: "user_123",
  items: [{ item_id: MENU[0]!.item_id, quantity: 2 }],
};
const EXAMPLE_PLACE = {
  order_id: "order_1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
  topic: "order-events",
  partition: 3,
  offset: 1027,
  accepted_ms: 6.2,
};

const paths = {
  "/orders": {
    post: {
      summary: "Places an order",
      description:
        "202 comes once all in-sync replicas have the order. After any other answer but 504 " +
        "it is not stored. Requests of pages of other origins are refused.",
      parameters: [{
        name: "Idempotency-Key",
        in: "header",
        description:
          "The same key with the same bytes gets the answer of the first request, without " +
          "a second record, also while the first is under way. The last " +
          `${DESK_BOUNDS.maxKeys} keys are kept for ${
            minutes(DESK_BOUNDS.keptKeysMs)
          } minutes, in ` +
          "the memory of the dashboard: a restart forgets them.",
        schema: { type: "string", pattern: `^[!-~]{1,${DESK_BOUNDS.maxKeyCharacters}}$` },
      }, {
        name: "traceparent",
        in: "header",
        description:
          "The trace of the order (W3C Trace Context); the record of the order and those of " +
          "its movements have it, too. Without a valid one a new trace begins.",
        schema: { type: "string" },
      }],
      requestBody: {
        required: true,
        description: `At most ${DESK_BOUNDS.maxBodyBytes} bytes, and ${MAX_ITEMS} items.`,
        content: jsonContent("OrderRequest", EXAMPLE_ORDER),
      },
      responses: {
        202: {
          description: "All in-sync replicas have the order.",
          headers: {
            Location: { description: "The way of the order.", schema: { type: "string" } },
          },
          content: jsonContent("AcceptedOrder", EXAMPLE_PLACE),
        },
        400: problem("Not JSON, a wrong field, or a wrong Idempotency-Key."),
        403: problem("The request comes from a page of another origin."),
        408: problem(`The body did not come within ${seconds(DESK_BOUNDS.bodyLimitMs)} seconds.`),
        413: problem(
          `More than ${DESK_BOUNDS.maxBodyBytes} bytes, or more than the topic accepts.`,
        ),
        415: problem("Not application/json in UTF-8, or compressed."),
        422: problem("Another order was placed with this Idempotency-Key."),
        429: problem(`${DESK_BOUNDS.maxWaiting} orders wait already.`, RETRY_AFTER),
        503: problem("The brokers are away. The order is not stored.", RETRY_AFTER),
        504: problem(
          `The brokers have not confirmed the order within ${seconds(DESK_BOUNDS.answerLimitMs)} ` +
            "seconds: it may be stored, or be stored later. Sending it again with the same " +
            "Idempotency-Key gets the outcome.",
          RETRY_AFTER,
        ),
      },
    },
  },
  "/orders/{order_id}/events": {
    get: {
      summary: "Follows an order that was placed here",
      description:
        "Server-sent events. Each event `way` has the whole state; the connection ends " +
        "when analytics has counted the order and its movements are found, or " +
        `${minutes(DESK_BOUNDS.followedMs)} minutes after it was placed. The last ` +
        `${DESK_BOUNDS.maxOrders} orders can be followed, by ${DESK_BOUNDS.maxViewers} viewers.`,
      parameters: [
        { name: "order_id", in: "path", required: true, schema: { type: "string" } },
      ],
      responses: {
        200: eventStream("way", { $ref: "#/components/schemas/OrderWay" }),
        404: problem("No such order was placed here in the last minutes."),
        429: problem("Too many viewers.", RETRY_AFTER),
      },
    },
  },
  "/api/menu": {
    get: {
      summary: "The menu",
      responses: {
        200: {
          description: "What can be ordered; `--menu` names another file.",
          content: {
            "application/json": {
              schema: { type: "array", items: { $ref: "#/components/schemas/MenuItem" } },
              example: MENU.slice(0, 2),
            },
          },
        },
      },
    },
  },
  "/api/events": {
    get: {
      summary: "The state of the service, once a second",
      responses: {
        200: eventStream("state", { type: "object" }),
        429: problem(`${MAX_PAGE_VIEWERS} viewers watch the page already.`),
      },
    },
  },
  "/api/minutes": {
    get: {
      summary: "Orders by minute",
      parameters: [
        {
          ...{ name: "range", in: "query", description: "Back from the newest minute." },
          schema: { type: "string", enum: ["15m", "1h", "1d", "all"], default: "all" },
        },
        ...["from", "to"].map((name) => ({
          ...{ name, in: "query", description: "Instead of a range, seconds since the epoch." },
          schema: { type: "integer" },
        })),
        {
          ...{ name: "points", in: "query", description: "How many points at most." },
          schema: { type: "integer", minimum: 2, maximum: 2_000, default: 400 },
        },
      ],
      responses: {
        200: { description: "The minutes.", content: jsonContent("Chart") },
        400: problem("A wrong parameter."),
      },
    },
  },
  "/api/lag": {
    get: {
      summary: "The lag of the last half hour",
      responses: {
        200: {
          description: "One point a second, the oldest first.",
          content: {
            "application/json": {
              schema: { type: "array", items: { $ref: "#/components/schemas/LagPoint" } },
            },
          },
        },
      },
    },
  },
  "/livez": probe("Whether the dashboard does its work", "It would better be started again."),
  "/readyz": probe(
    "Whether the page shows all that is stored",
    "It is catching up, or no broker answers.",
  ),
  "/metrics": {
    get: {
      summary: "Metrics for Prometheus",
      responses: {
        200: {
          description: "The text format; docs/MONITORING.md has the names.",
          content: { "text/plain": { schema: { type: "string" } } },
        },
      },
    },
  },
  "/openapi.yaml": {
    get: {
      summary: "This document",
      responses: {
        200: {
          description: "OpenAPI 3.1.",
          content: { "application/yaml": { schema: { type: "string" } } },
        },
      },
    },
  },
};

/** The text of `docs/openapi.yaml`. */
export function openApiYaml(): string {
  return yamlText("docs/openapi.ts", {
    openapi: "3.1.0",
    info: {
      title: "Order Stream",
      version: "1.0.0",
      description:
        "What `deno task dashboard` answers, besides the files of its page. Requests under " +
        "a name that is neither an address, localhost nor one of `--allow-host` get 421, and those " +
        "with more than 16 KiB of headers 431. Errors are `application/problem+json`.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "http://127.0.0.1:8080", description: "`deno task dashboard`" }],
    paths,
    components: { schemas },
  });
}

function jsonContent(name: keyof typeof schemas, example?: unknown) {
  return {
    "application/json": {
      schema: { $ref: `#/components/schemas/${name}` },
      ...(example !== undefined && { example }),
    },
  };
}

function problem(description: string, headers?: Record<string, unknown>) {
  return {
    description,
    ...(headers && { headers }),
    content: {
      "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
    },
  };
}

function probe(summary: string, bad: string) {
  const content = { "text/plain": { schema: { type: "string" } } };
  return {
    get: {
      summary,
      responses: {
        200: { description: "Yes.", content },
        503: { description: `${bad} The text says why.`, content },
      },
    },
  };
}

function eventStream(name: string, schema: Record<string, unknown>) {
  return {
    description: `Events \`${name}\`, each with JSON as its data.`,
    content: { "text/event-stream": { schema: { type: "string" }, "x-data": schema } },
  };
}

function minutes(ms: number): number {
  return ms / 60_000;
}

function seconds(ms: number): number {
  return ms / 1_000;
}

if (import.meta.main) {
  Deno.writeTextFileSync(new URL("openapi.yaml", import.meta.url), openApiYaml());
}
