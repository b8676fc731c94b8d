/**
 * What was fetched before a transaction failed, or before the group was reset, is not worked on as if
 * nothing had happened.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { parseInventoryEvent } from "../../lib/inventory_event.ts";
import { parseOrder } from "../../lib/order.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { committedOffsets, groupMembers } from "../../lib/kafka/offsets.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

Deno.test("a transaction that fails while inventory waits for its throttle is done again", async () => {
  await using run = await testRun("throttle");
  await run.json("producer.ts", ["--count", "36"]);
  let pauses = 0;
  // Each order has its own transaction, and there is time to open the partition again meanwhile.
  const slow = run.start("inventory.ts", ["--throttle", "5000", "--verbose"], (line) => {
    if (line.includes("Pausing fetching")) pauses++;
  });
  await eventually("the group has its partitions", () => pauses > 0);
  const output = inventoryEvents(run.prefix);
  const admin = adminPool(run.settings);
  await admin.use((client) => client.deleteTopics({ topics: [output.name] }));
  const before = pauses;
  await eventually("a transaction has failed", () => pauses > before);
  await admin.use((client) => createMissingTopics(client, [output]));
  await admin.close();
  // By then whatever was waiting has gone on, or has been given up.
  await eventually("a partition has committed its third order", async () => {
    const { committed } = await groupState(run);
    return [...committed.values()].some((offset) => offset >= 3n);
  });
  slow.kill("SIGKILL");
  await slow.ended;
  await run.json("inventory.ts", ["--until-end"]);
  assertEquals((await readLedger(run, { inventory: true })).orders, 36);
});

Deno.test("an instance that is suspended while its group is reset does not undo it", async () => {
  await using run = await testRun("suspended");
  await run.json("producer.ts", ["--count", "6000"]);
  let working = false;
  const sleeper = run.start("inventory.ts", ["--throttle", "2"], (line) => {
    working ||= /^\d+ orders/.test(line);
  });
  await eventually("inventory works", () => working);
  sleeper.kill("SIGSTOP");
  await eventually("the group is empty", async () => (await groupState(run)).members === 0);
  const { committed } = await groupState(run);
  await run.start("replay.ts", ["--group", "inventory", "--to", "earliest", "--execute"]).ended
    .then(({ exitCode }) => assertEquals(exitCode, 0));
  sleeper.kill("SIGCONT");
  await eventually("it works again", async () => (await groupState(run)).members === 1);
  sleeper.kill("SIGTERM");
  assertEquals((await sleeper.ended).exitCode, 143);
  await run.json("inventory.ts", ["--until-end"]);

  const found = new Map<string, number>();
  await readTopic(run.settings, {
    topic: inventoryEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord({ value }) {
      const parsed = parseInventoryEvent(value!);
      if (parsed.kind !== "event") return;
      const { order_id } = parsed.event;
      found.set(order_id, (found.get(order_id) ?? 0) + 1);
    },
  }, run.signal);
  const wrong: string[] = [];
  await readTopic(run.settings, {
    topic: orderEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord({ value, offset }, partition) {
      const parsed = parseOrder(value!);
      if (parsed.kind !== "order") return;
      const { order_id, items } = parsed.order;
      // Once before the reset, unless it came later, and once after.
      const times = BigInt(offset) < committed.get(partition)! ? 2 : 1;
      const count = found.get(order_id) ?? 0;
      if (count !== times * items.length) {
        wrong.push(`${partition}/${offset}: ${count} events for ${times} × ${items.length} items`);
      }
    },
  }, run.signal);
  assertEquals(wrong.slice(0, 5), [], `${wrong.length} orders are not handled as they should`);
});

async function groupState(
  { settings, prefix }: TestRun,
): Promise<{ members: number; committed: Map<number, bigint> }> {
  const group = `${prefix}inventory`;
  const admin = adminPool(settings);
  try {
    return await admin.use(async (client) => ({
      members: (await groupMembers(client, group)).length,
      committed: await committedOffsets(client, group, orderEvents(prefix).name),
    }));
  } finally {
    await admin.close();
  }
}
