/**
 * What lag.ts says while topics and groups change beneath it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { inParallel } from "../../lib/kafka/kafkajs/groups.ts";
import { openLagReader } from "../../lib/kafka/lag_reader.ts";
import { disconnect, kafkaClient } from "../../lib/kafka/client.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { readerSettings } from "../../lib/kafka/settings.ts";
import { consume } from "../../lib/kafka/consume.ts";
import { type GroupSample, groupStatus } from "../../lib/lag/verdict.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** A member of a group that commits nothing, until the signal is aborted. */
async function idleMember(
  { settings }: Pick<TestRun, "settings">,
  { group, topic }: { group: string; topic: string },
  signal: AbortSignal,
): Promise<{ ended: Promise<void> }> {
  const joined = Promise.withResolvers<void>();
  const ended = consume({
    ...{ settings, group, topic, concurrency: 1 },
    onAssigned: () => joined.resolve(),
    onBatch: () => Promise.resolve(),
    onLost: () => {},
  }, signal);
  await joined.promise;
  return { ended };
}

Deno.test("lag beside a plain producer: rows add up, and no transaction is invented", async () => {
  await using run = await testRun("lag-truth");
  const topic = orderEvents(run.prefix).name;
  await run.json("producer.ts", ["--count", "100"]);
  const cluster = clusterReader(run.settings);
  const group = `${run.prefix}behind`;
  const offsets = new Map([0, 1, 2, 3, 4, 5].map((partition) => [partition, 3n]));
  await eventually(
    "a new broker has a coordinator",
    () => cluster.commit(group, topic, offsets).then(() => true, () => false),
  );
  const reader = openLagReader(run.settings, { topic });
  const samples: GroupSample[] = [];
  let isProducing = true;
  const producing = run.json("producer.ts", ["--count", "100000"])
    .finally(() => isProducing = false);
  while (isProducing) samples.push(...await reader.sample([group]));
  await producing;

  assert(samples.length > 20, `${samples.length} samples`);
  const rows = samples.flatMap((sample) => groupStatus([sample]).partitions);
  assert(new Set(rows.map(({ end }) => end)).size > 20, "the ends move");
  assertEquals(rows.filter(({ note }) => note !== undefined).map(({ note }) => note), []);
  assertEquals(rows.filter(({ end, lag }) => Number(end) - 3 !== lag), []);
  await Promise.all([reader.close(), cluster.close()]);
});

Deno.test("lag: commits without members, hidden readers, seconds behind, what is gone", async (t) => {
  await using run = await testRun("lag-kinds");
  const topic = orderEvents(run.prefix).name;
  const admin = adminPool(run.settings);
  const cluster = clusterReader(run.settings);
  const reader = openLagReader(run.settings, { topic });
  const members = new AbortController();
  const all = [0, 1, 2, 3, 4, 5];
  const name = (group: string) => run.prefix + group;
  const commit = (group: string, offset: bigint) => {
    const offsets = new Map(all.map((partition) => [partition, offset]));
    return eventually(
      "a new broker has a coordinator",
      () => cluster.commit(name(group), topic, offsets).then(() => true, () => false),
    );
  };
  const statusOf = async (...groups: string[]) =>
    (await reader.sample(groups.map(name))).map((sample) => groupStatus([sample]));

  try {
    await run.json("producer.ts", ["--count", "300"]);

    await t.step("a group that commits without members is judged by its movement", async () => {
      await commit("flink", 5n);
      const before = await reader.sample([name("flink")]);
      await commit("flink", 15n);
      const after = await reader.sample([name("flink")]);
      assertEquals(groupStatus([...before, ...after]).verdict, "OK");
      assertEquals(groupStatus([...after, ...after]).verdict, "STOP");
    });

    await t.step("groups are hidden by what they are, never by their name", async () => {
      const uuid = crypto.randomUUID();
      await commit(`mine-${uuid}`, 5n);
      await commit("check", 5n);
      const joined = await Promise.all([
        idleMember(run, { topic, group: name(`fresh-${uuid}`) }, members.signal),
        idleMember(
          { settings: readerSettings({ ...run.settings, clientId: "order-stream-show@pc-1" }) },
          { topic, group: name("show") },
          members.signal,
        ),
      ]);
      const { stdout } = await run.start("lag.ts", ["--json"]).ended;
      const { groups, groups_not_shown } = JSON.parse(stdout);
      assertEquals(
        groups.map(({ group }: { group: string }) => group),
        ["check", "flink", `fresh-${uuid}`, `mine-${uuid}`].map(name),
      );
      assertEquals(groups_not_shown, 1);
      assertStringIncludes((await run.start("lag.ts").ended).stdout, " · 1 not shown");
      members.abort();
      await Promise.all(joined.map(({ ended }) => ended));
    });

    await t.step("the age of the oldest record that is not committed", async () => {
      const producer = kafkaClient(run.settings).producer({ createPartitioner: chosenPartition });
      await producer.connect();
      const { end } = (await cluster.logBounds(topic)).get(0)!;
      const sentMs = Date.now() - 3_600_000;
      const messages = [{ partition: 0, value: "{}", timestamp: String(sentMs) }];
      await producer.send({ topic, acks: -1, messages });
      await disconnect(producer);
      await cluster.commit(name("flink"), topic, new Map([[0, end]]));
      const [behind] = await statusOf("flink");
      const { secondsBehind, lag } = behind!.partitions[0]!;
      assertEquals(lag, 1);
      assert(secondsBehind! >= 3_600 && secondsBehind! < 3_700, `${secondsBehind} s`);
      assertEquals(behind!.secondsBehind, secondsBehind);
      await cluster.commit(name("flink"), topic, new Map([[0, end + 1n]]));
      const [current] = await statusOf("flink");
      assertEquals(current!.partitions[0]!.secondsBehind, 0);
      assert(current!.secondsBehind! < 3_600);
    });

    await t.step("a deleted group is gone", async () => {
      await admin.use((client) => client.deleteGroups([name("check")]));
      const [gone, there] = await statusOf("check", "flink");
      assertEquals([gone!.state, gone!.members, there!.state], ["Gone", 0, "Empty"]);
    });

    await t.step("--topic shows the groups of another topic, and who is connected", async () => {
      const movements = inventoryEvents(run.prefix);
      await admin.use((client) => createMissingTopics(client, [movements]));
      await cluster.commit(name("downstream"), movements.name, new Map([[0, 0n]]));
      const { stdout } = await run.start("lag.ts", ["--topic", "inventory-events", "--json"]).ended;
      const report = JSON.parse(stdout);
      assertEquals([report.topic, report.groups[0].group], [movements.name, name("downstream")]);
      assertEquals(report.groups.length, 1);

      const inventory = run.start("inventory.ts");
      await eventually("inventory is a member", async () => {
        const [status] = await statusOf("inventory");
        return status!.partitions[0]!.owner !== undefined;
      });
      const [status] = await statusOf("inventory");
      const { clientId } = status!.partitions[0]!.owner!;
      assertEquals(clientId, `order-stream-inventory@${Deno.hostname()}-${inventory.pid}`);
      inventory.kill("SIGTERM");
      await inventory.ended;
    });

    await t.step(
      "more groups than fit into a request, and a message that names a few",
      async () => {
        const many = Array.from({ length: 250 }, (_, index) => `many-${index}`);
        await inParallel(many.entries(), 8, ([index, group]) => commit(group, BigInt(index % 7)));
        const statuses = await statusOf(...many);
        assertEquals(
          statuses.map(({ partitions }) => partitions.map(({ committed }) => committed)),
          many.map((_, index) => Array(6).fill(BigInt(index % 7))),
        );
        const { exitCode, stderr } = await run.start("lag.ts", ["--group", "many-x"]).ended;
        assertEquals(exitCode, 2);
        assertMatch(stderr, /(, \S+-many-\d+){4} and 24\d more$/m);
      },
    );

    await t.step("a topic that was created again begins anew", async () => {
      const before = await reader.sample([name("flink")]);
      await admin.use((client) => client.deleteTopics({ topics: [topic] }));
      await eventually(
        "the topic is created again",
        () =>
          admin.use((client) => createMissingTopics(client, [orderEvents(run.prefix)]))
            .then(() => true, () => false),
      );
      await run.json("producer.ts", ["--count", "6000"]);
      const after = await reader.sample([name("flink")]);
      assert(before[0]!.topicId !== after[0]!.topicId);
      const { history, partitions } = groupStatus([...before, ...after]);
      assertEquals(history.length, 1);
      assert(partitions.every(({ end, readableEnd }) => end === readableEnd));
    });
  } finally {
    members.abort();
    await Promise.all([admin.close(), cluster.close(), reader.close()]);
  }
});
