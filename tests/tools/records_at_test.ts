/**
 * Reading records of a partition that committed and aborted transactions share.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { transactionalProducer } from "../../lib/kafka/producers.ts";
import { createTopic } from "../support/admin.ts";
import { testRun } from "../support/run.ts";

Deno.test("recordsAt shows what a producer commits after an aborted transaction, and only that", async () => {
  await using run = await testRun("records-at");
  const topic = `${run.prefix}records`;
  await createTopic(run.settings, topic);
  const producer = transactionalProducer(run.settings, {
    group: `${run.prefix}group`,
    topic,
    partition: 0,
  });
  await producer.connect();
  for (const [value, end] of [["1", "abort"], ["2", "commit"], ["3", "abort"]] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, acks: -1, messages: [{ partition: 0, value }] });
    await transaction[end]();
  }
  await producer.disconnect();
  const cluster = clusterReader(run.settings);
  const { records } = await cluster.recordsAt({ topic, partition: 0, offset: 0n }, 1_000_000);
  await cluster.close();
  assertEquals(records.map(({ value }) => value?.toString()), ["2"]);
});
