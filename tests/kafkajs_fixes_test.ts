/**
 * The fixes of kafkajs on a real broker.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Producer, Transaction } from "kafkajs";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { adminPool } from "../lib/kafka/admin_pool.ts";
import { disconnect, kafkaClient } from "../lib/kafka/connect.ts";
import { chosenPartition } from "../lib/kafka/produce.ts";
import { readTopic } from "../lib/kafka/read_topic.ts";
import { consoleConsumer } from "./support/kafka_tools.ts";
import { type TestRun, testRun } from "./support/run.ts";

/** Creates a topic of one partition and returns its name. */
async function createTopic(
  run: TestRun,
  settings: Record<string, string> = {},
): Promise<string> {
  const topic = `${run.prefix}topic`;
  const admin = adminPool(run.connection);
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await admin.use((client) =>
    client.createTopics({
      waitForLeaders: true,
      topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }],
    })
  );
  await admin.close();
  return topic;
}

/** The values of all committed records, as our reader shows them. */
async function readValues(run: TestRun, topic: string): Promise<string[]> {
  const values: string[] = [];
  await readTopic(run.connection, {
    topic,
    group: `${run.prefix}reader`,
    onRecord: ({ value }) => values.push(String(value)),
  }, run.signal);
  return values;
}

Deno.test("readTopic shows exactly what was committed when transactions interleave", async () => {
  await using run = await testRun("aborted");
  const topic = await createTopic(run);
  const producers = await Promise.all(
    Array.from({ length: 4 }, (_, index) => transactionalProducer(run, index)),
  );
  const random = xoroshiro128plus(20240115);
  const open = new Map<Producer, { transaction: Transaction; values: string[] }>();
  const committed = new Set<string>();
  const written: string[] = [];

  async function end(producer: Producer): Promise<void> {
    const { transaction, values } = open.get(producer)!;
    open.delete(producer);
    if (uniformInt(random, 0, 1) === 0) return await transaction.abort();
    await transaction.commit();
    values.forEach((value) => committed.add(value));
  }

  try {
    for (let step = 0; step < 200; step++) {
      const producer = producers[uniformInt(random, 0, producers.length - 1)]!;
      if (open.has(producer) && uniformInt(random, 0, 3) === 0) await end(producer);
      else {
        const transaction = open.get(producer)?.transaction ?? await producer.transaction();
        const values = open.get(producer)?.values ?? [];
        open.set(producer, { transaction, values });
        const next = Array.from(
          { length: uniformInt(random, 1, 3) },
          (_, index) => `value-${written.length + index}`,
        );
        written.push(...next);
        values.push(...next);
        const messages = next.map((value) => ({ partition: 0, value }));
        await transaction.send({ topic, acks: -1, messages });
      }
    }
    for (const producer of [...open.keys()]) await end(producer);
  } finally {
    await Promise.all(producers.map((producer) => disconnect(producer)));
  }

  const expected = written.filter((value) => committed.has(value));
  assert(expected.length > 50 && written.length - expected.length > 50);
  assertEquals(await readValues(run, topic), expected);
  const judged = await consoleConsumer(run.brokers, { topic, count: expected.length });
  assertEquals(judged.map(({ value }) => value), expected, "Kafka's own reader");
});

async function transactionalProducer(run: TestRun, index: number): Promise<Producer> {
  const producer = kafkaClient(run.connection).producer({
    transactionalId: `${run.prefix}${index}`,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: chosenPartition,
  });
  await producer.connect();
  return producer;
}
