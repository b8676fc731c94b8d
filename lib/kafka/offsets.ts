/**
 * Offsets of consumer groups and topics, as Kafka keeps them.
 *
 * Committed offsets are read before end offsets: the other way round a group that works at full
 * speed seems to be ahead of the topic.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { brokerError } from "./kafkajs/named_errors.ts";
import { NO_COMMIT } from "./kafkajs/offset_fetch.ts";

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

/**
 * The range of every partition of a topic.
 *
 * @throws {Error} When a partition has no leader; another attempt can help.
 */
export async function logRanges(admin: Admin, topic: string): Promise<Map<number, LogRange>> {
  const ranges = new Map<number, LogRange>();
  for (const [partition, range] of await partitionRanges(admin, topic)) {
    if (range === undefined) throw brokerError("LEADER_NOT_AVAILABLE", { topic, partition });
    ranges.set(partition, range);
  }
  return ranges;
}

/** The range of every partition of a topic; `undefined` for a partition that has no leader. */
export async function partitionRanges(
  admin: Admin,
  topic: string,
): Promise<Map<number, LogRange | undefined>> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return new Map(
    offsets.map(({ partition, low, high }) => {
      const range = { start: BigInt(low), end: BigInt(high) };
      return [partition, range.start < 0n || range.end < 0n ? undefined : range];
    }),
  );
}

/**
 * Where a group continues: its committed offset, or the beginning when nothing is committed or what
 * follows was deleted.
 */
export function resolveOffset(committed: bigint | undefined, range: LogRange): bigint {
  if (committed === undefined || committed === EARLIEST_SENTINEL) return range.start;
  return committed < range.start ? range.start : committed;
}

/** The members of a group, such as `order-stream-analytics-1f… at 127.0.0.1`; none when it is unknown. */
export async function groupMembers(admin: Admin, group: string): Promise<string[]> {
  const { groups } = await admin.describeGroups([group]);
  return groups.flatMap(({ members }) =>
    members.map(({ memberId, clientHost }) => `${memberId} at ${clientHost.replace(/^\//, "")}`)
  );
}
