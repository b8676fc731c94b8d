/**
 * Records that are not valid orders: none stalls a partition, and each is kept as it came.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { randomBytes } from "node:crypto";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import type { SourceRecord } from "../../lib/kafka/records.ts";
import { deadLetters, inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { createTopic } from "../support/admin.ts";
import { describeGroup } from "../support/kafka_tools.ts";
import { type TestRun, testRun } from "../support/run.ts";
import { publishCompressed } from "../support/zstd_batch.ts";

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

Deno.test("records that fit nowhere stop no service, and are reported", async () => {
  await using run = await testRun("too-large");
  const topic = orderEvents(run.prefix).name;
  await run.json("producer.ts", ["--count", "10"]);
  const large = await publishTooLarge(run, topic);

  const moved = await run.start("inventory.ts", ["--until-end", "--json"]).ended;
  const counted = await run.start("analytics.ts", ["--until-end", "--output", run.file]).ended;
  assertEquals([moved.exitCode, counted.exitCode], [0, 0], moved.stderr + counted.stderr);
  const { total_orders: orders, reserved, malformed_events: malformed } = JSON.parse(moved.stdout);
  assertEquals([orders, malformed], [10 + LARGEST_ORDERS, large.length]);
  assert(reserved >= LARGEST_ORDERS * 1_000);
  assertStringIncludes(counted.stdout, `Total Orders: ${10 + LARGEST_ORDERS}\n`);
  assertStringIncludes(counted.stdout, `\nDead Letters: ${large.length}\n`);
  for (const { stderr } of [moved, counted]) {
    for (const { offset } of large) {
      assertMatch(stderr, new RegExp(`dead letter: partition 0 of \\S+, offset ${offset}: \\S`));
    }
  }

  const letters: SourceRecord[] = [];
  await readTopic(run.settings, {
    topic: deadLetters(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord: (record) => letters.push(record),
  }, run.signal);
  assertEquals(letters.length, 2 * large.length);
  for (const { offset, truncated, bytes, check } of large) {
    const ofRecord = letters.filter(({ headers }) => String(headers?.["dlq.offset"]) === offset);
    assertEquals(ofRecord.length, 2, "one of each group");
    for (const { value, headers = {} } of ofRecord) {
      assertEquals(headers["dlq.truncated"]?.toString(), truncated);
      if (truncated !== undefined) {
        const original = Number(headers["dlq.original-bytes"]);
        assert(original >= bytes && original < bytes + 1_000, `${original} is not ${bytes}`);
      }
      check(value!, headers);
    }
  }
});

Deno.test("an order whose movement does not fit into its topic is named, and can be passed over", async () => {
  await using run = await testRun("no-room");
  const topic = orderEvents(run.prefix).name;
  await run.json("producer.ts", ["--count", "300"]);
  await createTopic(run.settings, inventoryEvents(run.prefix).name, {
    partitions: 6,
    topicSettings: { "max.message.bytes": "600" },
  });
  const id = randomBytes(1_000).toString("base64").slice(0, 256);
  const order = {
    ...{ event_type: "OrderPlaced", order_id: id, user_id: "u", total_amount: 1, status: "placed" },
    items: [{ item_id: id.split("").reverse().join(""), quantity: 1, price: 1 }],
    timestamp: "2024-01-15T10:30:00Z",
  };
  const producer = kafkaClient(run.settings).producer({ createPartitioner: chosenPartition });
  await producer.connect();
  const [sent] = await producer.send({
    topic,
    messages: [{ partition: 2, value: JSON.stringify(order) }],
  });
  await producer.disconnect();
  await run.json("producer.ts", ["--count", "300"]);

  const offset = Number(sent!.baseOffset);
  const { exitCode, stderr } = await run.start("inventory.ts", ["--until-end"]).ended;
  assertEquals(exitCode, 1);
  assertStringIncludes(stderr, `the record at offset ${offset} of partition 2 of ${topic}`);
  const past = ["--group", "inventory", "--partition", "2", "--to", String(offset + 1)];
  assertEquals((await run.start("replay.ts", [...past, "--execute"]).ended).exitCode, 0);
  await run.json("inventory.ts", ["--until-end"]);
  const described = await describeGroup(run.brokers, `${run.prefix}inventory`);
  assertEquals(described.map(({ lag }) => lag), Array(6).fill("0"));
});

/** How many of the largest valid orders there are, in one batch. */
const LARGEST_ORDERS = 50;

/** Publishes records that are too large for something; returns what becomes of them. */
async function publishTooLarge(run: TestRun, topic: string) {
  // As an administrator makes it, without our settings.
  await createTopic(run.settings, deadLetters(run.prefix).name);
  const producer = kafkaClient(run.settings).producer({ createPartitioner: chosenPartition });
  await producer.connect();
  const send = async (value: Buffer, headers: Record<string, Buffer> = {}) => {
    const [sent] = await producer.send({ topic, messages: [{ partition: 0, value, headers }] });
    return sent!.baseOffset!;
  };
  const many = (count: number, bytes: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `h${index}`,
        (index % 2 === 0 ? null : Buffer.alloc(bytes, 0xff)) as unknown as Buffer,
      ]),
    );
  const incompressible = randomBytes(1_048_400);
  const invalid = Buffer.from("{}");
  const large = [
    {
      offset: await send(incompressible),
      truncated: "value",
      bytes: incompressible.length,
      check: (value: Buffer) =>
        assertEquals(incompressible.subarray(0, value.length).equals(value), true),
    },
    {
      offset: await send(invalid, many(5_000, 4)),
      truncated: undefined,
      bytes: 0,
      check: (_: Buffer, headers: object) =>
        assertEquals(Object.entries(headers).slice(0, 5_000), Object.entries(many(5_000, 4))),
    },
    {
      offset: await send(invalid, many(20_000, 80)),
      truncated: "headers",
      bytes: 958_000,
      check: (value: Buffer, headers: object) => {
        assertEquals(value, invalid);
        assert(Object.keys(headers).length > 1_000);
      },
    },
  ];
  await producer.disconnect();
  const zeros = Buffer.alloc(1_000_000);
  const bomb = { topic, partition: 0, values: [Array<Buffer>(600).fill(zeros)] };
  large.push({
    offset: await publishCompressed(run.settings, bomb),
    truncated: "value",
    bytes: 600_000_000,
    check: (value) => assert(value.length > 1_000_000),
  });
  const id = "🍣".repeat(256);
  const order = Buffer.from(JSON.stringify({
    ...{ event_type: "OrderPlaced", order_id: id, user_id: id, total_amount: 1, status: "placed" },
    items: Array.from({ length: 1_000 }, () => ({ item_id: id, quantity: 1, price: 0.001 })),
    timestamp: "2024-01-15T10:30:00Z",
  }));
  const values = Array<Buffer[]>(LARGEST_ORDERS).fill([order]);
  await publishCompressed(run.settings, { topic, partition: 0, values });
  return large;
}

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
