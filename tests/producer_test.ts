/**
 * Scenario 1: produce 10,000 orders, and find exactly them in the topic.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readTopic } from "../lib/kafka/read_topic.ts";
import { type OrderPlaced, parseOrder } from "../lib/order.ts";
import { orderEvents } from "../lib/topics.ts";
import { testRun } from "./support/run.ts";

const COUNT = 10_000;

Deno.test("producer.ts stores exactly 10,000 valid orders, about 5 % of them failed", async () => {
  await using run = await testRun("producer");
  const lines: string[] = [];
  const producer = run.start("producer.ts", ["--count", String(COUNT)], (line) => {
    lines.push(line);
    console.log(line);
  });
  const { exitCode, stdout } = await producer.ended;
  console.log(stdout);
  assertEquals(exitCode, 0);

  const orders: OrderPlaced[] = [];
  const problems: unknown[] = [];
  await readTopic(run.settings, {
    topic: orderEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord({ key, value, offset }, partition) {
      const parsed = value === null ? undefined : parseOrder(value);
      if (parsed?.kind !== "order") problems.push({ partition, offset, parsed });
      else if (key?.toString() !== parsed.order.order_id) problems.push({ partition, offset, key });
      else orders.push(parsed.order);
    },
  }, run.signal);

  assertEquals(problems, [], "every record is a valid order under its own id");
  assertEquals(orders.length, COUNT);
  assertEquals(new Set(orders.map(({ order_id }) => order_id)).size, COUNT, "distinct order ids");

  const progress = lines.filter((line) => /^\d+ orders acknowledged, \d+\/s$/.test(line));
  assertEquals(
    progress.map((line) => parseInt(line)),
    Array.from({ length: 10 }, (_, index) => (index + 1) * 1_000),
    "a line of progress for each 1,000 orders",
  );
  assertMatch(stdout, /^Total time: +\d+\.\d\d s$/m);
  assertMatch(stdout, /^Average rate: +\d+ orders\/s, [\d.]+ MB\/s$/m);
  assertMatch(
    stdout,
    /^Ack latency: +p50 [\d.]+ ms, p95 [\d.]+ ms, p99 [\d.]+ ms, max [\d.]+ ms$/m,
  );
  const failed = orders.filter(({ status }) => status === "failed").length;
  assertMatch(stdout, new RegExp(`^Orders acknowledged: ${COUNT}$`, "m"));
  assertMatch(stdout, new RegExp(`^Failed orders: +${failed} \\(`, "m"), "what the records say");
  assert(failed >= COUNT * 0.04 && failed <= COUNT * 0.06, `${failed} failed orders are not 4–6 %`);
});
