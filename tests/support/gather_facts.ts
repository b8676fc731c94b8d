/**
 * Reads from the brokers what the checker needs.
 *
 * @module
 */
import { retry } from "../../lib/async.ts";
import { type AdminPool, adminPool } from "../../lib/kafka/client_pool.ts";
import {
  type ClusterReader,
  clusterReader,
  type LogBounds,
} from "../../lib/kafka/kafkajs/cluster.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import type { KafkaSettings } from "../../lib/kafka/settings.ts";
import { parseInventoryEvent } from "../../lib/inventory_event.ts";
import { parseOrder } from "../../lib/order.ts";
import { deadLetters, inventoryEvents, orderEvents } from "../../lib/topics.ts";
import type { Facts, LogBatch, StoredMovement, StoredOrder } from "./checker.ts";
import { eventually } from "./run.ts";
import { logBatches } from "./stored_batches.ts";

/** The part of the facts that the brokers have. */
type StoredFacts = Omit<Facts, "publications" | "reports" | "stocks">;

/** How long a transaction may be open after its producer has gone, and how long that takes to see. */
const SETTLING_LIMIT_MS = 30_000;

/**
 * Reads all topics with a prefix.
 *
 * @param groups The groups of services, without the prefix.
 */
export async function gatherFacts(
  settings: KafkaSettings,
  { prefix, groups, signal }: { prefix: string; groups: readonly string[]; signal: AbortSignal },
): Promise<StoredFacts> {
  const pool = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    const topics = (await pool.use((admin) => admin.listTopics()))
      .filter((topic) => topic.startsWith(prefix));
    const readBounds = async () => {
      const read = async (topic: string) => [topic, await ledBounds(cluster, topic)] as const;
      return new Map(await Promise.all(topics.map(read)));
    };
    // What was killed last may have left a transaction, which the brokers abort. One that stays is found
    // by the checker.
    await eventually(
      "no transaction is open",
      () =>
        readBounds().then(
          (all) =>
            [...all.values()].every((partitions) =>
              [...partitions.values()].every(({ stable, end }) => stable === end)
            ),
          () => false,
        ),
      SETTLING_LIMIT_MS,
    ).catch(() => {});
    const bounds = await readBounds();

    const read = (topic: string, onRecord: Parameters<typeof readTopic>[1]["onRecord"]) =>
      topics.includes(topic)
        ? readTopic(settings, { topic, group: `${prefix}facts`, onRecord }, signal)
        : undefined;
    const orders: StoredOrder[] = [];
    const malformed: string[] = [];
    let skipped = 0;
    const orderTopic = orderEvents(prefix).name;
    await read(orderTopic, ({ value, offset }, partition) => {
      const parsed = value === null ? undefined : parseOrder(value);
      if (parsed?.kind === "order") {
        const { order, timestampMs } = parsed;
        orders.push({ partition, offset: BigInt(offset), order, timestampMs });
      } else if (parsed?.kind === "malformed") malformed.push(`${partition}/${offset}`);
      else skipped++;
    });
    const movements: StoredMovement[] = [];
    const movementTopic = inventoryEvents(prefix).name;
    await read(movementTopic, ({ value, offset }, partition) => {
      const parsed = parseInventoryEvent(value!);
      if (parsed.kind !== "event") throw new Error(`offset ${offset} is not a movement`);
      movements.push({ partition, offset: BigInt(offset), event: parsed.event });
    });
    const letters = new Map(groups.map((group) => [group, [] as string[]]));
    await read(deadLetters(prefix).name, ({ headers }) => {
      const group = String(headers?.["dlq.group"]).slice(prefix.length);
      const place = `${headers?.["dlq.partition"]}/${headers?.["dlq.offset"]}`;
      letters.getOrInsertComputed(group, () => []).push(place);
    });

    const orderEnds = new Map(
      [...bounds.get(orderTopic) ?? []].map(([partition, { end }]) => [partition, end]),
    );
    const committed = new Map<string, Map<number, bigint>>();
    for (const group of groups) {
      const offsets = new Map<number, bigint>();
      for (const partition of orderEnds.keys()) {
        // One that is pending is an error that stays: its transaction has lost its end.
        const found = await retry(
          () => cluster.stableOffset(prefix + group, orderTopic, partition),
          { limitMs: SETTLING_LIMIT_MS },
        );
        if (found !== undefined) offsets.set(partition, found.offset);
      }
      committed.set(group, offsets);
    }
    const movementBatches = topics.includes(movementTopic)
      ? await batchesOf(pool, movementTopic)
      : [];
    return {
      ...{ orders, malformed, skipped, movements, movementBatches, deadLetters: letters },
      ...{ committed, orderEnds, bounds },
    };
  } finally {
    await Promise.all([pool.close(), cluster.close()]);
  }
}

/**
 * The bounds of all partitions of a topic.
 *
 * @throws {Error} When a partition has no leader.
 */
export async function ledBounds(
  cluster: ClusterReader,
  topic: string,
): Promise<Map<number, LogBounds>> {
  return new Map(
    [...await cluster.logBounds(topic)].map(([partition, bounds]) => {
      if (bounds === undefined) throw new Error(`partition ${partition} of ${topic} has no leader`);
      return [partition, bounds];
    }),
  );
}

async function batchesOf(pool: AdminPool, topic: string): Promise<LogBatch[]> {
  const { brokers } = await pool.use((admin) => admin.describeCluster());
  const { topics } = await pool.use((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
  const batches: LogBatch[] = [];
  for (const { partitionId: partition, leader } of topics[0]!.partitions) {
    const { host, port } = brokers.find(({ nodeId }) => nodeId === leader)!;
    batches.push(...await logBatches(`${host}:${port}`, { topic, partition }));
  }
  return batches;
}
