/**
 * Records that are not valid orders: none stalls a partition, and each is kept as it came.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import type { SourceRecord } from "../../lib/kafka/records.ts";
import { deadLetters, orderEvents } from "../../lib/topics.ts";
import { describeGroup } from "../support/kafka_tools.ts";
import { type TestRun, testRun } from "../support/run.ts";

const PARTITIONS = 6;
const ORDERS = 600;
/** The number of gzip in Kafka's record batches. */
const GZIP = 1;

Deno.test("poison in every partition becomes dead letters, once per group and as it came", async () => {
  await using run = await testRun("poison");
  const topic = orderEvents(run.prefix).name;
  await run.json("producer.ts", ["--count", String(ORDERS / 2)]);
  const poison = await publishPoison(run, topic);
  await run.json("producer.ts", ["--count", String(ORDERS / 2)]);

  const counted = await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  const moved = await run.json("inventory.ts", ["--until-end"]);
  assertEquals(
    [counted.total_orders, counted.malformed_events, counted.skipped_events],
    [ORDERS, poison.length, 2 * PARTITIONS],
  );
  assertEquals([moved.total_orders, moved.malformed_events, moved.skipped_events], [
    ORDERS,
    poison.length,
    2 * PARTITIONS,
  ]);
  for (const group of ["analytics", "inventory"]) {
    const partitions = await describeGroup(run.brokers, run.prefix + group);
    assertEquals(partitions.map(({ lag }) => lag), Array(6).fill("0"), `lag of ${group}`);
  }

  const letters: SourceRecord[] = [];
  await readTopic(run.settings, {
    topic: deadLetters(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord: (record) => letters.push(record),
  }, run.signal);
  const header = (record: SourceRecord, name: string) => String(record.headers?.[name]);
  for (const group of ["analytics", "inventory"]) {
    const ofGroup = letters.filter((letter) => header(letter, "dlq.group") === run.prefix + group);
    const seen = ofGroup.map((letter) =>
      shown(letter, [
        header(letter, "dlq.topic"),
        header(letter, "dlq.partition"),
        header(letter, "dlq.offset"),
        header(letter, "trace"),
      ])
    );
    assertEquals(seen.sort(), [...poison].sort(), `dead letters of ${group}`);
    const reasons = new Set(ofGroup.map((letter) => header(letter, "dlq.reason")));
    assertEquals(reasons.has("undefined"), false);
  }
  assertEquals(letters.length, 2 * poison.length);
});

/** Publishes records that are not orders to every partition; returns what the dead letters must show. */
async function publishPoison(run: TestRun, topic: string): Promise<string[]> {
  const values: Buffer[] = [
    Buffer.from("not JSON"),
    Buffer.from([0xff, 0x00, 0xfe]),
    Buffer.from('{"event_type":"OrderPlaced"}'),
    Buffer.from(`{"event_type":"OrderPlaced","order_id":"${"x".repeat(900_000)}"}`),
    Buffer.from(""),
  ];
  const producer = kafkaClient(run.settings).producer({ createPartitioner: chosenPartition });
  await producer.connect();
  const expected: string[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const [index, value] of values.entries()) {
      const key = index === 1 ? null : Buffer.from(`key-${partition}-${index}`);
      const [sent] = await producer.send({
        topic,
        messages: [{ partition, key, value, headers: { trace: `t${index}` } }],
      });
      const offset = sent!.baseOffset!;
      expected.push(shown({ key, value }, [topic, String(partition), offset, `t${index}`]));
    }
    // Neither of these is wrong: a tombstone, and an event of another kind.
    await producer.send({
      topic,
      messages: [
        { partition, key: "gone", value: null },
        { partition, key: "other", value: '{"event_type":"OrderRated","stars":5}' },
      ],
    });
  }
  // Small as it came, and more than a batch may hold as it is.
  const large = Buffer.from(`{"event_type":"OrderPlaced","order_id":"${"x".repeat(3_000_000)}"}`);
  const [sent] = await producer.send({
    topic,
    compression: GZIP,
    messages: [{ partition: 0, key: null, value: large, headers: { trace: "large" } }],
  });
  expected.push(shown({ key: null, value: large }, [topic, "0", sent!.baseOffset!, "large"]));
  await producer.disconnect();
  return expected;
}

function shown(
  { key, value }: { key: Buffer | null; value: Buffer | null },
  facts: string[],
): string {
  const bytes = value === null ? "null" : `${value.length} ${value.toString("hex").slice(0, 80)}`;
  return [...facts, key === null ? "null" : key.toString("hex"), bytes].join(" ");
}
