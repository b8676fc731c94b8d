/**
 * Moving a group's offsets: the one way for `replay.ts` and for `analytics.ts --replay`.
 *
 * Offsets are committed as Kafka's own admin client does it: all of them in one request, as real
 * offsets, and without a membership, so that the brokers themselves refuse it while the group has
 * members. Before that the group's transactional ids are taken over, so that an instance that was
 * suspended cannot undo the move; afterwards the offsets are read back.
 *
 * @module
 */
import { retry } from "../async.ts";
import {
  type OffsetMove,
  offsetMove,
  type OffsetTarget,
  type PartitionExtent,
  targetOffset,
} from "../offset_target.ts";
import { adminPool } from "./client_pool.ts";
import { isGroupInUse, isRetriable } from "./errors.ts";
import { clusterReader } from "./kafkajs/cluster.ts";
import { openLagReader } from "./lag_reader.ts";
import { committedOffsets, groupMembers, logRanges } from "./offsets.ts";
import { fenceGroup } from "./producers.ts";
import type { KafkaSettings } from "./settings.ts";

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
  settings: KafkaSettings,
  { group, topic, target, partitions }: {
    group: string;
    topic: string;
    target: OffsetTarget;
    partitions: readonly number[];
  },
): Promise<OffsetMove[]> {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
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
  settings: KafkaSettings,
  { group, topic, moves }: { group: string; topic: string; moves: readonly OffsetMove[] },
  signal: AbortSignal,
): Promise<void> {
  const cluster = clusterReader(settings);
  const offsets = new Map(moves.map(({ partition, to }) => [partition, to]));
  try {
    await retry(async () => {
      await fenceGroup(settings, { group, topic, partitions: offsets.keys() });
      await cluster.commit(group, topic, offsets);
    }, {
      // The coordinator may be loading the group or moving to another broker.
      minTimeout: 100,
      maxTimeout: 1_000,
      jitter: 0.5,
      limitMs: settings.timeoutMs,
      isRetriable: (error) => isRetriable(error) && !isGroupInUse(error),
      signal,
    });
    for (const [partition, offset] of offsets) {
      const committed = await cluster.stableOffset(group, topic, partition);
      if (committed === offset) continue;
      throw new Error(
        `partition ${partition} of group ${group} is at ${committed ?? "no offset"}` +
          ` instead of ${offset}: another program has moved it`,
      );
    }
  } catch (error) {
    throw isGroupInUse(error) ? groupInUse(group, []) : error;
  } finally {
    await cluster.close();
  }
}

/**
 * Moves all partitions of a topic to their beginning.
 *
 * @throws {Error} When the group has members, or the brokers keep something else.
 */
export async function moveToBeginning(
  settings: KafkaSettings,
  { group, topic, partitions }: { group: string; topic: string; partitions: number },
  signal: AbortSignal,
): Promise<void> {
  const admin = adminPool(settings);
  try {
    const members = await admin.use((client) => groupMembers(client, group));
    if (members.length > 0) throw groupInUse(group, members);
  } finally {
    await admin.close();
  }
  const moves = await planMoves(settings, {
    group,
    topic,
    target: { kind: "earliest" },
    partitions: Array.from({ length: partitions }, (_, partition) => partition),
  });
  await commitMoves(settings, { group, topic, moves }, signal);
}

/** The error for a group whose members would undo a move. */
export function groupInUse(group: string, members: readonly string[]): Error {
  const names = members.length === 0 ? "" : `: ${members.join(", ")}`;
  return new Error(
    `group ${group} has members, whose next commit would undo the move; stop them first${names}`,
  );
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
  /** The members of the group; see {@linkcode groupMembers}. */
  members: string[];
  /** The partitions of the topic. */
  partitions: number[];
}

/** Finds out about a group and a topic. */
export async function groupFacts(
  settings: KafkaSettings,
  { group, topic, metricsTopic, topicPrefix }: {
    group: string;
    topic: string;
    metricsTopic: string;
    topicPrefix: string;
  },
): Promise<GroupFacts> {
  const admin = adminPool(settings);
  const reader = openLagReader(settings, { topic, topicPrefix });
  try {
    const topics = await admin.use((client) => client.listTopics());
    const topicExists = topics.includes(topic);
    return {
      topicExists,
      hasMetrics: topics.includes(metricsTopic),
      known: (await reader.allGroups()).includes(group),
      others: topicExists ? await reader.groupsOfTopic() : [],
      members: await admin.use((client) => groupMembers(client, group)),
      partitions: topicExists
        ? [...(await admin.use((client) => logRanges(client, topic))).keys()].sort((a, b) => a - b)
        : [],
    };
  } finally {
    await Promise.all([admin.close(), reader.close()]);
  }
}
