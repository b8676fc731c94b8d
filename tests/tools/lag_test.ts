/**
 * Compares lag.ts with Kafka's own `kafka-consumer-groups --describe` in the situations where lag tools
 * are known to differ: either the numbers are equal, or the test states why ours are right.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { consume } from "../../lib/kafka/consume.ts";
import { logRanges } from "../../lib/kafka/offsets.ts";
import { orderEvents } from "../../lib/topics.ts";
import { kafkaConsumerGroups } from "../support/kafka_tools.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** A partition in the JSON of lag.ts. */
interface Row {
  partition: number;
  log_start: number;
  committed: number | null;
  end: number;
  readable_end: number;
  lag: number | null;
  member: string | null;
  host: string | null;
  verdict: string;
  note: string | null;
}

interface Group {
  group: string;
  state: string;
  members: number;
  verdict: string;
  lag: number | null;
  behind: number;
  partitions: Row[];
}

/** Runs lag.ts and returns its one sample. */
async function lag(run: TestRun, args: string[] = []) {
  const { exitCode, stdout, stderr } = await run.start("lag.ts", ["--json", ...args]).ended;
  assert(exitCode === 0 || exitCode === 3, stderr);
  const groups: Group[] = JSON.parse(stdout).groups;
  return {
    exitCode,
    groups,
    of: (name: string) => groups.find(({ group }) => group === run.prefix + name)!,
  };
}

/** The output of Kafka's own tool: `<committed>/<end>/<lag>` of each partition, by group. */
async function described(run: TestRun, names: string[]): Promise<Map<string, string[]>> {
  const text = await kafkaConsumerGroups(run.brokers, [
    "--describe",
    ...names.flatMap((name) => ["--group", run.prefix + name]),
  ]);
  const topic = orderEvents(run.prefix).name;
  return new Map(names.map((name) => [
    name,
    text.split("\n").map((line) => line.trim().split(/\s+/))
      .filter(([group, of]) => group === run.prefix + name && of === topic)
      .sort(([, , a], [, , b]) => Number(a) - Number(b))
      .map(([, , , committed, end, lag]) => `${committed}/${end}/${lag}`),
  ]));
}

/** The same from lag.ts. */
function ours({ partitions }: Group): string[] {
  return partitions.map(({ committed, end, lag }) => `${committed ?? "-"}/${end}/${lag ?? "-"}`);
}

/** A member of a group that reads but never commits, until the signal is aborted. */
async function idleMember(run: TestRun, group: string, signal: AbortSignal) {
  const joined = Promise.withResolvers<void>();
  const ended = consume({
    settings: run.settings,
    group: run.prefix + group,
    topic: orderEvents(run.prefix).name,
    onAssigned: () => joined.resolve(),
    onBatch: () => Promise.resolve(),
    onLost: () => {},
  }, signal);
  await joined.promise;
  return { ended };
}

Deno.test("lag.ts agrees with kafka-consumer-groups, except where that tool is wrong", async (t) => {
  await using run = await testRun("lag-tool");
  const topic = orderEvents(run.prefix).name;
  const admin = adminPool(run.settings);
  const cluster = clusterReader(run.settings);
  const members = new AbortController();
  const commit = (group: string, offsets: [number, bigint][]) =>
    cluster.commit(run.prefix + group, topic, new Map(offsets));
  const produce = async (count: number) =>
    assertEquals((await run.start("producer.ts", ["--count", String(count)]).ended).exitCode, 0);
  const ends = async () =>
    [...await admin.use((client) => logRanges(client, topic))].sort(([a], [b]) => a - b)
      .map(([, { end }]) => Number(end));
  const all = [0, 1, 2, 3, 4, 5];

  try {
    await t.step("a missing topic is named in the message", async () => {
      const { exitCode, stderr } = await run.start("lag.ts").ended;
      assertEquals(exitCode, 1);
      assertStringIncludes(stderr, `there is no topic ${topic}`);
    });

    await produce(600);
    const analytics = run.start("analytics.ts", [
      "--until-end",
      "--output",
      run.file,
    ]);
    assertEquals((await analytics.ended).exitCode, 0);

    await t.step("a group that has consumed everything is not behind", async () => {
      const { exitCode, groups, of } = await lag(run);
      assertEquals(exitCode, 0);
      assertEquals(groups.length, 1, "the group of the metrics view is not shown");
      assertEquals([of("analytics").verdict, of("analytics").lag], ["OK", 0]);
    });

    await produce(300);
    await commit("behind", all.map((partition) => [partition, 10n]));
    await commit("partly", all.slice(1).map((partition) => [partition, 10n]));
    await admin.use((client) =>
      client.resetOffsets({ groupId: `${run.prefix}reset`, topic, earliest: true })
    );
    const idle = await Promise.all([
      idleMember(run, "fresh", members.signal),
      idleMember(run, "behind", members.signal),
    ]);
    await admin.use((client) =>
      eventually("both groups are stable", async () => {
        const names = ["fresh", "behind"].map((name) => run.prefix + name);
        const { groups } = await client.describeGroups(names);
        return groups.every(({ state }) => state === "Stable");
      })
    );
    const names = ["analytics", "behind", "fresh", "partly", "reset"];
    const [sample, kafka] = await Promise.all([lag(run), described(run, names)]);
    const total = (await ends()).reduce((sum, end) => sum + end);

    await t.step("all groups of the topic are shown, and are behind", () => {
      assertEquals(sample.groups.map(({ group }) => group), names.map((name) => run.prefix + name));
      assertEquals(sample.exitCode, 3);
    });

    await t.step("--fail-at looks at the verdict: worse fails, better does not", async () => {
      const failAt = async (group: string, ...args: string[]) =>
        (await lag(run, ["--group", group, ...args])).exitCode;
      assertEquals(await failAt("behind", "--fail-at", "STALL"), 3);
      assertEquals(await failAt("behind", "--fail-at", "STOP"), 0, "STALL is better");
      assertEquals(await failAt("behind", "--fail-at", "STOP", "--fail-above", "5"), 3);
      assertEquals(await failAt("analytics", "--fail-at", "STALL"), 3, "STOP is worse");
      const { stderr } = await run.start("lag.ts", ["--fail-at", "STOP"]).ended;
      const named = ["analytics", "partly"].map((group) => `${run.prefix}${group} is STOP`);
      assertStringIncludes(stderr, `warning: verdict: ${named.join(", ")} (exit code 3)`);
    });

    await t.step("a new group: equal, without a number", () => {
      const fresh = sample.of("fresh");
      assertEquals(ours(fresh), kafka.get("fresh"));
      assertEquals([fresh.verdict, fresh.lag, fresh.behind], ["NO_COMMIT", null, total]);
      assertEquals([fresh.state, fresh.members], ["Stable", 1]);
    });

    await t.step("a group behind: equal, with its member", () => {
      const behind = sample.of("behind");
      assertEquals(ours(behind), kafka.get("behind"));
      assertEquals([behind.verdict, behind.lag], ["STALL", total - 60]);
      assertMatch(behind.partitions[0]!.member!, /^lag-tool-[0-9a-f-]{36}$/);
      assertEquals(behind.partitions[0]!.host, "127.0.0.1");
    });

    await t.step("a stopped group: equal, and without members", () => {
      const stopped = sample.of("analytics");
      assertEquals(ours(stopped), kafka.get("analytics"));
      assertEquals([stopped.state, stopped.members], ["Empty", 0]);
      assertEquals([stopped.verdict, stopped.lag], ["STOP", 300]);
    });

    await t.step("a partition without a commit: equal, without a number", () => {
      const partly = sample.of("partly");
      const rows = ours(partly);
      // Kafka's tool omits the partition when the group has no members.
      assertEquals(kafka.get("partly")!, rows.slice(-kafka.get("partly")!.length));
      assertEquals([partly.partitions[0]!.lag, partly.partitions[0]!.verdict], [null, "NO_COMMIT"]);
      assertEquals(partly.behind, total - 50);
    });

    await t.step(
      "a group that kafkajs has reset to −2: equal, without a number, with a note",
      () => {
        const reset = sample.of("reset");
        assertEquals(ours(reset), kafka.get("reset"));
        assertEquals([reset.verdict, reset.lag, reset.behind], ["NO_COMMIT", null, total]);
        assertStringIncludes(
          reset.partitions[0]!.note!,
          "committed -2, which Kafka does not count as a commit",
        );
      },
    );

    // A kafkajs member commits −2 when the record at its offset is deleted.
    members.abort();
    await Promise.all(idle.map(({ ended }) => ended));

    await t.step("a deleted beginning: the lag counts only what can still be read", async () => {
      await admin.use(async (client) => {
        await client.fetchTopicMetadata({ topics: [topic] });
        await logRanges(client, topic);
        await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "30" }] });
      });
      const [{ of }, kafka] = await Promise.all([
        lag(run, ["--group", "behind"]),
        described(run, ["behind"]),
      ]);
      const row = of("behind").partitions[0]!;
      assertEquals([row.log_start, row.committed, row.lag], [30, 10, row.end - 30]);
      assertStringIncludes(row.note!, "20 records after the committed offset were deleted");
      // Kafka's tool counts the deleted records.
      assertEquals(kafka.get("behind")![0], `10/${row.end}/${row.end - 10}`);
    });

    await t.step(
      "caught up after transactions: markers and aborted records are not lag",
      async () => {
        const before = await ends();
        const producer = kafkaClient(run.settings).producer({
          transactionalId: `${run.prefix}other`,
          createPartitioner: chosenPartition,
        });
        await producer.connect();
        const write = async (end: "commit" | "abort") => {
          const transaction = await producer.transaction();
          await transaction.send({
            topic,
            acks: -1,
            messages: [{ partition: 0, key: "k", value: '{"event_type":"Other"}' }],
          });
          await transaction[end]();
        };
        await write("commit");
        await write("abort");
        // One record, its marker, an aborted record, its marker.
        await eventually(
          "the markers are written",
          async () => (await ends())[0] === before[0]! + 4,
        );
        // A kafkajs consumer commits the offset after the last record that it received.
        const last = before.map((end, partition): [number, bigint] => [
          partition,
          BigInt(partition === 0 ? end + 1 : end),
        ]);
        await commit("marked", last);
        const inventory = run.start("inventory.ts", ["--until-end"]);
        assertEquals((await inventory.ended).exitCode, 0);

        const [{ of, exitCode }, kafka] = await Promise.all([
          lag(run, ["--group", "marked", "--group", "inventory"]),
          described(run, ["marked", "inventory"]),
        ]);
        assertEquals(exitCode, 0);
        assertEquals([of("marked").lag, of("marked").verdict], [0, "OK"]);
        assertEquals(of("marked").partitions[0]!.readable_end, before[0]! + 1);
        assertMatch(of("marked").partitions[0]!.note!, /the last 3 offsets are markers or aborted/);
        // Kafka's tool shows a lag that no consumer can reduce.
        assertEquals(kafka.get("marked")![0], `${before[0]! + 1}/${before[0]! + 4}/3`);
        assertEquals(
          ours(of("inventory")),
          kafka.get("inventory"),
          "our services commit past them",
        );

        const open = await producer.transaction();
        await open.send({ topic, acks: -1, messages: [{ partition: 0, key: "k", value: "{}" }] });
        const waiting = (await lag(run, ["--group", "inventory"])).of("inventory");
        assertEquals(waiting.lag, 0);
        assertStringIncludes(
          waiting.partitions[0]!.note!,
          "an open transaction holds back 1 offsets",
        );
        await open.abort();
        await producer.disconnect();
      },
    );

    await t.step("--fail-above, --fail-at, --watch and unknown groups", async () => {
      const tolerant = await lag(run, ["--group", "analytics", "--fail-above", "1000"]);
      assertEquals(tolerant.exitCode, 0);

      const unknown = await run.start("lag.ts", ["--group", "analytcs"]).ended;
      assertEquals(unknown.exitCode, 2);
      assertStringIncludes(unknown.stderr, "(did you mean analytics?)");

      for (const args of [["--fail-above", "5"], ["--fail-at", "STALL"]]) {
        const bad = await run.start("lag.ts", ["--watch", ...args]).ended;
        assertEquals(bad.exitCode, 2);
        assertStringIncludes(bad.stderr, `${args[0]} cannot be combined with --watch`);
      }

      const args = ["--watch", "--interval", "100ms", "--json", "--topic-prefix", run.prefix];
      const watching = new Deno.Command(Deno.execPath(), {
        cwd: new URL("../..", import.meta.url),
        args: ["run", "-A", "lag.ts", "--brokers", run.brokers, ...args],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      let text = "";
      let stopped = false;
      for await (const chunk of watching.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (!stopped && text.split("\n").length > 3) {
          stopped = true;
          watching.kill("SIGINT");
        }
      }
      assertEquals((await watching.status).code, 130);
      const samples = text.trimEnd().split("\n").map((line) => JSON.parse(line));
      assert(samples.every(({ groups }) => groups.length >= 5), text);
    });
  } finally {
    members.abort();
    await Promise.all([admin.close(), cluster.close()]);
  }
});
