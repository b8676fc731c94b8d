/**
 * Reads samples of consumer groups: committed offsets, end offsets, and members.
 *
 * Each sample reads the committed offsets first and the end offsets second. In the other order, a
 * group that works at full speed would seem to be ahead of the topic. Of the ends, the last stable
 * offset comes last: else what a producer has written in between would seem to be undecided.
 *
 * Lag counts up to the last record that a `read_committed` consumer can see. Kafka's own tools count
 * up to the high watermark, which transaction markers, aborted records and open transactions move as
 * well, so a group that has read everything may never reach it.
 *
 * @module
 */
import type { GroupSample, Member, PartitionSample } from "../lag/verdict.ts";
import { type ClusterReader, clusterReader, type LogBounds } from "./kafkajs/cluster.ts";
import {
  type DescribedGroup,
  inParallel,
  type ListedGroup,
  type Offsets,
} from "./kafkajs/groups.ts";
import { AssignerProtocol } from "./kafkajs/mod.ts";
import { isReader, type KafkaSettings } from "./settings.ts";

/** Reads samples of groups on one topic. */
export interface LagReader {
  /** Whether the topic exists. */
  topicExists(): Promise<boolean>;
  /** All consumer groups that the brokers list: those that one may describe. */
  allGroups(): Promise<string[]>;
  /** Fails when one may not describe a group, which need not exist. */
  requireVisible(group: string): Promise<void>;
  /**
   * The groups with committed offsets of the topic, or with members that subscribe to it; `hidden` is
   * the number of those that only our own readers have, which commit nothing.
   */
  groupsOfTopic(): Promise<{ groups: string[]; hidden: number }>;
  /** Takes a sample of each group. */
  sample(groups: readonly string[]): Promise<GroupSample[]>;
  /** Disconnects. */
  close(): Promise<void>;
}

/** A group as the brokers describe it. */
interface Description {
  state: string;
  members: number | undefined;
  /** Whether all members are our own readers. */
  isReader: boolean;
  subscribed: boolean;
  owners: Map<number, Member>;
}

/** The state of a group that the brokers do not know. */
const GONE: Description = {
  state: "Gone",
  members: 0,
  isReader: false,
  subscribed: false,
  owners: new Map(),
};

/** Creates a reader for one topic; it connects when it is first used. */
export function openLagReader(settings: KafkaSettings, { topic }: { topic: string }): LagReader {
  const cluster = clusterReader(settings);
  const readableEnds = readableEndReader(cluster, topic);
  const sendTimes = sendTimeReader(cluster, topic);
  let topicId: string | undefined;

  return {
    topicExists: () => cluster.hasTopic(topic),
    allGroups: async () => (await consumerGroups(cluster, topic)).map(({ groupId }) => groupId),
    requireVisible: (group) => cluster.requireVisible(group),
    async groupsOfTopic() {
      const listed = await consumerGroups(cluster, topic);
      const descriptions = await describe(cluster, listed, topic);
      const committed = await cluster.committedOffsets(listed, topic);
      const groups: string[] = [];
      let hidden = 0;
      for (const { groupId } of listed) {
        const { subscribed, isReader } = descriptions.get(groupId) ?? GONE;
        const hasCommits = (committed.get(groupId)?.size ?? 0) > 0;
        if (hasCommits || (subscribed && !isReader)) groups.push(groupId);
        else if (subscribed) hidden++;
      }
      return { groups: groups.sort(), hidden };
    },
    async sample(groups) {
      const timeMs = Date.now();
      const wanted = new Set(groups);
      const listed = (await consumerGroups(cluster, topic))
        .filter(({ groupId }) => wanted.has(groupId));
      const committed = await cluster.committedOffsets(listed, topic);
      const id = (await cluster.topicIds([topic]))?.get(topic);
      const bounds = await cluster.logBounds(topic);
      const descriptions = await describe(cluster, listed, topic);
      if (id !== topicId) {
        readableEnds.forget();
        sendTimes.forget();
        topicId = id;
      }
      const readable = await readableEnds.find(ledBounds(bounds), [...committed.values()]);
      const samples = groups.map((group): GroupSample => {
        const { state, members, owners } = descriptions.get(group) ?? GONE;
        const partitions = [...bounds].sort(([a], [b]) => a - b)
          .map(([partition, { start, stable, end } = NO_BOUNDS]): PartitionSample => ({
            partition,
            committed: committed.get(group)?.get(partition),
            ...{ logStart: start, end, stable },
            readableEnd: readable.get(partition) ?? end,
            oldestMs: undefined,
            owner: owners.get(partition),
            isLeaderless: !readable.has(partition),
          }));
        return { timeMs, topicId: id, group, state, members, partitions };
      });
      await sendTimes.add(samples);
      return samples;
    },
    close: () => cluster.close(),
  };
}

/** Stands for the unknown bounds of a partition without a leader. */
const NO_BOUNDS: LogBounds = { start: 0n, stable: 0n, end: 0n };

function ledBounds(bounds: ReadonlyMap<number, LogBounds | undefined>): Map<number, LogBounds> {
  return new Map([...bounds].flatMap(([partition, each]) => each ? [[partition, each]] : []));
}

/** The consumer groups; Kafka Connect and others use groups of other protocol types. */
async function consumerGroups(cluster: ClusterReader, topic: string): Promise<ListedGroup[]> {
  // A group whose offsets were only set by a tool has no protocol type.
  return (await cluster.listGroups(topic))
    .filter(({ protocolType }) => protocolType === "consumer" || protocolType === "");
}

async function describe(
  cluster: ClusterReader,
  groups: readonly ListedGroup[],
  topic: string,
): Promise<Map<string, Description>> {
  const described = await cluster.describeGroups(groups);
  return new Map(described.map((group) => [group.groupId, description(group, topic)]));
}

function description({ state, members }: DescribedGroup, topic: string): Description {
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
  const isUnknown = state === "Dead" && members.length === 0;
  return {
    state: isUnknown ? "Unknown" : state,
    members: isUnknown ? undefined : members.length,
    isReader: members.length > 0 && members.every(({ clientId }) => isReader(clientId)),
    subscribed,
    owners,
  };
}

/**
 * Decodes a member's data, which is empty while the group rebalances. Brokers take any bytes from a
 * member: what cannot be decoded says nothing.
 */
function decoded<T>(bytes: Buffer, protocol: { decode(bytes: Buffer): T | null }): T | undefined {
  try {
    return bytes.length === 0 ? undefined : protocol.decode(bytes) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The number of records that are looked up at once. */
const CONCURRENT_LOOKUPS = 10;

/** Finds when the first record that a group has not committed was sent. */
function sendTimeReader(cluster: ClusterReader, topic: string) {
  let known = new Map<string, number | undefined>();

  return {
    forget: () => known.clear(),
    /** Adds the times to the samples. */
    async add(samples: readonly GroupSample[]): Promise<void> {
      const behind = samples.flatMap(({ partitions }) => partitions).flatMap((sample) => {
        const { partition, committed, logStart, readableEnd } = sample;
        if (committed === undefined || committed < 0n) return [];
        const offset = committed < logStart ? logStart : committed;
        const id = `${partition}/${offset}`;
        return offset < readableEnd ? [{ sample, partition, offset, id }] : [];
      });
      const places = new Map(behind.map((each) => [each.id, each]));
      const times = new Map([...known].filter(([id]) => places.has(id)));
      const missing = [...places.values()].filter(({ id }) => !times.has(id));
      await inParallel(missing, CONCURRENT_LOOKUPS, async ({ id, partition, offset }) => {
        times.set(id, await cluster.timeAt(topic, partition, offset));
      });
      for (const { sample, id } of behind) sample.oldestMs = times.get(id);
      known = times;
    },
  };
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
    { start, stable }: LogBounds,
  ): Promise<bigint> {
    let before = known.get(partition);
    // The topic lost records, or was made again.
    if (before !== undefined && before.stable > stable) before = undefined;
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

  return {
    forget: () => known.clear(),
    async find(
      bounds: ReadonlyMap<number, LogBounds>,
      committed: readonly Offsets[],
    ): Promise<Map<number, bigint>> {
      const ends = new Map<number, bigint>();
      await inParallel(bounds, CONCURRENT_LOOKUPS, async ([partition, range]) => {
        const { start, stable } = range;
        const behind = committed.length === 0 ||
          committed.some((offsets) => (offsets.get(partition) ?? start) < stable);
        const readableEnd = behind ? await find(partition, range) : stable;
        if (behind) known.set(partition, { stable, readableEnd });
        ends.set(partition, readableEnd);
      });
      return ends;
    },
  };
}
