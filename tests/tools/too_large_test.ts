/**
 * Orders at the limit of what a topic accepts: those that fit are stored, the others are rejected by number.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openPublisher } from "../../lib/kafka/publisher.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { encodeOrder } from "../../lib/order.ts";
import { orderGenerator } from "../../lib/order_generator.ts";
import { orderEvents } from "../../lib/topics.ts";
import { createTopic } from "../support/admin.ts";
import { type TestRun, testRun } from "../support/run.ts";

const nextOrder = orderGenerator({ seed: 5, failureRate: 0, eventTimeMs: () => 0 });

interface Order {
  key: string;
  value: string;
}

function smallOrder(): Order {
  const order = nextOrder();
  return { key: order.order_id, value: encodeOrder(order) };
}

/** An order that takes this many bytes in a batch of its own, with letters of two bytes in it. */
function orderOf(batchBytes: number): Order {
  const { key, value } = smallOrder();
  // https://kafka.apache.org/documentation/#recordbatch: 61 bytes, then the record after its length.
  // The lengths of record and value take two bytes up to 8,191, and three up to 1,048,575.
  const lengths = batchBytes < 8_000 ? 2 : 3;
  const valueBytes = batchBytes - 61 - 4 - 1 - key.length - 2 * lengths;
  const rest = valueBytes - value.length - ',"note":""'.length;
  const note = "ü" + "x".repeat(rest - 2);
  return { key, value: `${value.slice(0, -1)},"note":"${note}"}` };
}

async function createOrderTopic(run: TestRun, maxBytes: number): Promise<string> {
  const topic = orderEvents(run.prefix).name;
  await createTopic(run.settings, topic, {
    topicSettings: { "max.message.bytes": String(maxBytes) },
  });
  return topic;
}

async function stored(run: TestRun): Promise<string[]> {
  const values: string[] = [];
  await readTopic(run.settings, {
    topic: orderEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord: ({ value }) => values.push(value!.toString()),
  }, run.signal);
  return values;
}

for (const limit of [2_000, 1_048_588]) {
  Deno.test(`producer.ts rejects the lines that a topic with max.message.bytes=${limit} does not accept`, async () => {
    await using run = await testRun("large");
    await createOrderTopic(run, limit);
    const large = [limit - 1, limit, limit + 1, 2 * limit].map(orderOf);
    const small = () => Array.from({ length: 500 }, smallOrder);
    const orders = [...small(), ...large, ...small()];
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, orders.map(({ value }) => `${value}\n`).join(""));
    const { exitCode, stdout, stderr } = await run.start("producer.ts", ["--from", file, "--json"])
      .ended;
    await Deno.remove(file);
    const { total_orders: acknowledged, rejected_lines } = JSON.parse(stdout);
    assertEquals([exitCode, acknowledged, rejected_lines], [1, 1_002, 2], stderr);
    assertStringIncludes(stderr, `line 503: too large: ${limit + 1} bytes`);
    assertMatch(stderr, new RegExp(`line 504: too large: .* at most ${limit}\\b`));
    const expected = orders.filter((_, index) => index !== 502 && index !== 503);
    assertEquals(await stored(run), expected.map(({ value }) => value));
  });
}

Deno.test("producer.ts names generated orders that are too large", async () => {
  await using run = await testRun("large");
  await createOrderTopic(run, 350);
  const { exitCode, stdout, stderr } = await run.start("producer.ts", [
    ...["--count", "500", "--seed", "1", "--json"],
  ]).ended;
  const { total_orders: orders, rejected_lines } = JSON.parse(stdout);
  assertEquals([exitCode, orders + rejected_lines], [1, 500], stderr);
  assertEquals((await stored(run)).length, orders);
  assertMatch(stderr, /order \d+ \(\S+\): too large: \d+ bytes .* at most 350\b/);
});

Deno.test("Publisher that does not know the limit learns it from the broker, rejects single records, and says where the others are", async () => {
  await using run = await testRun("large");
  const limit = 2_000;
  const topic = await createOrderTopic(run, limit);
  const rejected: { about: number; bytes: number }[] = [];
  const offsets = new Map<number, number>();
  const publisher = await openPublisher<number>(run.settings, {
    topic,
    partitions: 1,
    maxBatchBytes: Infinity,
    onTooLarge: (about, { bytes }) => rejected.push({ about, bytes }),
    onAcknowledged({ about, firstOffset }) {
      about.forEach((number, index) => offsets.set(number, Number(firstOffset) + index));
    },
  }, run.signal);
  const large = [limit - 1, limit, limit + 1, 20 * limit].map(orderOf);
  const orders = [...large, ...Array.from({ length: 1_000 }, smallOrder), ...large];
  for (const [index, { key, value }] of orders.entries()) {
    await publisher.publish(key, (to) => to.raw(new TextEncoder().encode(value)), index);
  }
  await publisher.flush();
  await publisher.close();
  assertEquals(rejected.map(({ about }) => about), [2, 3, 1_006, 1_007]);
  assertEquals(rejected[0]?.bytes, limit + 1);
  const values = await stored(run);
  assertEquals([offsets.size, values.length], [1_004, 1_004]);
  for (const [index, offset] of offsets) assertEquals(values[offset], orders[index]!.value);
});
