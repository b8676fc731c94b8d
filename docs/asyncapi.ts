/**
 * Writes `docs/asyncapi.yaml`: topics, keys, payloads and headers, as AsyncAPI 3, from the schemas
 * and the table of topics that the programs themselves use.
 *
 * ```sh
 * deno task docs
 * ```
 *
 * Permissions: `--allow-write=docs/asyncapi.yaml`.
 *
 * @module
 */
import type { GenericSchema } from "valibot";
import { inventoryEventSchema } from "../lib/inventory_event.ts";
import { minuteTable } from "../lib/metrics_table.ts";
import { orderSchema } from "../lib/order.ts";
import { progressSchema } from "../lib/state_rows.ts";
import { stockTable } from "../lib/stock_levels.ts";
import { TRACEPARENT } from "../lib/trace_context.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
  type TopicSpec,
} from "../lib/topics.ts";
import { ID_KEYWORDS, jsonSchema, yamlText } from "./json_schema.ts";

const EXAMPLES = {
  order: {
    event_type: "OrderPlaced",
    order_id: "order_000001",
    user_id: "user_123",
    items: [{ item_id: "burger", quantity: 2, price: 10 }],
    total_amount: 20,
    status: "placed",
    timestamp: "2024-01-15T10:30:00",
  },
  inventoryEvent: {
    event_type: "InventoryEvent",
    order_id: "order_000001",
    item_id: "burger",
    quantity: 2,
    action: "reserve",
    timestamp: "2024-01-15T10:30:00.000Z",
  },
  minuteRow: { total: 1000, failed: 49 },
  itemRow: { reserved: 120, released: 4 },
  progressRow: {
    start_offset: "0",
    next_offset: "1000",
    malformed: 0,
    skipped: 0,
    topic_id: "5e1f0c9a7b3d4e2f8a6b1c0d9e8f7a6b",
    state_topic_id: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
  },
};

const ID_KEY = { type: "string", ...ID_KEYWORDS };
const rowKey = (name: string) => ({ type: "string", pattern: `^\\d+/${name}$` });

function traceHeaders(description: string) {
  return {
    type: "object",
    properties: {
      [TRACEPARENT]: {
        type: "string",
        pattern: "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$",
        description,
      },
    },
  };
}

const DEAD_LETTER_HEADERS = {
  type: "object",
  description: "The headers of the record itself, and:",
  required: ["dlq.topic", "dlq.partition", "dlq.offset", "dlq.group", "dlq.reason"],
  properties: {
    "dlq.topic": { type: "string", description: "The topic that the record was read from." },
    "dlq.partition": { type: "string", pattern: "^\\d+$", description: "Its partition." },
    "dlq.offset": { type: "string", pattern: "^\\d+$", description: "Its offset." },
    "dlq.group": { type: "string", description: "The consumer group that read it." },
    "dlq.reason": { type: "string", description: "What is wrong with it." },
    "dlq.truncated": {
      type: "string",
      description:
        "Which parts were cut because the topic does not take the whole record: a list " +
        "of `key`, `headers` and `value`; absent when none was.",
    },
    "dlq.original-bytes": {
      type: "string",
      pattern: "^\\d+$",
      description: "The size of a record that was cut.",
    },
  },
};

const messages = {
  order: {
    title: "An order, placed or failed",
    headers: traceHeaders("W3C trace context of the order, if any."),
    ...jsonMessage(ID_KEY, orderSchema, EXAMPLES.order),
  },
  inventoryEvent: {
    title: "A movement of stock that an order has caused",
    headers: traceHeaders("That of the order, if it has a valid one."),
    ...jsonMessage(ID_KEY, inventoryEventSchema, EXAMPLES.inventoryEvent),
  },
  minuteRow: {
    title: "The orders of a minute in one partition of the orders",
    description: "A record without a value deletes the row.",
    ...jsonMessage(
      rowKey("\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}Z"),
      minuteTable.schema,
      EXAMPLES.minuteRow,
    ),
  },
  itemRow: {
    title: "The units of an item that were moved by one partition of the orders",
    description: "A record without a value deletes the row. An item that is called `progress` or " +
      "`barrier`, with or without backslashes before it, has one more backslash here.",
    ...jsonMessage(rowKey(".+"), stockTable.schema, EXAMPLES.itemRow),
  },
  progressRow: {
    title: "How far a partition of the orders is counted; the last record of each transaction",
    ...jsonMessage(rowKey("progress"), progressSchema, EXAMPLES.progressRow),
  },
  barrierRow: {
    title: "Marks an offset, so that a reader knows when it has read all that came before",
    contentType: "application/json",
    bindings: { kafka: { key: rowKey("barrier") } },
    payload: { type: "object", maxProperties: 0 },
  },
  deadLetter: {
    title: "A record that could not be read as an order, with its own key and value",
    headers: DEAD_LETTER_HEADERS,
    payload: { description: "The bytes of the record as they came." },
  },
};

type MessageName = keyof typeof messages;

/** The rows of every state topic, besides its counts. */
const STATE_ROWS: MessageName[] = ["progressRow", "barrierRow"];

const channels = {
  orders: channel(orderEvents(""), "Orders, keyed by `order_id`.", ["order"]),
  inventoryEvents: channel(
    inventoryEvents(""),
    "Stock movements, keyed by `item_id`: one for each item of an order.",
    ["inventoryEvent"],
  ),
  orderMetrics: {
    ...channel(
      orderMetrics("{group}"),
      "What an analytics group has counted: partition p holds the rows of partition p of the orders.",
      ["minuteRow", ...STATE_ROWS],
    ),
    parameters: {
      group: { description: "The consumer group of analytics.", default: "analytics" },
    },
  },
  stockLevels: {
    ...channel(
      stockLevels("{group}"),
      "What an inventory group has moved: partition p holds the rows of partition p of the orders.",
      ["itemRow", ...STATE_ROWS],
    ),
    parameters: {
      group: { description: "The consumer group of inventory.", default: "inventory" },
    },
  },
  deadLetters: channel(
    deadLetters(""),
    "Records of the orders that are not valid orders.",
    ["deadLetter"],
  ),
};

type ChannelName = keyof typeof channels;

const operations = {
  publishOrders: operation(
    "send",
    "orders",
    "producer.ts and the order desk of dashboard.ts publish orders.",
  ),
  ...consumer("inventory", "inventory.ts turns each order into stock movements, exactly once."),
  publishInventoryEvents: operation(
    "send",
    "inventoryEvents",
    "inventory.ts writes stock movements in the transaction that commits the orders.",
  ),
  writeStockLevels: operation(
    "send",
    "stockLevels",
    "inventory.ts writes changed rows in the same transaction.",
  ),
  readStockLevels: operation(
    "receive",
    "stockLevels",
    "Each instance of inventory.ts follows all rows and reports their sum.",
  ),
  ...consumer("analytics", "analytics.ts counts orders by minute."),
  writeMetrics: operation(
    "send",
    "orderMetrics",
    "analytics.ts writes changed rows in the transaction that commits the orders.",
  ),
  readMetrics: operation(
    "receive",
    "orderMetrics",
    "Each instance of analytics.ts follows all rows and reports their sum.",
  ),
  publishDeadLetters: operation(
    "send",
    "deadLetters",
    "inventory.ts and analytics.ts write them in the transaction that commits the orders.",
  ),
};

/** The text of `docs/asyncapi.yaml`. */
export function asyncApiYaml(): string {
  const document = {
    asyncapi: "3.0.0",
    info: {
      title: "Order Stream",
      version: "1.0.0",
      description: "A food-ordering service as an event stream. `--topic-prefix` puts a prefix " +
        "before each topic and group. Readers ignore fields that they do not know. The characters " +
        "of ids are counted as Unicode code points.",
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    servers: {
      development: { host: "127.0.0.1:9092", protocol: "kafka", description: "`deno task up`" },
    },
    channels,
    operations,
    components: { messages },
  };
  return yamlText("docs/asyncapi.ts", document);
}

/** A message whose value is JSON. */
function jsonMessage(key: Record<string, unknown>, schema: GenericSchema, example: unknown) {
  return {
    contentType: "application/json",
    bindings: { kafka: { key } },
    payload: jsonSchema(schema),
    examples: [{ payload: example }],
  };
}

/** A channel with the settings that its topic is created with. */
function channel(topic: TopicSpec, description: string, names: MessageName[]) {
  const topicConfiguration = Object.fromEntries(
    Object.entries(topic.settings).map(([name, value]) => [
      name,
      name === "cleanup.policy" ? [value] : Number(value),
    ]),
  );
  return {
    address: topic.name,
    description,
    messages: Object.fromEntries(
      names.map((name) => [name, { $ref: `#/components/messages/${name}` }]),
    ),
    bindings: {
      kafka: { partitions: topic.partitions, topicConfiguration, bindingVersion: "0.5.0" },
    },
  };
}

function operation(action: "send" | "receive", name: ChannelName, summary: string) {
  return {
    action,
    summary,
    channel: { $ref: `#/channels/${name}` },
    messages: Object.keys(channels[name].messages)
      .map((message) => ({ $ref: `#/channels/${name}/messages/${message}` })),
  };
}

/** The reading of orders by the group of a service, under the name of the service. */
function consumer(group: string, summary: string) {
  const bindings = { kafka: { groupId: { type: "string", default: group } } };
  return { [group]: { ...operation("receive", "orders", summary), bindings } };
}

if (import.meta.main) {
  Deno.writeTextFileSync(new URL("asyncapi.yaml", import.meta.url), asyncApiYaml());
}
