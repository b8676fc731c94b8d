/**
 * Brokers that lose the end of a transaction: Kafka 4.4.0 skips the markers of partitions that have no
 * leader at that moment (lib/kafka/kafkajs/transaction_outcome.ts). The next owner of the partition ends
 * them, so the orders are handled exactly once.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { disconnect } from "../../lib/kafka/client.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { takeOver, transactionalProducer } from "../../lib/kafka/producers.ts";
import type { KafkaSettings } from "../../lib/kafka/settings.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  stockLevels,
  type TopicSpec,
  transactionalId,
} from "../../lib/topics.ts";
import { placeTopic, withAdmin } from "../support/admin.ts";
import { type ProxiedCluster, proxiedCluster } from "../support/broker.ts";
import { API, type Verdict } from "../support/kafka_messages.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";

/** Everything that a transaction writes to is on this node alone, and nothing else is. */
const NODE = 3;
const ORDERS = 600;
const OFFSETS = "__consumer_offsets";

Deno.test("a transaction whose end is lost is ended by the next owner", async (t) => {
  await using cluster = await proxiedCluster(3);
  await using any = await testRun("placed", cluster);
  const direct = { ...any.settings, brokers: cluster.direct.split(",") };
  const internal = { partitions: 4, settings: { "cleanup.policy": "compact" } };
  await place(direct, { name: OFFSETS, ...internal }, [NODE]);
  await place(direct, { name: "__transaction_state", ...internal }, [1, 2]);
  await t.step("as it was decided", () => loseTheEnd(cluster, direct, { isForgotten: false }));
  await t.step(
    "and aborted when that is forgotten",
    () => loseTheEnd(cluster, direct, { isForgotten: true }),
  );
});

async function loseTheEnd(
  cluster: ProxiedCluster,
  direct: KafkaSettings,
  { isForgotten }: { isForgotten: boolean },
): Promise<void> {
  await using run = await testRun("markers", cluster);
  const orders = orderEvents(run.prefix);
  const group = `${run.prefix}inventory`;
  const state = stockLevels(group, 1);
  await place(direct, { ...orders, partitions: 1 }, [1, 2]);
  await place(direct, { ...inventoryEvents(run.prefix), partitions: 2 }, [NODE]);
  await place(direct, deadLetters(run.prefix), [NODE]);
  await place(direct, state, [NODE]);
  await run.json("producer.ts", ["--count", String(ORDERS)]);

  let held = false;
  const released = Promise.withResolvers<Verdict>();
  for (const proxy of cluster.proxies) {
    proxy.rule = ({ kind, api }) => {
      if (api !== API.EndTxn || kind !== "request" || held) return "pass";
      held = true;
      return released.promise;
    };
  }
  const first = run.start("inventory.ts", ["--timeout", "60s"]);
  await eventually("a commit is held", () => held);
  await cluster.kill(NODE);
  await eventually("its partitions have no leader", async () => {
    const { topics } = await withAdmin(
      direct,
      (admin) => admin.fetchTopicMetadata({ topics: [OFFSETS, state.name] }),
    ).catch(() => ({ topics: [] }));
    return topics.length === 2 &&
      topics.every(({ partitions }) => partitions.every(({ leader }) => leader === -1));
  });
  released.resolve("pass");
  const reader = clusterReader(direct);
  const id = transactionalId(group, orders.name, 0);
  await eventually(
    "the coordinator has decided",
    async () => await reader.transactionOutcome(id).catch(() => "none") === "commit",
  );
  await reader.close();
  first.kill("SIGKILL");
  await first.ended;
  await cluster.start(NODE);
  if (isForgotten) {
    const producer = transactionalProducer(run.settings, {
      ...{ group, topic: orders.name, partition: 0 },
    });
    await takeOver(producer);
    await disconnect(producer);
  }

  const { total_orders: done } = await run.json("inventory.ts", ["--until-end"]);
  assertEquals(done, isForgotten ? ORDERS : 0, "what was decided is not done again");
  assertEquals((await readLedger(run, { inventory: true })).orders, ORDERS);
}

/** Creates a topic on some nodes, each of which can do without the others. */
function place(
  direct: KafkaSettings,
  { name, partitions, settings }: TopicSpec,
  nodes: number[],
): Promise<void> {
  const topicSettings = { ...settings, "min.insync.replicas": "1" };
  return placeTopic(direct, name, Array<number[]>(partitions).fill(nodes), topicSettings);
}
