/**
 * What a service does when Kafka has lost a part of what it relies on: the committed offsets, the state
 * topic, or the topic of orders. Nothing may be counted twice or dropped without a word.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import { committedOffsets } from "../../lib/kafka/offsets.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { parseOrder } from "../../lib/order.ts";
import {
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
  type TopicSpec,
} from "../../lib/topics.ts";
import { withAdmin } from "../support/admin.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

const UNTIL_END = ["--until-end"];

function analyticsArgs({ file }: TestRun): string[] {
  return [...UNTIL_END, "--output", file];
}

const produce = (run: TestRun, count: number, seed = 1) =>
  run.json("producer.ts", ["--count", String(count), "--seed", String(seed)]);

/** The units that the orders in the topic reserve and release, and how many movements that takes. */
async function expectedStock(run: TestRun) {
  const units = new Map<string, { reserved_units: number; released_units: number }>();
  let movements = 0;
  await readTopic(run.settings, {
    topic: orderEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord({ value }) {
      const parsed = parseOrder(value!);
      if (parsed.kind !== "order") return;
      for (const { item_id, quantity } of parsed.order.items) {
        const count = units.getOrInsertComputed(
          item_id,
          () => ({ reserved_units: 0, released_units: 0 }),
        );
        count[parsed.order.status === "placed" ? "reserved_units" : "released_units"] += quantity;
        movements++;
      }
    },
  }, run.signal);
  const stock = [...units].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([item_id, count]) => ({ item_id, ...count }));
  return { stock, movements };
}

async function movementCount(run: TestRun): Promise<number> {
  let count = 0;
  await readTopic(run.settings, {
    topic: inventoryEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord: () => void count++,
  }, run.signal);
  return count;
}

async function deleteTopic(run: TestRun, { name }: TopicSpec): Promise<void> {
  await withAdmin(run.settings, async (admin) => {
    await admin.deleteTopics({ topics: [name] });
    await eventually("the topic is gone", async () => !(await admin.listTopics()).includes(name));
  });
}

async function recreateTopic(run: TestRun, spec: TopicSpec): Promise<void> {
  await deleteTopic(run, spec);
  await withAdmin(run.settings, (admin) => createMissingTopics(admin, [spec]));
}

Deno.test("services continue at their progress when the group's offsets are gone", async () => {
  await using run = await testRun("offsets-gone");
  const groups = ["analytics", "inventory"].map((name) => run.prefix + name);
  await produce(run, 2_000);
  await run.json("analytics.ts", analyticsArgs(run));
  await run.json("inventory.ts", UNTIL_END);

  await withAdmin(run.settings, async (admin) => {
    // What Kafka does by itself after offsets.retention.minutes.
    await admin.deleteGroups(groups);
    const topic = orderEvents(run.prefix).name;
    // Half of the counted orders go as well, as retention deletes them.
    const ends = await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({
      topic,
      partitions: ends.map(({ partition, high }) => ({
        partition,
        offset: String(BigInt(high) / 2n),
      })),
    });
  });
  await produce(run, 500, 2);

  const lines: string[] = [];
  const again = run.start("analytics.ts", [...analyticsArgs(run), "--json"], (line) => {
    lines.push(line);
  });
  const { exitCode, stdout } = await again.ended;
  assertEquals(exitCode, 0);
  assertEquals(JSON.parse(stdout).total_orders, 2_500);
  assertMatch(lines.join("\n"), /no committed offset, .* continuing at the stored progress/);
  const { total_orders: orders } = await run.json("inventory.ts", UNTIL_END);
  assertEquals(orders, 500, "the others have their movements already");
  const committed = await withAdmin(
    run.settings,
    (admin) => committedOffsets(admin, groups[0]!, orderEvents(run.prefix).name),
  );
  assertEquals(committed.size, 6, "every partition has an offset again");
});

Deno.test("services count the orders again when their state topic is gone", async () => {
  await using run = await testRun("state-gone");
  await produce(run, 2_000);
  await run.json("analytics.ts", analyticsArgs(run));
  await run.json("inventory.ts", UNTIL_END);
  await deleteTopic(run, orderMetrics(`${run.prefix}analytics`));
  await deleteTopic(run, stockLevels(`${run.prefix}inventory`));
  await produce(run, 500, 2);

  const lines: string[] = [];
  const { stdout } = await run.start(
    "analytics.ts",
    [...analyticsArgs(run), "--json"],
    (line) => lines.push(line),
  ).ended;
  assertEquals(JSON.parse(stdout).total_orders, 2_500);
  assertMatch(lines.join("\n"), /the stored counts are gone or incomplete; .* are counted again/);

  const { total_orders: orders, stock } = await run.json("inventory.ts", UNTIL_END);
  const expected = await expectedStock(run);
  assertEquals(orders, 500, "movements are not written again");
  assertEquals(stock, expected.stock);
  assertEquals(await movementCount(run), expected.movements);
});

Deno.test("analytics stops when its state topic is created again, and then counts all", async () => {
  await using run = await testRun("state-again");
  await produce(run, 2_000);
  const lines: string[] = [];
  const running = run.start(
    "analytics.ts",
    ["--output", run.file, "--report-every", "1000"],
    (line) => lines.push(line),
  );
  await eventually("they are counted", () => lines.some((line) => /2000 orders/.test(line)));
  await recreateTopic(run, orderMetrics(`${run.prefix}analytics`));
  await produce(run, 500, 2);
  const { exitCode, stderr } = await running.ended;
  assertEquals(exitCode, 1);
  assertMatch(stderr, /^error: topic .*-order-metrics was deleted and created again while/m);
  const { total_orders: total } = await run.json("analytics.ts", analyticsArgs(run));
  assertEquals(total, 2_500);
});

Deno.test("services refuse a topic of orders that was created again until the group is moved", async (t) => {
  await using run = await testRun("orders-again");
  await produce(run, 2_000);
  const lines: string[] = [];
  const running = run.start("inventory.ts", [], (line) => lines.push(line));
  await run.json("analytics.ts", analyticsArgs(run));
  await eventually("movements are made", () => lines.some((line) => /2000 orders/.test(line)));

  await t.step("while it runs, it stops", async () => {
    await recreateTopic(run, orderEvents(run.prefix));
    const { exitCode, stderr } = await running.ended;
    assertEquals(exitCode, 1);
    assertMatch(stderr, /^error: topic .*order-events was deleted and created again/m);
  });
  await produce(run, 4_000, 2);
  for (const script of ["analytics.ts", "inventory.ts"] as const) {
    await t.step(`${script} refuses to start, however long the new log is`, async () => {
      const args = script === "analytics.ts" ? analyticsArgs(run) : UNTIL_END;
      const { exitCode, stderr } = await run.start(script, args).ended;
      assertEquals(exitCode, 1);
      assertMatch(stderr, /was deleted and created again after group .* had read partition \d/);
      assertMatch(stderr, /"deno task replay --to earliest --execute"/);
    });
  }
  await t.step("moved to the beginning, it counts the new orders alone", async () => {
    for (const group of ["analytics", "inventory"]) {
      await run.json("replay.ts", ["--group", group, "--to", "earliest", "--execute"]);
    }
    const { total_orders: total } = await run.json("analytics.ts", analyticsArgs(run));
    assertEquals(total, 4_000);
    const { total_orders: orders, stock } = await run.json("inventory.ts", UNTIL_END);
    assertEquals([orders, stock], [4_000, (await expectedStock(run)).stock]);
  });
});

Deno.test("a state topic gets the partitions that the orders have got", async () => {
  await using run = await testRun("more-partitions");
  await produce(run, 1_000);
  await run.json("analytics.ts", analyticsArgs(run));
  await withAdmin(run.settings, (admin) =>
    admin.createPartitions({
      topicPartitions: [{ topic: orderEvents(run.prefix).name, count: 8 }],
    }));
  await produce(run, 1_000, 2);
  const { total_orders: total } = await run.json("analytics.ts", analyticsArgs(run));
  assertEquals(total, 2_000);
});
