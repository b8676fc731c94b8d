/**
 * Reads samples of consumer groups: committed offsets, end offsets, and members.
 *
 * Each sample reads the committed offsets first and the end offsets second. In the other order, a
 * group that works at full speed would seem to be ahead of the topic.
 *
 * Lag counts up to the last record that a `read_committed` consumer can see. Kafka's own tools count
 * up to the high watermark, which transaction markers, aborted records and open transactions move as
 * well, so a group that has read everything may never reach it.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import type { GroupSample, Member, PartitionSample } from "../lag/verdict.ts";
import { isTemporaryGroup } from "../topics.ts";
import { adminPool } from "./client_pool.ts";
import { type ClusterReader, clusterReader } from "./kafkajs/cluster.ts";
import { AssignerProtocol } from "./kafkajs/mod.ts";
import { existingTopics } from "./create_topics.ts";
import { committedOffsets, type LogRange, partitionRanges } from "./offsets.ts";
import type { KafkaSettings } from "./settings.ts";

/** Reads samples of groups on one topic. */
export interface LagReader {
  /** Whether the topic exists. */
  topicExists(): Promise<boolean>;
  /** All consumer groups of the brokers. */
  allGroups(): Promise<string[]>;
  /** The groups with committed offsets of the topic, or with members that subscribe to it. */
  groupsOfTopic(): Promise<string[]>;
  /** Takes a sample of each group. */
  sample(groups: readonly string[]): Promise<GroupSample[]>;
  /** Disconnects. */
  close(): Promise<void>;
}

/** A group as the brokers describe it. */
interface Description {
  state: string;
  members: number | undefined;
  subscribed: boolean;
  owners: Map<number, Member>;
}

/** The number of groups that are read at once. */
const CONCURRENT_GROUPS = 20;

/** Creates a reader for one topic; it connects when it is first used. */
export function openLagReader(
  settings: KafkaSettings,
  { topic, topicPrefix }: { topic: string; topicPrefix: string },
): LagReader {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  const readableEnds = readableEndReader(cluster, topic);

  return {
    topicExists: async () =>
      (await admin.use((client) => existingTopics(client, [topic]))).has(topic),
    allGroups: () => admin.use(consumerGroups),
    groupsOfTopic: () =>
      admin.use(async (client) => {
        const groups = (await consumerGroups(client))
          .filter((group) => !isTemporaryGroup(group, topicPrefix));
        const descriptions = await describe(client, groups, topic);
        const found = await forEach(groups, async (group) =>
          descriptions.get(group)?.subscribed === true ||
          (await committedOffsets(client, group, topic)).size > 0);
        return groups.filter((_, index) =>
          found[index]
        ).sort();
      }),
    async sample(groups) {
      const timeMs = Date.now();
      const committed = await admin.use((client) =>
        forEach(groups, (group) => committedOffsets(client, group, topic))
      );
      const ranges = await admin.use((client) => partitionRanges(client, topic));
      const logEnds = await cluster.endOffsets(topic);
      const descriptions = await admin.use((client) => describe(client, groups, topic));
      const readable = await readableEnds(ledRanges(ranges), committed);
      return groups.map((group, index): GroupSample => {
        const { state, members, owners } = descriptions.get(group)!;
        const partitions = [...ranges].sort(([a], [b]) => a - b)
          .map(([partition, { start, end } = NO_RANGE]): PartitionSample => ({
            partition,
            committed: committed[index]!.get(partition),
            logStart: start,
            end: logEnds.get(partition) ?? end,
            stable: end,
            readableEnd: readable.get(partition) ?? end,
            owner: owners.get(partition),
            isLeaderless: !readable.has(partition),
          }));
        return { timeMs, group, state, members, partitions };
      });
    },
    async close() {
      await Promise.all([admin.close(), cluster.close()]);
    },
  };
}

/** Stands for the unknown range of a partition without a leader. */
const NO_RANGE: LogRange = { start: 0n, end: 0n };

function ledRanges(ranges: ReadonlyMap<number, LogRange | undefined>): Map<number, LogRange> {
  return new Map([...ranges].flatMap(([partition, range]) => range ? [[partition, range]] : []));
}

/** The consumer groups; Kafka Connect and others use groups of other protocol types. */
async function consumerGroups(admin: Admin): Promise<string[]> {
  const { groups } = await admin.listGroups();
  // A group whose offsets were only set by a tool has no protocol type.
  return groups.filter(({ protocolType }) => protocolType === "consumer" || protocolType === "")
    .map(({ groupId }) => groupId);
}

async function describe(
  admin: Admin,
  groups: readonly string[],
  topic: string,
): Promise<Map<string, Description>> {
  if (groups.length === 0) return new Map();
  const described = await admin.describeGroups([...groups]);
  return new Map(described.groups.map(({ groupId, state, members }) => {
    const owners = new Map<number, Member>();
    let subscribed = false;
    for (const { memberId, clientId, clientHost, memberMetadata, memberAssignment } of members) {
      const member = { id: memberId, clientId, host: clientHost.replace(/^\//, "") };
      const assigned = decoded(memberAssignment, AssignerProtocol.MemberAssignment)?.assignment;
      assigned?.[topic]?.forEach((partition) => owners.set(partition, member));
      subscribed ||= decoded(memberMetadata, AssignerProtocol.MemberMetadata)?.topics
        .includes(topic) === true;
    }
    // DescribeGroups reports listed groups of Kafka 4's new group protocol as dead.
    const hidden = state === "Dead" && members.length === 0;
    return [groupId, {
      state: hidden ? "Unknown" : state,
      members: hidden ? undefined : members.length,
      subscribed,
      owners,
    }];
  }));
}

/** Decodes a member's data, which is empty while the group rebalances. */
function decoded<T>(bytes: Buffer, protocol: { decode(bytes: Buffer): T | null }): T | undefined {
  return bytes.length === 0 ? undefined : protocol.decode(bytes) ?? undefined;
}

/** Calls the function for each item, {@linkcode CONCURRENT_GROUPS} at once. */
async function forEach<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += CONCURRENT_GROUPS) {
    const chunk = items.slice(from, from + CONCURRENT_GROUPS);
    results.push(...await Promise.all(chunk.map(run)));
  }
  return results;
}

/** The number of batches to search, from the end, for a readable one. */
const MAX_BATCHES = 50;

/**
 * Returns a function that finds the readable end of each partition.
 *
 * It searches backwards from the last stable offset, batch by batch, for the last batch that is
 * neither a transaction marker nor aborted. It skips partitions in which every group has committed
 * the last stable offset, since their lag is 0 anyway. Results are kept until that offset changes.
 */
function readableEndReader(cluster: ClusterReader, topic: string) {
  const known = new Map<number, { stable: bigint; readableEnd: bigint }>();

  async function find(
    partition: number,
    { start, end: stable }: LogRange,
  ): Promise<bigint> {
    const before = known.get(partition);
    if (before?.stable === stable) return before.readableEnd;
    let next = stable;
    for (let step = 0; step < MAX_BATCHES && next > start; step++) {
      // An earlier search has covered everything before this.
      if (before !== undefined && next <= before.stable) {
        return before.readableEnd > start ? before.readableEnd : start;
      }
      const batch = await cluster.batchAt(topic, partition, next - 1n);
      if (batch === undefined) return stable;
      if (batch.lastReadable !== undefined) return batch.lastReadable + 1n;
      next = batch.first;
    }
    // Assume that the rest is readable: rather too much lag than too little.
    return next > start ? next : start;
  }

  return async function readableEnds(
    ranges: ReadonlyMap<number, LogRange>,
    committed: readonly ReadonlyMap<number, bigint>[],
  ): Promise<Map<number, bigint>> {
    const ends = new Map<number, bigint>();
    await Promise.all([...ranges].map(async ([partition, range]) => {
      const behind = committed.some((offsets) =>
        (offsets.get(partition) ?? range.start) < range.end
      );
      const readableEnd = behind ? await find(partition, range) : range.end;
      if (behind) known.set(partition, { stable: range.end, readableEnd });
      ends.set(partition, readableEnd);
    }));
    return ends;
  };
}
