/**
 * Faults of the data: records that are not orders, and what Kafka forgets or loses.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { exists, removeIfThere } from "../../../dev_broker/files.ts";
import { delay } from "../../../lib/async.ts";
import { createMissingTopics } from "../../../lib/kafka/create_topics.ts";
import { committedOffsets } from "../../../lib/kafka/offsets.ts";
import { openPublisher } from "../../../lib/kafka/publisher.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
  type TopicSpec,
} from "../../../lib/topics.ts";
import { withAdmin } from "../../support/admin.ts";
import { gatherFacts } from "../../support/gather_facts.ts";
import { eventually } from "../../support/run.ts";
import { type Outcome, type Scene, SERVICES } from "../../support/scene.ts";
import type { Fault, Form } from "./fault.ts";

/** Each is a record that is not an order. */
const POISON = [
  "",
  "not JSON",
  '{"event_type":"OrderPlaced"}',
  '{"event_type":"OrderPlaced","order_id":"","items":[],"status":"?"}',
  "\u0000\u0001\u0002",
  '{"event_type":"OrderPlaced","order_id":"order_1","total_amount":1e999}',
];

export const poison: Fault = {
  summary: "one record of a thousand is not an order, while the services are killed",
  run: killAmidPoison,
};

async function killAmidPoison(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 4 : 1); round++) {
    await publishPoison(scene, isLong ? 25 : 4, isLong ? 1_000 : 20);
    await Promise.all(SERVICES.map((name) => scene.replace(name, 0, "SIGKILL")));
    await publishPoison(scene);
    await scene.recovered("killed amid poison");
  }
}

/** Publishes records that are not orders, one for so many orders. */
export async function publishPoison(scene: Scene, count = 1, orders = 1_000): Promise<void> {
  const publisher = await openPublisher<null>(scene.direct, {
    topic: orderEvents(scene.run.prefix).name,
    partitions: 6,
    maxBatchBytes: Infinity,
    onTooLarge() {},
    onAcknowledged() {},
  }, scene.signal);
  try {
    for (let i = 0; i < count; i++) {
      if (i > 0) {
        await delay(1_000 * orders / scene.options.ordersPerSecond, { signal: scene.signal });
      }
      await publisher.publish(`poison_${scene.below(1_000)}`, (to) => {
        to.raw(new TextEncoder().encode(scene.pick(POISON)));
      }, null);
      await publisher.flush();
    }
  } finally {
    await publisher.close();
  }
}

/** The ids of transactions that are idle expire after this, in milliseconds. */
const ID_EXPIRATION_MS = 3_000;

export const forgottenByKafka: Fault = {
  summary: "offsets expired and retention while the services are down, transactional ids expired",
  nodes: 1,
  settings: {
    "transactional.id.expiration.ms": String(ID_EXPIRATION_MS),
    "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
    "producer.id.expiration.ms": String(ID_EXPIRATION_MS),
    "producer.id.expiration.check.interval.ms": "500",
    "offsets.retention.minutes": "1",
    "offsets.retention.check.interval.ms": "1000",
  },
  run: forget,
  settles: true,
};

async function forget(scene: Scene, { isLong }: Form): Promise<Outcome> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    await scene.stopPublishing(scene.options.orders / (isLong ? 4 : 2) * (round + 1));
    await scene.recovered("all is processed", { isFault: false });
    // The services run, and nothing comes in.
    await eventually("the transactional ids have expired", async () => {
      scene.signal.throwIfAborted();
      const outcomes = await Promise.all(SERVICES.map((name) => scene.transactionOutcomes(name)));
      return outcomes.flat().every((outcome) => outcome === undefined);
    });
    scene.publish();
    await scene.recovered("the ids of the transactions had expired");

    await scene.stopPublishing();
    await scene.recovered("all is processed", { isFault: false });
    await Promise.all(SERVICES.map((name) => scene.end(name, 0, "SIGTERM")));
    await applyRetention(scene);
    await forgetOffsets(scene, isLong);
    SERVICES.forEach((name) => scene.add(name));
    scene.publish();
    await scene.recovered("the offsets were gone, and so were the orders that are processed");
  }
  return await scene.settle();
}

/** Deletes the orders that are processed, as retention does. */
async function applyRetention(scene: Scene): Promise<void> {
  const { prefix } = scene.run;
  const topic = orderEvents(prefix).name;
  const { orders } = await gatherFacts(scene.direct, {
    ...{ prefix, groups: SERVICES, signal: scene.signal },
  });
  await withAdmin(scene.direct, async (admin) => {
    const partitions = (await admin.fetchTopicOffsets(topic))
      .map(({ partition, offset }) => ({ partition, offset }));
    await admin.deleteTopicRecords({ topic, partitions });
  });
  scene.formerOrders.push(...orders);
}

/** Waits until Kafka has forgotten the offsets of the groups; in the short form it is asked to. */
async function forgetOffsets(scene: Scene, isLong: boolean): Promise<void> {
  const { prefix } = scene.run;
  const topic = orderEvents(prefix).name;
  const groups = SERVICES.map((name) => prefix + name);
  if (!isLong) await withAdmin(scene.direct, (admin) => admin.deleteGroups(groups));
  await eventually("the offsets are gone", () =>
    withAdmin(scene.direct, async (admin) => {
      for (const group of groups) {
        if ((await committedOffsets(admin, group, topic)).size > 0) return false;
      }
      return true;
    }));
}

export const changedTopics: Fault = {
  summary: "partitions added, state topics deleted, and then all topics deleted and recreated",
  run: changeTopics,
  settles: true,
};

async function changeTopics(scene: Scene, { isLong }: Form): Promise<Outcome> {
  const { prefix } = scene.run;
  const orders = orderEvents(prefix);
  await scene.begin();
  await withAdmin(
    scene.direct,
    (admin) => admin.createPartitions({ topicPartitions: [{ topic: orders.name, count: 8 }] }),
  );
  await eventually("the new partitions get orders", () =>
    withAdmin(scene.direct, async (admin) => {
      const found = await admin.fetchTopicOffsets(orders.name).catch(() => []);
      return found.filter(({ high }) => high !== "0").length === 8;
    }));
  await scene.recovered("partitions were added");

  await Promise.all(SERVICES.map((name) => scene.end(name, 0, "SIGTERM")));
  const states = [orderMetrics(`${prefix}analytics`), stockLevels(`${prefix}inventory`)];
  await deleteTopics(scene, states);
  SERVICES.forEach((name) => scene.add(name));
  await scene.recovered("the state topics were deleted");
  const outcome = await scene.settle();
  assertEquals(outcome.findings, []);

  await deleteTopics(scene, [orders, inventoryEvents(prefix), deadLetters(prefix), ...states]);
  await withAdmin(
    scene.direct,
    (admin) => createMissingTopics(admin, [orders, inventoryEvents(prefix)], () => {}),
  );
  for (const group of SERVICES) {
    await scene.run.json("replay.ts", ["--group", group, "--to", "earliest", "--execute"]);
  }
  scene.forget();
  SERVICES.forEach((name) => scene.add(name));
  scene.publish();
  await scene.recovered("all topics were recreated");
  if (isLong) await scene.stopPublishing(scene.options.orders);
  const again = await scene.settle();
  return { ...again, orders: outcome.orders + again.orders };
}

async function deleteTopics(scene: Scene, topics: readonly TopicSpec[]): Promise<void> {
  await withAdmin(scene.direct, async (admin) => {
    const names = topics.map(({ name }) => name);
    const there = new Set(await admin.listTopics());
    await admin.deleteTopics({ topics: names.filter((name) => there.has(name)) });
    await eventually("the topics are gone", async () => {
      const left = await admin.listTopics();
      return !names.some((name) => left.includes(name));
    });
  });
}

export const replayedTwice: Fault = {
  summary: "replayed twice with kill -9 in between: byte-identical after each",
  run: replayTwice,
  settles: true,
};

async function replayTwice(scene: Scene, { isLong }: Form): Promise<Outcome> {
  const { run } = scene;
  const path = `${run.file}.replayed`;
  const output = ["--output", path];
  await scene.begin();
  await scene.replace("analytics", 0, "SIGKILL");
  await scene.recovered("killed");
  await scene.stopPublishing(scene.options.orders);
  await scene.end("analytics", 0, "SIGTERM");
  const texts: string[] = [];
  const replays = isLong ? 2 : 1;
  for (let replay = 0; replay <= replays; replay++) {
    if (replay > 0) {
      await scene.end("analytics", 0, "SIGTERM");
      texts.push(await Deno.readTextFile(path));
      await run.json("replay.ts", ["--group", "analytics", "--to", "earliest", "--execute"]);
      // Slow enough to be killed in the middle.
      const slow = ["--throttle", "10ms", "--report-every", "10"];
      const killed = scene.add("analytics", { args: [...output, ...slow] });
      await eventually("it counts", () => killed.lines.some((line) => /^\d+ orders/.test(line)));
      await scene.end("analytics", 0, "SIGKILL");
      await removeIfThere(path);
    }
    scene.add("analytics", { args: output });
    await eventually("there is a report", () => exists(path));
    await scene.recovered("replayed and killed", { isFault: replay > 0 });
  }
  const outcome = await scene.settle();
  texts.push(await Deno.readTextFile(path));
  assert(texts[0]!.includes("Total Orders: "));
  for (const text of texts) assertEquals(text, texts[0]);
  await Deno.remove(path);
  return outcome;
}
