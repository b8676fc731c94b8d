/**
 * Moves a group's offsets, for `replay.ts` and `analytics.ts --replay`.
 *
 * 1. Take over the group's transactional ids, so that a suspended instance cannot undo the move.
 * 2. Commit all offsets in one request without a member id, as Kafka's own admin client does: the
 *    brokers refuse it while the group has members.
 * 3. Read the offsets back.
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
import { existingTopics } from "./create_topics.ts";
import {
  explain,
  isGroupInUse,
  isRetriable,
  retryWhileRetriable,
  whileRetriable,
} from "./errors.ts";
import { clusterReader } from "./kafkajs/cluster.ts";
import { openLagReader } from "./lag_reader.ts";
import { committedOffsets, groupMembers, logRanges } from "./offsets.ts";
import { fenceGroup } from "./producers.ts";
import type { KafkaSettings } from "./settings.ts";
import { partitionExtents } from "./start_offsets.ts";

/** A target offset that a partition does not hold. */
export class OffsetOutOfRangeError extends Error {
  /** Its name in messages and logs. */
  override name = "OffsetOutOfRangeError";
}

/**
 * Plans the moves of the partitions to the target; changes nothing.
 *
 * @throws {OffsetOutOfRangeError} When a partition does not hold the offset.
 */
export async function planMoves(
  settings: KafkaSettings,
  { group, topic, target, partitions }: {
    group: string;
    topic: string;
    target: OffsetTarget;
    partitions: readonly number[];
  },
  signal: AbortSignal,
): Promise<OffsetMove[]> {
  const { committed, extents } = await retryWhileRetriable(
    () => readOffsets(settings, { group, topic, target }),
    settings,
    { signal },
  );
  const refusals: string[] = [];
  const moves = partitions.flatMap((partition) => {
    const extent = extents.get(partition)!;
    const { start, end } = extent;
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
}

/** Reads the group's committed offsets, and then what the partitions hold. */
async function readOffsets(
  settings: KafkaSettings,
  { group, topic, target }: { group: string; topic: string; target: OffsetTarget },
): Promise<{ committed: Map<number, bigint>; extents: Map<number, PartitionExtent> }> {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    const extents = await partitionExtents({ admin, cluster }, topic, target);
    return { committed, extents };
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}

/**
 * Commits the offsets for the group and reads them back.
 *
 * @throws {Error} When the group has members, or another program has moved it meanwhile.
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
      ...whileRetriable(settings, signal),
      isRetriable: (error) => isRetriable(error) && !isGroupInUse(error),
    });
    for (const [partition, offset] of offsets) {
      const committed = await retryWhileRetriable(
        () => cluster.stableOffset(group, topic, partition),
        settings,
        { signal },
      );
      if (committed?.offset === offset) continue;
      throw new Error(
        `partition ${partition} of group ${group} is at ${committed?.offset ?? "no offset"}` +
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
 * Moves the group to the beginning of all partitions of a topic.
 *
 * @throws {Error} When the group has members, another program has moved it meanwhile, or the brokers
 * have not answered for the settings' `timeoutMs`.
 */
export async function moveToBeginning(
  settings: KafkaSettings,
  { group, topic, partitions }: { group: string; topic: string; partitions: number },
  signal: AbortSignal,
): Promise<void> {
  const admin = adminPool(settings);
  try {
    const members = await retryWhileRetriable(
      () => admin.use((client) => groupMembers(client, group)),
      settings,
      { signal },
    );
    if (members.length > 0) throw groupInUse(group, members);
    const moves = await planMoves(settings, {
      group,
      topic,
      target: { kind: "earliest" },
      partitions: Array.from({ length: partitions }, (_, partition) => partition),
    }, signal);
    await commitMoves(settings, { group, topic, moves }, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, settings);
  } finally {
    await admin.close();
  }
}

/** The error for a group whose members would undo a move. */
export function groupInUse(group: string, members: readonly string[]): Error {
  const names = members.length === 0 ? "" : `: ${members.join(", ")}`;
  return new Error(
    `group ${group} has members whose next commit would undo the move; stop them first${names}`,
  );
}

/** A group and its topic. */
export interface GroupFacts {
  /** Whether the topic exists. */
  topicExists: boolean;
  /** Whether the group has a topic of stored metrics. */
  hasMetrics: boolean;
  /** Whether the brokers know the group; a group without commits and members is unknown. */
  known: boolean;
  /** The groups that read the topic; only when the group is not known. */
  groupsOfTopic: string[];
  /** The members of the group; see {@linkcode groupMembers}. */
  members: string[];
  /** The partitions of the topic. */
  partitions: number[];
}

/** Reads the facts about a group and a topic. */
export async function groupFacts(
  settings: KafkaSettings,
  { group, topic, metricsTopic }: { group: string; topic: string; metricsTopic: string },
  signal: AbortSignal,
): Promise<GroupFacts> {
  const admin = adminPool(settings);
  const reader = openLagReader(settings, { topic });
  try {
    return await retryWhileRetriable(
      async () => {
        const topics = await admin.use((client) => existingTopics(client, [topic, metricsTopic]));
        const topicExists = topics.has(topic);
        const ranges = topicExists
          ? await admin.use((client) => logRanges(client, topic))
          : new Map();
        const known = (await reader.allGroups()).includes(group);
        return {
          topicExists,
          hasMetrics: topics.has(metricsTopic),
          known,
          groupsOfTopic: topicExists && !known ? (await reader.groupsOfTopic()).groups : [],
          members: await admin.use((client) => groupMembers(client, group)),
          partitions: [...ranges.keys()].sort((a, b) => a - b),
        };
      },
      settings,
      { signal },
    );
  } finally {
    await Promise.all([admin.close(), reader.close()]);
  }
}
