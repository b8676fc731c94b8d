/**
 * replay.ts on the real broker, checked with Kafka's own `kafka-consumer-groups`: what it moves, what it
 * refuses without a change, and what `--verify` finds.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { connect, disconnect } from "../../lib/kafka/client.ts";
import { idempotentProducer } from "../../lib/kafka/producers.ts";
import { committedOffsets, logRanges } from "../../lib/kafka/offsets.ts";
import { orderEvents, orderMetrics } from "../../lib/topics.ts";
import { describeGroup } from "../support/kafka_tools.ts";
import { eventually, testRun } from "../support/run.ts";

const ALL = [0, 1, 2, 3, 4, 5];

Deno.test("replay.ts moves offsets, refuses wrong use, and verifies stored metrics", async (t) => {
  await using run = await testRun("replay-tool");
  const topic = orderEvents(run.prefix).name;
  const output = run.file;
  const admin = adminPool(run.settings);

  const replay = async (...args: string[]) => await run.start("replay.ts", args).ended;
  const analytics = async () => {
    const args = ["--until-end", "--output", output, "--json"];
    const { exitCode, stdout } = await run.start("analytics.ts", args).ended;
    assertEquals(exitCode, 0);
    return JSON.parse(stdout);
  };
  const offsets = async (group: string) => {
    const committed = await admin.use((client) =>
      committedOffsets(client, run.prefix + group, topic)
    );
    return ALL.map((partition) => committed.get(partition));
  };
  const produce = async (...args: string[]) =>
    assertEquals((await run.start("producer.ts", args).ended).exitCode, 0);

  try {
    await t.step("a missing topic is named in the message", async () => {
      const { exitCode, stderr } = await replay("--group", "analytics", "--to", "earliest");
      assertEquals(exitCode, 1);
      assertStringIncludes(stderr, `there is no topic ${topic}`);
    });

    await produce("--count", "600", "--start", "2024-02-28T23:55:00Z", "--span", "10m");
    const counted = await analytics();
    const ends = await offsets("analytics");

    await t.step("a dry run shows the moves and changes nothing", async () => {
      const { exitCode, stdout, stderr } = await replay("--group", "analytics", "--to", "earliest");
      assertEquals(exitCode, 0);
      assertMatch(stdout, new RegExp(`^ +0 +${ends[0]} +0 +${ends[0]} +0 +${ends[0]}$`, "m"));
      assertMatch(stdout, /^ +all +600 +0 +600$/m);
      assertStringIncludes(stderr, "dry run, nothing changed; add --execute to apply");
      assertEquals(await offsets("analytics"), ends);
    });

    await t.step("each wrong use has a message and changes no offset", async () => {
      const wrong: [string, ...string[]][] = [
        ['there is no group ".*analytcs" .did you mean analytics', "analytcs", "earliest"],
        ["partition 0 holds 0 to \\d+, partition 1 holds 0 to", "analytics", "5000"],
        ["the time is in the future", "analytics", "2199-01-01T00:00:00Z"],
        ["expected earliest, latest, an offset, a time", "analytics", "noon"],
        ["--partition 6: .* has partitions 0 to 5", "analytics", "0", "--partition", "6"],
        ["--verify cannot be combined with --to", "analytics", "earliest", "--verify"],
      ];
      const results = await Promise.all(wrong.map(async ([message, group, to, ...rest]) => {
        const result = await replay("--group", group!, "--to", to!, "--execute", ...rest);
        return { ...result, message };
      }));
      for (const { exitCode, stderr, message } of results) {
        assertMatch(stderr, new RegExp(message));
        assertEquals(exitCode, 2, stderr);
      }
      assertEquals(await offsets("analytics"), ends);
    });

    await t.step("a group with members is refused, and the message names them", async () => {
      const args = ["--output", output, "--group", "live"];
      const live = run.start("analytics.ts", args);
      await eventually("the group has counted", async () => {
        const committed = await offsets("live");
        return committed.every((offset, partition) => offset === ends[partition]);
      });
      const { exitCode, stderr } = await replay("--group", "live", "--to", "0", "--execute");
      assertEquals(exitCode, 1);
      assertMatch(
        stderr,
        /live has members.*order-stream-analytics@\S+-[0-9a-f-]+ at 127\.0\.0\.1/,
      );
      assertEquals(await offsets("live"), ends);
      const verified = await replay("--group", "live", "--verify", "--json");
      assertEquals(verified.exitCode, 0, "a group with members can be verified");
      live.kill("SIGTERM");
      await live.ended;
    });

    await t.step("Kafka's tool sees what it commits", async () => {
      const args = ["--group", "analytics", "--to", "5", "--execute", "--json"];
      const { exitCode, stdout } = await replay(...args, "--partition", "0", "--partition", "3");
      assertEquals(exitCode, 0);
      const { read_again, partitions } = JSON.parse(stdout);
      assertEquals(read_again, Number(ends[0]! + ends[3]!) - 10);
      assertEquals(partitions.map(({ to }: { to: number }) => to), [5, 5]);
      const described = await describeGroup(run.brokers, `${run.prefix}analytics`);
      assertEquals(
        described.sort((a, b) => a.partition - b.partition).map(({ committed }) => committed),
        ends.map((end, partition) => [0, 3].includes(partition) ? "5" : String(end)),
      );
    });

    await t.step("--verify counts each partition from where analytics began", async () => {
      const moved = await replay("--group", "analytics", "--verify", "--json");
      assertEquals(moved.exitCode, 0, "the stored counts are right until analytics drops them");
      assertEquals(JSON.parse(moved.stdout).stored_digest, counted.digest);
      assertStringIncludes(moved.stderr, "will drop these counts at its next start");

      const { digest, total_orders } = await analytics();
      assertEquals(total_orders, 590);
      const { exitCode, stdout } = await replay("--group", "analytics", "--verify", "--json");
      const verified = JSON.parse(stdout);
      assertEquals(exitCode, 0);
      assertEquals(verified.total_orders, 590);
      assertEquals([verified.stored_digest, verified.replayed_digest], [digest, digest]);
      assertEquals(
        verified.partitions.map(({ from }: { from: number }) => from),
        [5, 0, 0, 5, 0, 0],
      );
      const { groups } = await admin.use((client) => client.listGroups());
      const left = groups.filter(({ groupId }) =>
        groupId.startsWith(`${run.prefix}analytics-verify`)
      );
      assertEquals(left, [], "the temporary group is deleted");
    });

    await t.step("earliest restores the first report; latest and times resolve", async () => {
      const to = async (target: string, ...args: string[]) => {
        const { exitCode, stdout, stderr } = await replay(
          ...["--group", "analytics", "--to", target, "--json", ...args],
        );
        assertEquals(exitCode, 0, stderr);
        return JSON.parse(stdout).partitions.map(({ to }: { to: number }) => to);
      };
      const numbers = ends.map(Number);
      assertEquals(await to("latest"), numbers);
      assertEquals(await to("-1h"), ALL.map(() => 0), "all were sent within the last hour");
      assertEquals(await to("2024-06-01T00:00:00Z"), ALL.map(() => 0));
      const now = new Date().toISOString();
      assertEquals(await to(now), numbers, "nothing has been sent since");
      await to("earliest", "--execute");
      assertEquals((await analytics()).digest, counted.digest);
    });

    await t.step("a group without a commit, and one that does not exist yet", async () => {
      const args = ["--to", "latest", "--execute"];
      const usual = await replay("--group", "inventory", ...args);
      assertEquals(usual.exitCode, 0, usual.stderr);
      assertStringIncludes(usual.stderr, "600 unread orders are passed over");
      assertEquals(await offsets("inventory"), ends);
      assertEquals((await replay("--group", "second", ...args)).exitCode, 2);
      assertEquals(await offsets("second"), ALL.map(() => undefined));
      assertEquals((await replay("--group", "second", ...args, "--new")).exitCode, 0);
      assertEquals(await offsets("second"), ends);
      const { exitCode, stderr } = await replay("--group", "second", "--verify");
      assertEquals(exitCode, 1);
      assertStringIncludes(stderr, "has no stored metrics");
    });

    await t.step("--verify names the first count that is wrong", async () => {
      const producer = idempotentProducer(run.settings);
      await connect(producer, run.settings);
      await producer.send({
        topic: orderMetrics(`${run.prefix}analytics`).name,
        acks: -1,
        messages: [{ partition: 2, key: "2/2024-02-28T23:57Z", value: '{"total":1,"failed":1}' }],
      });
      await disconnect(producer);
      const { exitCode, stdout } = await replay("--group", "analytics", "--verify");
      assertEquals(exitCode, 1);
      assertMatch(
        stdout,
        /^different in 2024-02-28T23:57Z, partition 2: stored 1 order \(1 failed\), replayed \d+ orders/m,
      );
    });

    await t.step("--verify names the partitions that retention has cut", async () => {
      await admin.use(async (client) => {
        await client.fetchTopicMetadata({ topics: [topic] });
        await logRanges(client, topic);
        await client.deleteTopicRecords({ topic, partitions: [{ partition: 2, offset: "7" }] });
      });
      const { exitCode, stdout, stderr } = await replay("--group", "analytics", "--verify");
      assertEquals(exitCode, 1);
      assertStringIncludes(stderr, "partition 2 cannot be verified: offsets 0 to 6 were deleted");
      assertStringIncludes(stdout, "equal, as far as it can be verified");
    });
  } finally {
    await admin.close();
  }
});
