/**
 * Reading how far consumer groups are: committed offsets, ends, and who is consuming.
 *
 * For each sample the committed offsets are read first and the ends second: the other way round a
 * group that works at full speed seems to be ahead of the topic.
 *
 * The end that counts is the one after the last record that a `read_committed` consumer gets to see.
 * Kafka's own tools take the high watermark, which transaction markers, aborted records and open
 * transactions move too; so a group that has nothing left to read seems to be behind for ever.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import type { GroupSample, Member, PartitionSample } from "../lag/verdict.ts";
import { isTemporaryGroup } from "../topics.ts";
import { adminPool } from "./client_pool.ts";
import { type ClusterReader, clusterReader } from "./kafkajs/cluster.ts";
import { AssignerProtocol } from "./kafkajs/mod.ts";
import { committedOffsets, type LogRange, logRanges } from "./offsets.ts";
import type { KafkaSettings } from "./settings.ts";

/** Reads the lag of groups on one topic. */
export interface LagReader {
  /** Whether the topic exists. */
  topicExists(): Promise<boolean>;
  /** All groups that the brokers know. */
  allGroups(): Promise<string[]>;
  /** The groups that have committed offsets of the topic, or have members that subscribe to it. */
  groupsOfTopic(): Promise<string[]>;
  /** A sample of each group. */
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

/** How many groups are asked for at once. */
const CONCURRENT_GROUPS = 20;

/** Reads the lag of groups on a topic; connects when it is first used. */
export function openLagReader(
  settings: KafkaSettings,
  { topic, topicPrefix }: { topic: string; topicPrefix: string },
): LagReader {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  const readableEnds = readableEndReader(cluster, topic);

  return {
    topicExists: async () => (await admin.use((client) => client.listTopics())).includes(topic),
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
      const ranges = await admin.use((client) => logRanges(client, topic));
      const logEnds = await cluster.endOffsets(topic);
      const descriptions = await admin.use((client) => describe(client, groups, topic));
      const readable = await readableEnds(ranges, committed);
      return groups.map((group, index): GroupSample => {
        const { state, members, owners } = descriptions.get(group)!;
        const partitions = [...ranges].sort(([a], [b]) => a - b)
          .map(([partition, { start, end }]): PartitionSample => ({
            partition,
            committed: committed[index]!.get(partition),
            logStart: start,
            end: logEnds.get(partition) ?? end,
            stable: end,
            readableEnd: readable.get(partition)!,
            owner: owners.get(partition),
          }));
        return { timeMs, group, state, members, partitions };
      });
    },
    async close() {
      await Promise.all([admin.close(), cluster.close()]);
    },
  };
}

/** The groups of consumers; other programs coordinate by groups of other kinds. */
async function consumerGroups(admin: Admin): Promise<string[]> {
  const { groups } = await admin.listGroups();
  // A group whose offsets were only ever set by a tool has no protocol.
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
    // To this request, groups of the protocol of Kafka 4 look dead although they are listed.
    const hidden = state === "Dead" && members.length === 0;
    return [groupId, {
      state: hidden ? "Unknown" : state,
      members: hidden ? undefined : members.length,
      subscribed,
      owners,
    }];
  }));
}

/** While a group rebalances its members have neither subscription nor assignment. */
function decoded<T>(bytes: Buffer, protocol: { decode(bytes: Buffer): T | null }): T | undefined {
  return bytes.length === 0 ? undefined : protocol.decode(bytes) ?? undefined;
}

/** Runs the function for all items, a bounded number at once. */
async function forEach<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += CONCURRENT_GROUPS) {
    const chunk = items.slice(from, from + CONCURRENT_GROUPS);
    results.push(...await Promise.all(chunk.map(run)));
  }
  return results;
}

/** How many batches are looked at, from the end, for one that can be read. */
const MAX_STEPS = 50;

/**
 * Returns a function that tells where the readable records of each partition end.
 *
 * Looks from the last stable offset backwards, batch by batch, to the last one that is neither a
 * transaction marker nor aborted. Only where somebody has not committed up to there: everywhere else
 * nothing depends on it. What was found holds for as long as the last stable offset stays.
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
    for (let step = 0; step < MAX_STEPS && next > start; step++) {
      // From here on backwards it has been looked at before.
      if (before !== undefined && next <= before.stable) {
        return before.readableEnd > start ? before.readableEnd : start;
      }
      const batch = await cluster.batchAt(topic, partition, next - 1n);
      if (batch === undefined) return stable;
      if (batch.lastReadable !== undefined) return batch.lastReadable + 1n;
      next = batch.first;
    }
    // After so many, whatever comes before is taken for readable: too much lag rather than too little.
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
