/**
 * Analytics stopped, started again, and moved by whichever tool: the report follows the offsets.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";
import type { Script } from "../../lib/cli/launch.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { committedOffsets } from "../../lib/kafka/offsets.ts";
import { orderEvents, orderMetrics } from "../../lib/topics.ts";
import { testCluster } from "../support/broker.ts";
import { caughtUp, describeGroup, kafkaConsumerGroups } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { testRun } from "../support/run.ts";

const COUNT = 20_000;

Deno.test("a restart reads nothing again, and a reset by any tool is a correct replay", async (t) => {
  await using run = await testRun("reset");
  const topic = orderEvents(run.prefix).name;
  const group = `${run.prefix}analytics`;
  const args = ["--count", String(COUNT / 2), "--span", "30m"];
  await run.json("producer.ts", [...args, "--start", "2024-02-28T23:30:00Z"]);
  const middle = new Date().toISOString();
  await run.json("producer.ts", [...args, "--start", "2024-02-29T00:00:00Z"]);

  /** Runs analytics to the end; how many orders it read, and its report. */
  async function analytics(...args: string[]) {
    const { exitCode, stdout, stderr } = await run.start("analytics.ts", [
      ...["--until-end", "--json", "--output", run.file],
      ...args,
    ]).ended;
    assertEquals(exitCode, 0, stderr);
    assertMatch(stderr, /"\d+ orders counted by this instance in/);
    assertEquals(
      (await describeGroup(run.brokers, group)).map(({ lag }) => lag),
      Array(6).fill("0"),
      "lag, as Kafka's own tool reports it",
    );
    const read = Number(/"(\d+) orders counted by this instance/.exec(stderr)![1]);
    return { read, report: JSON.parse(stdout), stderr };
  }

  function reset(...how: string[]) {
    return kafkaConsumerGroups(run.brokers, [
      ...["--group", group, "--reset-offsets", ...how, "--execute"],
    ]);
  }

  const first = await analytics();
  assertEquals(first.read, COUNT);
  const ledger = await readLedger(run, { inventory: false });
  assertEquals(first.report, ledger.report);

  await t.step("nothing new: the report is there, and no order is read again", async () => {
    const { read, report } = await analytics();
    assertEquals({ read, report }, { read: 0, report: first.report });
  });

  await t.step("--replay", async () => {
    const { read, report, stderr } = await analytics("--replay");
    assertStringIncludes(stderr, "starts again from the beginning");
    assertEquals({ read, report }, { read: COUNT, report: first.report });
  });

  await t.step("kafka-consumer-groups --reset-offsets --to-earliest", async () => {
    await reset("--to-earliest", "--topic", topic);
    const { read, report } = await analytics();
    assertEquals({ read, report }, { read: COUNT, report: first.report });
  });

  await t.step("a reset to the middle gives the second half only", async () => {
    // Its records have the time of sending.
    await reset("--to-datetime", middle, "--topic", topic);
    const { read, report } = await analytics();
    const minutes = Object.entries(ledger.report.orders_by_minute);
    assertEquals(read, COUNT / 2);
    assertEquals(
      Object.entries(report.orders_by_minute),
      minutes.filter(([minute]) => minute >= "2024-02-29"),
    );
  });
});

Deno.test("both ways to count again work while the broker restarts", async () => {
  await using cluster = await testCluster(1);
  await using run = await testRun("restart", cluster);
  const count = ["--until-end", "--json", "--output", run.file];
  await run.json("producer.ts", ["--count", "600"]);
  const report = await run.json("analytics.ts", count);

  /** Starts a program that finds the broker down, and coming up; returns what it prints. */
  async function whileRestarting(script: Script, args: string[]) {
    await cluster.kill(1);
    const program = run.start(script, args);
    await cluster.start(1);
    const { exitCode, stdout, stderr } = await program.ended;
    assertEquals(exitCode, 0, stderr);
    return JSON.parse(stdout);
  }

  assertEquals(await whileRestarting("analytics.ts", ["--replay", ...count]), report);
  const { read_again: again } = await whileRestarting("replay.ts", [
    ...["--group", "analytics", "--to", "earliest", "--execute", "--json"],
  ]);
  assertEquals(again, 600);
  assertEquals(await run.json("analytics.ts", count), report);
});

Deno.test("orders that retention deletes unread are passed over, and the counts stay", async () => {
  await using run = await testRun("retention");
  const topic = orderEvents(run.prefix).name;
  await run.json("producer.ts", ["--count", "600"]);
  const lines: string[] = [];
  const analytics = run.start(
    "analytics.ts",
    ["--json", "--output", run.file],
    (line) => lines.push(line),
  );
  await caughtUp(run, "analytics");
  // It is suspended while orders come and go.
  analytics.kill("SIGSTOP");
  await run.json("producer.ts", ["--count", "300"]);
  const admin = adminPool(run.settings);
  await admin.use(async (client) => {
    const partitions = (await client.fetchTopicOffsets(topic))
      .map(({ partition, high }) => ({ partition, offset: high }));
    await client.deleteTopicRecords({ topic, partitions });
  });
  await admin.close();
  analytics.kill("SIGCONT");
  await run.json("producer.ts", ["--count", "200"]);
  await caughtUp(run, "analytics");
  analytics.kill("SIGTERM");
  const { stdout } = await analytics.ended;
  const { total_orders: counted } = JSON.parse(stdout);
  // What was on its way when it was suspended is counted as well; all else is reported.
  const lost = lines.map((line) => /offsets (\d+) to (\d+) were deleted by the/.exec(line))
    .reduce((sum, lost) => sum + (lost === null ? 0 : Number(lost[2]) - Number(lost[1]) + 1), 0);
  assert(counted >= 800 && lost > 0, `counted ${counted}, lost ${lost}`);
  assertEquals(counted + lost, 1_100, "each order is counted, or its loss is reported");
});

Deno.test("a group that has committed more than there is is not moved without being asked", async () => {
  await using run = await testRun("beyond");
  await run.json("producer.ts", ["--count", "100"]);
  const group = `${run.prefix}analytics`;
  const topic = orderEvents(run.prefix).name;
  const cluster = clusterReader(run.settings);
  const beyond = new Map(Array.from({ length: 6 }, (_, partition) => [partition, 1_000n]));
  await cluster.commit(group, topic, beyond);
  const { exitCode, stderr } = await run.start("analytics.ts", [
    ...["--until-end", "--timeout", "10s", "--output", run.file],
  ]).ended;
  assertEquals(exitCode, 1);
  assertMatch(stderr, /^error: partition \d of .* but group .* has committed 1000: the topic was/m);
  const admin = adminPool(run.settings);
  assertEquals(await admin.use((client) => committedOffsets(client, group, topic)), beyond);
  await admin.close();
  await cluster.close();
});

Deno.test("analytics refuses to go on with metrics that are not its own", async () => {
  await using run = await testRun("foreign");
  await run.json("producer.ts", ["--count", "100"]);
  await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  const producer = kafkaClient(run.settings).producer({ createPartitioner: chosenPartition });
  await producer.connect();
  await producer.send({
    topic: orderMetrics(`${run.prefix}analytics`).name,
    messages: [{ partition: 0, key: "0/progress", value: '{"next_offset":7}' }],
  });
  await producer.disconnect();
  const { exitCode, stderr } = await run.start("analytics.ts", [
    ...["--until-end", "--output", run.file],
  ]).ended;
  assertEquals(exitCode, 1);
  assertMatch(stderr, /^error: the state row "0\/progress" holds ".*", which is not what/m);
});
