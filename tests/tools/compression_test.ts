/**
 * What a service writes besides movements is compressed, too; other_clients_test.ts has orders and movements.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Compression } from "../../lib/compression.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { deadLetters, orderEvents, orderMetrics } from "../../lib/topics.ts";
import { testRun } from "../support/run.ts";
import { storedBatches } from "../support/stored_batches.ts";

const PARTITIONS = 6;
Deno.test("dead letters and tombstones of a compressed transaction are what they were", async () => {
  await using run = await testRun("compressed-rows");
  const topic = orderEvents(run.prefix).name;
  await run.json("producer.ts", ["--count", "600", "--span", "9h"]);
  const producer = kafkaClient(run.settings).producer({ createPartitioner: chosenPartition });
  await producer.connect();
  const poison = "not JSON ".repeat(200);
  await producer.send({ topic, messages: [{ partition: 0, key: "poison", value: poison }] });
  await producer.disconnect();
  const analytics = (compression: Compression, ...args: string[]) =>
    run.json("analytics.ts", [
      ...["--until-end", "--output", "none", "--compression", compression, ...args],
    ]);
  const counted = await analytics("snappy");
  assertEquals([counted.total_orders, counted.malformed_events], [600, 1]);
  const [letter] = await storedBatches(run.brokers, {
    topic: deadLetters(run.prefix).name,
    partitions: 1,
  });
  assertEquals(letter?.compression, "snappy");
  assertEquals(letter?.records.map(({ value }) => String(value)), [poison]);

  // The rows of the minutes are dropped before they are counted again.
  assertEquals((await analytics("lz4", "--replay")).digest, counted.digest);
  const { name } = orderMetrics(`${run.prefix}analytics`, PARTITIONS);
  const rows = await storedBatches(run.brokers, { topic: name, partitions: PARTITIONS });
  const dropping = rows.filter(({ records }) => records.some(({ value }) => value === null));
  assertEquals(dropping.map(({ compression }) => compression), Array(PARTITIONS).fill("lz4"));
});
