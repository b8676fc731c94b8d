/**
 * Partitions without a leader: those of others do not matter, and our own are named.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { partitionOf } from "../../lib/kafka/partitioner.ts";
import { orderEvents, orderMetrics } from "../../lib/topics.ts";
import { placeTopic } from "../support/admin.ts";
import { testCluster } from "../support/broker.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";

/** The node that is stopped. */
const DOWN = 3;

Deno.test("programs on a cluster of three with a stopped broker", async (t) => {
  await using cluster = await testCluster(3);
  await using run = await testRun("leaderless", cluster);
  await using own = await testRun("own", cluster);
  const admin = adminPool(run.settings);
  const place = (topic: string, replicas: number[][], topicSettings = {}) =>
    placeTopic(run.settings, topic, replicas, topicSettings);
  await place("somebody-elses", [[DOWN]]);
  const ownTopic = orderEvents(own.prefix).name;
  await place(ownTopic, [[1], [2], [DOWN]]);
  await own.json("producer.ts", ["--count", "3000"]);
  await own.json("analytics.ts", ["--until-end", "--output", own.file]);
  await cluster.stop(DOWN);
  await eventually("the partition has no leader", () =>
    admin.use(async (client) => {
      const { topics } = await client.fetchTopicMetadata({ topics: [ownTopic] });
      return topics[0]!.partitions.some(({ leader }) => leader < 0);
    }));

  await t.step("all programs work beside a partition of others that has no leader", async () => {
    await run.json("producer.ts", ["--count", "1000"]);
    await run.json("inventory.ts", ["--until-end"]);
    const report = await run.json("analytics.ts", ["--until-end", "--output", run.file]);
    assertEquals(report.total_orders, 1_000);
    const { groups } = await run.json("lag.ts", ["--interval", "100ms"]) as {
      groups: { lag: number }[];
    };
    assertEquals(groups.map(({ lag }) => lag), [0, 0]);
    await run.json("replay.ts", ["--group", "analytics", "--verify"]);
    await readLedger(run, { inventory: true });
  });

  await t.step(
    "new topics get the replicas of the cluster, not of the brokers that run",
    async () => {
      const topic = orderMetrics(`${run.prefix}analytics`).name;
      const { topics } = await admin.use((client) =>
        client.fetchTopicMetadata({ topics: [topic] })
      );
      assertEquals(topics[0]!.partitions.map(({ replicas }) => replicas.length), Array(6).fill(3));
    },
  );

  await t.step("lag shows the other partitions and marks the one without a leader", async () => {
    const { groups: [group] } = await own.json("lag.ts", ["--interval", "100ms"]) as {
      groups: { verdict: string; partitions: Record<string, unknown>[] }[];
    };
    const rows = group!.partitions.map(({ verdict, lag, end }) => [verdict, lag, end !== null]);
    assertEquals(rows, [["OK", 0, true], ["OK", 0, true], ["OFFLINE", null, false]]);
    assertEquals(group!.verdict, "OFFLINE");
  });

  await t.step("the programs that need the partition without a leader name it", async () => {
    const producing = own.start("producer.ts", [
      ...["--count", "3000", "--seed", "10", "--timeout", "10s", "--json"],
    ]);
    const moving = own.start("replay.ts", [
      ...["--group", "analytics", "--to", "earliest", "--timeout", "10s"],
    ]);
    const counting = own.start("inventory.ts", ["--until-end", "--timeout", "10s"]);
    for (const { ended } of [producing, moving, counting]) {
      const { exitCode, stderr } = await ended;
      assertEquals(exitCode, 1);
      assertStringIncludes(stderr, `partition 2 of ${ownTopic} has no leader`);
    }
    const { stderr, stdout } = await producing.ended;
    assertMatch(
      stderr,
      /\d+ of 3000 orders are not acknowledged; the first is order_a_\d+ \(number \d+\)/,
    );
    const { total_orders: total, ...summary } = JSON.parse(stdout);
    assertEquals(summary.undelivered_orders, 3_000 - total);
    // The orders of the first partitions are stored: the first that is not is one of partition 2.
    assertEquals(partitionOf(summary.first_undelivered_order, 3), 2);
    assertStringIncludes(stderr, `one replica in a cluster of 2 brokers: ${ownTopic}`);
  });

  await t.step("producer names the partition that has too few in-sync replicas", async () => {
    await using few = await testRun("isr", cluster);
    const topic = orderEvents(few.prefix).name;
    await place(topic, [[1, DOWN]], { "min.insync.replicas": "2" });
    const producer = few.start("producer.ts", ["--count", "10", "--timeout", "10s"]);
    const { exitCode, stderr } = await producer.ended;
    assertEquals(exitCode, 1);
    assertStringIncludes(stderr, "10 of 10 orders are not acknowledged");
    assertStringIncludes(
      stderr,
      `partition 0 of ${topic} has fewer in-sync replicas than its min.insync.replicas`,
    );
  });

  await admin.close();
});
