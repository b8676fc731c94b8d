/**
 * The topics are open to any client: Kafka's own Java clients read what we write and agree with every
 * number, and what they write is counted.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { COMPRESSIONS } from "../../lib/compression.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { consoleConsumer, consoleProducer } from "../support/kafka_tools.ts";
import { testRun } from "../support/run.ts";
import { storedBatches } from "../support/stored_batches.ts";

const COUNT = 2_000;

Deno.test("orders and movements of each compression, read by Kafka's console consumer, agree with our numbers", async () => {
  await using run = await testRun("java-reads");
  const produced = { orders: 0, failed: 0 };
  let moved = 0;
  for (const compression of COMPRESSIONS) {
    const flags = ["--compression", compression];
    const each = ["--count", String(COUNT / COMPRESSIONS.length)];
    const { total_orders, failed_orders } = await run.json("producer.ts", [...each, ...flags]);
    produced.orders += total_orders as number;
    produced.failed += failed_orders as number;
    const { reserved, released } = await run.json("inventory.ts", ["--until-end", ...flags]);
    moved += (reserved as number) + (released as number);
  }
  const counted = await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  for (const { name, partitions } of [orderEvents(run.prefix), inventoryEvents(run.prefix)]) {
    const batches = await storedBatches(run.brokers, { topic: name, partitions });
    const stored = new Set(batches.map(({ compression }) => compression));
    assertEquals(stored, new Set(COMPRESSIONS), `the compressions in ${name}`);
  }

  const orders = (await consoleConsumer(run.brokers, {
    topic: orderEvents(run.prefix).name,
    count: COUNT,
  })).map(({ key, value }) => ({ key, order: JSON.parse(value) }));
  assertEquals(orders.length, COUNT);
  assert(orders.every(({ key, order }) => key === order.order_id));
  const failed = orders.filter(({ order }) => order.status === "failed").length;
  assertEquals(produced, { orders: COUNT, failed });
  assertEquals([counted.total_orders, counted.failed_orders], [COUNT, failed]);
  const byMinute: Record<string, number> = {};
  for (const { order } of orders) {
    const minute = `${order.timestamp.slice(0, 16)}:00Z`;
    byMinute[minute] = (byMinute[minute] ?? 0) + 1;
  }
  assertEquals(Object.entries(counted.orders_by_minute as object), Object.entries(byMinute).sort());

  const expected = orders.flatMap(({ order }) =>
    order.items.map(({ item_id, quantity }: { item_id: string; quantity: number }) =>
      [order.order_id, item_id, quantity, order.status === "failed" ? "release" : "reserve"].join()
    )
  );
  const movements = await consoleConsumer(run.brokers, {
    topic: inventoryEvents(run.prefix).name,
    count: expected.length,
  });
  assertEquals(
    movements.map(({ value }) => {
      const { order_id, item_id, quantity, action } = JSON.parse(value);
      return [order_id, item_id, quantity, action].join();
    }).sort(),
    expected.sort(),
  );
  assertEquals(moved, movements.length);
});

Deno.test("orders from Kafka's console producer are counted, however compressed, each key in its partition", async () => {
  await using run = await testRun("java-writes");
  await run.json("producer.ts", [
    "--count",
    "500",
    "--seed",
    "7",
    "--start",
    "2024-01-15T10:30:00Z",
  ]);
  const topic = orderEvents(run.prefix).name;
  const ours = await consoleConsumer(run.brokers, { topic, count: 500 });

  // The same orders once more, by another client: Java's partitioner must agree with ours.
  const timestamp = "2024-01-15T10:31:59.999";
  const records = ours.map(({ key, value }) => ({
    key,
    value: JSON.stringify({ ...JSON.parse(value), timestamp, note: "an unknown field" }),
  }));
  const perCompression = records.length / COMPRESSIONS.length;
  for (const [index, compression] of COMPRESSIONS.entries()) {
    const from = index * perCompression;
    await consoleProducer(run.brokers, {
      topic,
      records: records.slice(from, from + perCompression),
      compression,
    });
  }
  const all = await consoleConsumer(run.brokers, { topic, count: 1_000 });
  assertEquals(all.length, 1_000);
  const partitions = new Map<string, Set<number>>();
  for (const { key, partition } of all) {
    partitions.set(key, (partitions.get(key) ?? new Set()).add(partition));
  }
  assertEquals(partitions.size, 500);
  assert([...partitions.values()].every((of) => of.size === 1), "a key is in two partitions");

  const counted = await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  assertEquals(counted.orders_by_minute, {
    "2024-01-15T10:30:00Z": 500,
    "2024-01-15T10:31:00Z": 500,
  });
});
