/**
 * The trace context of an order goes on into its stock movements.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { parseInventoryEvent } from "../../lib/inventory_event.ts";
import { connect, disconnect } from "../../lib/kafka/client.ts";
import { idempotentProducer } from "../../lib/kafka/producers.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { encodeOrder, type OrderPlaced } from "../../lib/order.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { testRun } from "../support/run.ts";

const VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const item = (item_id: string) => ({ item_id, quantity: 1, price: 5 });

function order(order_id: string): OrderPlaced {
  return {
    ...{ event_type: "OrderPlaced", order_id, user_id: "user_1" },
    items: [item("burger"), item("cola")],
    ...{ total_amount: 10, status: "placed", timestamp: "2024-01-15T10:30:00Z" },
  };
}

Deno.test("movements have the traceparent of their order, if it is valid", async () => {
  await using run = await testRun("tracing");
  await run.json("producer.ts", ["--count", "2"]);
  const headersOf: Record<string, Record<string, string>> = {
    traced: { traceparent: VALID, tenant: "t1" },
    plain: {},
    invalid: { traceparent: "00-4bf92f3577b34da6" },
  };
  const producer = idempotentProducer(run.settings);
  await connect(producer, run.settings);
  await producer.send({
    topic: orderEvents(run.prefix).name,
    acks: -1,
    messages: Object.entries(headersOf).map(([id, headers]) => (
      { partition: 0, key: id, value: encodeOrder(order(id)), headers }
    )),
  });
  await disconnect(producer);
  await run.json("inventory.ts", ["--until-end"]);

  const found: [string, string, Record<string, string>][] = [];
  await readTopic(run.settings, {
    topic: inventoryEvents(run.prefix).name,
    group: `${run.prefix}reader`,
    onRecord({ value, headers = {} }) {
      const parsed = parseInventoryEvent(value!);
      if (parsed.kind !== "event" || !(parsed.event.order_id in headersOf)) return;
      const texts = Object.entries(headers).map(([name, each]) => [name, String(each)]);
      found.push([parsed.event.order_id, parsed.event.item_id, Object.fromEntries(texts)]);
    },
  }, run.signal);
  const movementsOf = (id: string, headers: Record<string, string>) =>
    ["burger", "cola"].map((itemId) => [id, itemId, headers] as typeof found[number]);
  assertEquals(found.sort(), [
    ...movementsOf("invalid", {}),
    ...movementsOf("plain", {}),
    ...movementsOf("traced", { traceparent: VALID }),
  ]);
});
