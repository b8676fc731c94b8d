/**
 * Offsets of consumer groups and topics, as Kafka keeps them.
 *
 * Committed offsets are read before end offsets: the other way round a group that works at full
 * speed seems to be ahead of the topic.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { clusterReader } from "./kafkajs/cluster.ts";
import type { Connection } from "./client.ts";
import { NO_COMMIT } from "./kafkajs/offset_fetch.ts";
import { fenceGroup } from "./producers.ts";

/** Where a partition begins and ends, for a `read_committed` reader. */
export interface LogRange {
  /** The first offset that still exists. */
  start: bigint;
  /**
   * The last stable offset: that of the next record, or of the first one whose transaction is not
   * decided yet. kafkajs asks for it, not for the high watermark.
   */
  end: bigint;
}

/** Offsets that kafkajs's `resetOffsets` commits: "from the earliest record". */
const EARLIEST_SENTINEL = -2n;

/**
 * The committed offset of each partition; partitions without a commit are missing.
 *
 * A negative offset other than "none" (kafkajs commits −2 for "earliest") is kept as it is: use
 * {@linkcode resolveOffset}.
 */
export async function committedOffsets(
  admin: Admin,
  group: string,
  topic: string,
): Promise<Map<number, bigint>> {
  const [entry] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  const committed = new Map<number, bigint>();
  for (const { partition, offset } of entry?.partitions ?? []) {
    const value = BigInt(offset);
    if (value !== NO_COMMIT) committed.set(partition, value);
  }
  return committed;
}

/** The range of every partition of a topic. */
export async function logRanges(admin: Admin, topic: string): Promise<Map<number, LogRange>> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return new Map(
    offsets.map(({ partition, low, high }) => [
      partition,
      { start: BigInt(low), end: BigInt(high) },
    ]),
  );
}

/** How far a group is behind on a topic, and how many records the topic has had, all partitions. */
export async function groupLag(
  admin: Admin,
  group: string,
  topic: string,
): Promise<{ lagRecords: number; endRecords: number }> {
  const committed = await committedOffsets(admin, group, topic);
  let lagRecords = 0;
  let endRecords = 0;
  for (const [partition, { start, end }] of await logRanges(admin, topic)) {
    lagRecords += Math.max(0, Number(end - (committed.get(partition) ?? start)));
    endRecords += Number(end);
  }
  return { lagRecords, endRecords };
}

/**
 * Where a group continues: its committed offset, or the beginning when nothing is committed or what
 * follows was deleted.
 */
export function resolveOffset(committed: bigint | undefined, range: LogRange): bigint {
  if (committed === undefined || committed === EARLIEST_SENTINEL) return range.start;
  return committed < range.start ? range.start : committed;
}

/**
 * Whether the group has members right now.
 */
export async function activeMembers(admin: Admin, group: string): Promise<string[]> {
  const { groups } = await admin.describeGroups([group]);
  return groups.flatMap(({ members }) =>
    members.map(({ clientId, clientHost }) => `${clientId}${clientHost}`)
  );
}

/**
 * Commits the beginning of every partition as the group's offset.
 *
 * @throws {Error} When the group has members: their next commit would undo it.
 */
export async function resetToBeginning(
  connection: Connection,
  admin: Admin,
  { group, topic }: { group: string; topic: string },
): Promise<void> {
  const members = await activeMembers(admin, group);
  if (members.length > 0) {
    throw new Error(
      `group ${group} is in use by ${members.join(", ")}: stop them before resetting its offsets`,
    );
  }
  const ranges = await logRanges(admin, topic);
  const starts = [...ranges].map(([partition, { start }]) => [partition, start] as const);
  await fenceGroup(connection, group, ranges.keys());
  const cluster = clusterReader(connection);
  try {
    await cluster.commit(group, topic, new Map(starts));
  } finally {
    await cluster.close();
  }
}
