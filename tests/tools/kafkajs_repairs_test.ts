/**
 * The repairs of kafkajs on a real broker.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { disconnect, kafkaClient } from "../../lib/kafka/client.ts";
import { type KafkaSettings } from "../../lib/kafka/settings.ts";
import { consume } from "../../lib/kafka/consume.ts";
import { chosenPartition, idempotentProducer } from "../../lib/kafka/producers.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { testCluster } from "../support/broker.ts";
import { createTopic } from "../support/admin.ts";
import { consoleConsumer } from "../support/kafka_tools.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

type Producer = ReturnType<typeof idempotentProducer>;
type Transaction = Awaited<ReturnType<Producer["transaction"]>>;

/** The values of all committed records, as our reader shows them. */
async function readValues(run: TestRun, topic: string): Promise<string[]> {
  const values: string[] = [];
  await readTopic(run.settings, {
    topic,
    group: `${run.prefix}reader`,
    onRecord: ({ value }) => values.push(String(value)),
  }, run.signal);
  return values;
}

Deno.test("readTopic shows exactly what was committed when transactions interleave", async () => {
  await using run = await testRun("aborted");
  const topic = `${run.prefix}topic`;
  await createTopic(run.settings, topic);
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
  const byKafka = await consoleConsumer(run.brokers, { topic, count: expected.length });
  assertEquals(byKafka.map(({ value }) => value), expected, "Kafka's own reader");
});

async function transactionalProducer(run: TestRun, index: number): Promise<Producer> {
  const producer = kafkaClient(run.settings).producer({
    transactionalId: `${run.prefix}${index}`,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: chosenPartition,
  });
  await producer.connect();
  return producer;
}

/** The smallest `segment.bytes` that brokers accept. */
const SEGMENT_BYTES = 1_048_576;

Deno.test("a reader gets past a batch that compaction has emptied at the end of a segment", async () => {
  await using cluster = await testCluster(1);
  const settings = {
    brokers: cluster.brokers.split(","),
    clientId: "emptied",
    timeoutMs: 30_000,
    verbose: false,
    note: () => {},
  };
  const topic = "compacted";
  await createTopic(settings, topic, {
    topicSettings: {
      "cleanup.policy": "compact",
      "segment.bytes": String(SEGMENT_BYTES),
      "min.cleanable.dirty.ratio": "0.01",
      "delete.retention.ms": "0",
    },
  });
  await cleanOften(settings);
  const written: string[] = [];
  async function write(producer: Producer, keys: string[], valueBytes: number): Promise<void> {
    const value = "v".repeat(valueBytes);
    const messages = keys.map((key) => ({ partition: 0, key, value }));
    await producer.send({ topic, acks: -1, messages });
    written.push(...keys);
  }
  const producers = [idempotentProducer(settings), idempotentProducer(settings)] as const;
  const [early, late] = producers;
  try {
    await Promise.all(producers.map((producer) => producer.connect()));
    // The first segment, with a last batch whose only key comes again in the second. The cleaner
    // keeps the last batch of a producer, so that its sequence numbers are not forgotten.
    for (const key of ["a", "b", "c"]) await write(early, [key], 300_000);
    await write(early, ["again"], 10);
    // Each of the next does not fit into the segment before; the last one is never cleaned.
    await write(late, ["again", "d"], 300_000);
    await write(late, ["e"], 600_000);
    await eventually(
      "the first two segments are cleaned",
      async () => await cleanedOffset(cluster.dataDir, topic) >= 6,
    );
    await write(late, ["after"], 10);
  } finally {
    await Promise.all(producers.map((producer) => disconnect(producer)));
  }

  assertEquals(written, ["a", "b", "c", "again", "again", "d", "e", "after"]);
  const read: string[] = [];
  await readTopic(settings, {
    topic,
    group: "reader",
    onRecord: ({ key, offset }) => read.push(`${offset} ${key}`),
  }, AbortSignal.timeout(20_000));
  assertEquals(read, ["0 a", "1 b", "2 c", "4 again", "5 d", "6 e", "7 after"]);
});

/** Makes the cleaner look for work ten times a second, not every 15 seconds. */
async function cleanOften(settings: KafkaSettings): Promise<void> {
  const admin = adminPool(settings);
  await admin.use((client) =>
    client.alterConfigs({
      validateOnly: false,
      resources: [{
        type: BROKER_RESOURCE,
        name: "1",
        configEntries: [{ name: "log.cleaner.backoff.ms", value: "100" }],
      }],
    })
  );
  await admin.close();
}

/** kafkajs's `ConfigResourceTypes.BROKER`; only lib/kafka may import its values. */
const BROKER_RESOURCE = 4;

/** The offset up to which the broker has cleaned partition 0 of the topic. */
async function cleanedOffset(dataDir: string, topic: string): Promise<number> {
  const file = `${dataDir}/node-1/data/cleaner-offset-checkpoint`;
  const text = await Deno.readTextFile(file).catch(() => "");
  const line = text.split("\n").find((line) => line.startsWith(`${topic} 0 `));
  return Number(line?.split(" ")[2] ?? 0);
}

Deno.test("a consumer and a producer that are idle set few timers and cause no warnings", async () => {
  await using run = await testRun("idle");
  const topic = `${run.prefix}topic`;
  await createTopic(run.settings, topic);
  const producer = idempotentProducer(run.settings);
  const stop = new AbortController();
  const joined = Promise.withResolvers<void>();
  const warnings: unknown[] = [];
  const onWarning = (warning: unknown) => warnings.push(warning);
  process.on("warning", onWarning);
  let consumed: Promise<void> | undefined;
  try {
    await producer.connect();
    consumed = consume({
      settings: run.settings,
      topic,
      group: `${run.prefix}group`,
      onAssigned: () => joined.resolve(),
      onLost() {},
      async onBatch() {},
    }, stop.signal);
    await Promise.race([joined.promise, consumed]);
    const delaysMs = await timersOf(3_000);
    assert(delaysMs.length < 30, `${delaysMs.length} timers in 3 s`);
    assertEquals(delaysMs.filter((delayMs) => delayMs < 0), []);
    assertEquals(warnings, []);
  } finally {
    stop.abort();
    await consumed;
    await disconnect(producer);
    process.off("warning", onWarning);
  }
});

/** The delays of all timers that are set during a time. */
async function timersOf(limitMs: number): Promise<number[]> {
  const { setTimeout } = globalThis;
  const delaysMs: number[] = [];
  const done = new Promise((resolve) => setTimeout(resolve, limitMs));
  const spy = (...[run, delayMs = 0]: Parameters<typeof setTimeout>) => {
    delaysMs.push(delayMs);
    return setTimeout(run, delayMs);
  };
  globalThis.setTimeout = spy as typeof setTimeout;
  try {
    await done;
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  return delaysMs;
}
