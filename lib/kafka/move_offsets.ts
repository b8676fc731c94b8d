/**
 * Moving a group's offsets, and counting again what it has counted.
 *
 * Offsets are committed as Kafka's own admin client does it: all of them in one request, as real
 * offsets, and by nobody's membership, so that the brokers themselves refuse it while the group has
 * members.
 *
 * @module
 */
import { openLagReader } from "./lag_reader.ts";
import { adminPool } from "./client_pool.ts";
import { clusterReader } from "./kafkajs/cluster.ts";
import { type Connection, isRetriable } from "./client.ts";
import { sleep } from "../async.ts";
import { committedOffsets, type LogRange, logRanges } from "./offsets.ts";
import { readTopic } from "./read_topic.ts";
import {
  type OffsetMove,
  offsetMove,
  type OffsetTarget,
  type PartitionExtent,
  targetOffset,
} from "../offset_target.ts";
import { Recount } from "../metrics_comparison.ts";
import { fenceGroup } from "./producers.ts";
import { MetricsRows } from "../metrics_rows.ts";

/** A partition that does not have the offset that was asked for. */
export class OffsetOutOfRangeError extends Error {
  /** The name that tells it from other errors. */
  override name = "OffsetOutOfRangeError";
}

/**
 * What moving the partitions to the target means; changes nothing.
 *
 * @throws {OffsetOutOfRangeError} When a partition does not have the offset.
 */
export async function planMoves(
  connection: Connection,
  { group, topic, target, partitions }: {
    group: string;
    topic: string;
    target: OffsetTarget;
    partitions: readonly number[];
  },
): Promise<OffsetMove[]> {
  const admin = adminPool(connection);
  const cluster = clusterReader(connection);
  try {
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    const since = target.kind === "time"
      ? await cluster.offsetsSince(topic, target.timeMs)
      : new Map<number, bigint>();
    const ranges = await admin.use((client) => logRanges(client, topic));
    const ends = await cluster.endOffsets(topic);
    const refusals: string[] = [];
    const moves = partitions.flatMap((partition) => {
      const { start, end: stable } = ranges.get(partition)!;
      const end = ends.get(partition) ?? stable;
      const extent: PartitionExtent = { start, stable, end, since: since.get(partition) };
      try {
        const to = targetOffset(target, extent);
        return [offsetMove(partition, { from: committed.get(partition), to, start, end })];
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        refusals.push(`partition ${partition} holds ${start} to ${end}`);
        return [];
      }
    });
    if (refusals.length > 0) {
      throw new OffsetOutOfRangeError(`out of range: ${refusals.join(", ")}`);
    }
    return moves;
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}

/**
 * Commits the offsets for the group and reads them back.
 *
 * @throws {Error} When the group has members, or the brokers keep something else.
 */
export async function commitMoves(
  connection: Connection,
  { group, topic, moves }: { group: string; topic: string; moves: readonly OffsetMove[] },
  signal: AbortSignal,
): Promise<void> {
  const cluster = clusterReader(connection);
  const offsets = new Map(moves.map(({ partition, to }) => [partition, to]));
  const startedMs = performance.now();
  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        await fenceGroup(connection, group, offsets.keys());
        await cluster.commit(group, topic, offsets);
        break;
      } catch (error) {
        if ((error as { type?: string }).type === "UNKNOWN_MEMBER_ID") {
          throw new Error(
            `group ${group} has members, whose next commit would undo it: stop them first`,
          );
        }
        // The coordinator may be loading the group or moving to another broker.
        const patient = performance.now() - startedMs < connection.timeoutMs;
        if (!isRetriable(error) || !patient) throw error;
        await sleep(200, signal);
      }
    }
    for (const [partition, offset] of offsets) {
      const committed = await cluster.stableOffset(group, topic, partition);
      if (committed === offset) continue;
      throw new Error(
        `partition ${partition} of group ${group} is at ${committed ?? "no offset"}` +
          ` instead of ${offset}: somebody else has moved it`,
      );
    }
  } finally {
    await cluster.close();
  }
}

/** What a group has to do with a topic. */
export interface GroupFacts {
  /** Whether the topic exists. */
  topicExists: boolean;
  /** Whether the group's topic of stored metrics exists. */
  hasMetrics: boolean;
  /** Whether the brokers know the group. */
  known: boolean;
  /** The groups that read the topic. */
  others: string[];
  /** The members of the group, such as `order-stream-analytics at 127.0.0.1 (partitions 0, 1)`. */
  members: string[];
  /** The partitions of the topic. */
  partitions: number[];
}

/** Finds out about a group and a topic. */
export async function groupFacts(
  connection: Connection,
  { group, topic, metricsTopic, topicPrefix }: {
    group: string;
    topic: string;
    metricsTopic: string;
    topicPrefix: string;
  },
): Promise<GroupFacts> {
  const admin = adminPool(connection);
  const reader = openLagReader(connection, { topic, topicPrefix });
  try {
    const topics = await admin.use((client) => client.listTopics());
    const topicExists = topics.includes(topic);
    const [described] = (await admin.use((client) => client.describeGroups([group]))).groups;
    return {
      topicExists,
      hasMetrics: topics.includes(metricsTopic),
      known: (await reader.allGroups()).includes(group),
      others: topicExists ? await reader.groupsOfTopic() : [],
      members: (described?.members ?? []).map(({ memberId, clientHost }) =>
        `${memberId} at ${clientHost.replace(/^\//, "")}`
      ),
      partitions: topicExists
        ? [...(await admin.use((client) => logRanges(client, topic))).keys()].sort((a, b) => a - b)
        : [],
    };
  } finally {
    await Promise.all([admin.close(), reader.close()]);
  }
}

/** The stored metrics of a group, and what of the orders they can be compared with. */
export interface StoredMetrics {
  /** The rows as they stood at one moment. */
  rows: MetricsRows;
  /** What was counted, of each partition that has stored progress and can be read again. */
  ranges: Map<number, LogRange>;
  /** Why the others cannot be counted again, by partition. */
  gone: Map<number, string>;
  /** The group's committed offsets. */
  committed: Map<number, bigint>;
}

/**
 * Reads the stored metrics of a group as they stand now.
 *
 * The moment is the last stable offset of the metrics topic. Each of its partitions has one writer at
 * a time, so no transaction is cut in two there; what analytics adds meanwhile is left out.
 */
export async function readStoredMetrics(
  connection: Connection,
  { group, topic, metricsTopic, throwAway }: {
    group: string;
    topic: string;
    metricsTopic: string;
    throwAway: string;
  },
  signal: AbortSignal,
): Promise<StoredMetrics> {
  const admin = adminPool(connection);
  try {
    const rows = new MetricsRows();
    await readTopic(connection, {
      topic: metricsTopic,
      group: throwAway,
      onRecord({ key, value }) {
        if (key === null) return;
        rows.apply({ key: key.toString(), value: value === null ? null : value.toString() });
      },
    }, signal);

    const ranges = new Map<number, LogRange>();
    const gone = new Map<number, string>();
    for (const [partition, log] of await admin.use((client) => logRanges(client, topic))) {
      const { progress } = rows.partition(partition);
      if (progress === undefined) continue;
      const start = progress.startOffset ?? log.start;
      const end = progress.nextOffset;
      if (start < log.start && start < end) {
        gone.set(partition, `offsets ${start} to ${log.start - 1n} were deleted by retention`);
      } else if (end > log.end) {
        gone.set(partition, `it ends at ${log.end}, but was counted up to ${end}`);
      } else ranges.set(partition, { start, end });
    }
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    return { rows, ranges, gone, committed };
  } finally {
    await admin.close();
  }
}

/** Counts the orders in the ranges again, in memory. */
export async function recount(
  connection: Connection,
  { topic, ranges, throwAway }: {
    topic: string;
    ranges: ReadonlyMap<number, LogRange>;
    throwAway: string;
  },
  signal: AbortSignal,
): Promise<Recount> {
  const counted = new Recount();
  await readTopic(connection, {
    topic,
    group: throwAway,
    ranges,
    onRecord: (record, partition) => counted.add(partition, [record]),
  }, signal);
  return counted;
}

/** Deletes a group that is not needed any more; it is no harm when that does not work. */
export async function deleteGroup(connection: Connection, group: string): Promise<void> {
  const admin = adminPool(connection);
  await admin.use((client) => client.deleteGroups([group])).catch(() => {});
  await admin.close();
}
