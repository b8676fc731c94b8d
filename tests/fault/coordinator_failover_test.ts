/**
 * A group's coordinator is killed: what was committed is what the next owner starts from.
 *
 * @module
 */
import { assert } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import { orderEvents } from "../../lib/topics.ts";
import { testCluster } from "../support/broker.ts";
import { kafkaConsumerGroups } from "../support/kafka_tools.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("stableOffset gives what was committed, also right after the coordinator was killed", async () => {
  await using cluster = await testCluster(3);
  await using run = await testRun("coordinator", cluster);
  const group = `${run.prefix}group`;
  const spec = orderEvents(run.prefix);
  const admin = adminPool(run.settings);
  await admin.use((client) => createMissingTopics(client, [spec]));
  await admin.close();

  const writer = clusterReader(run.settings);
  let acknowledged = 0n;
  const commitNext = async () => {
    await writer.commit(group, spec.name, new Map([[0, acknowledged + 1n]]));
    acknowledged++;
  };
  // A plain OffsetFetch gave an older offset in every other round.
  for (let round = 1; round <= 3; round++) {
    await eventually(
      "the group has a coordinator",
      () => commitNext().then(() => true, () => false),
    );
    const coordinator = await coordinatorOf(group, run.brokers);
    const aim = acknowledged + 100n;
    let isKilled = false;
    const committing = (async () => {
      // A commit that fails may be stored all the same. None may fail: the next one finds the new coordinator.
      while (!isKilled) await commitNext();
    })().catch(() => {});
    await eventually("a hundred commits", () => acknowledged >= aim);
    await cluster.kill(coordinator);
    isKilled = true;
    await committing;

    const reader = clusterReader(run.settings);
    let read: bigint | undefined;
    await eventually(
      "the next coordinator answers",
      () =>
        reader.stableOffset(group, spec.name, 0).then((committed) => {
          const offset = committed?.offset;
          read = offset;
          return true;
        }, () => false),
    );
    assert(read! >= acknowledged, `read ${read}, acknowledged ${acknowledged}`);
    await reader.close();
    acknowledged = read!;
    if (round < 3) await cluster.start(coordinator);
  }
  await writer.close();
});

/** The node that keeps a group's offsets, as Kafka's own tool shows it: `127.0.0.1:9092 (1)`. */
async function coordinatorOf(group: string, brokers: string): Promise<number> {
  const text = await kafkaConsumerGroups(brokers, ["--describe", "--state", "--group", group]);
  return Number(/\((\d+)\)/.exec(text.split("\n").find((line) => line.startsWith(group))!)![1]);
}
