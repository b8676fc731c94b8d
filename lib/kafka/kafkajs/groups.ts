/**
 * Reading many consumer groups: each broker lists the groups that it coordinates, and is asked about
 * them a hundred at a time.
 *
 * kafkajs asks for the coordinator of each group, describes all groups of a broker in one request and
 * fetches the offsets of each in a request of its own: thousands of groups take half a minute and
 * hundreds of megabytes.
 *
 * @module
 */
import type { Broker, Cluster } from "./cluster.ts";
import { NO_COMMIT, OFFSET_FETCH, topicEntry } from "./offset_fetch.ts";
import {
  type Decoder,
  newBodyDecoder,
  newEncoder,
  NO_TAGS,
  type ProtocolRequest,
  throwFailure,
} from "./protocol.ts";

/** A group as a broker lists it. */
export interface ListedGroup {
  groupId: string;
  protocolType: string;
  /** Its coordinator. */
  nodeId: string;
}

/** A group as its coordinator describes it. */
export interface DescribedGroup {
  groupId: string;
  state: string;
  members: {
    memberId: string;
    clientId: string;
    clientHost: string;
    memberMetadata: Buffer;
    memberAssignment: Buffer;
  }[];
}

/** Offsets by partition. */
export type Offsets = Map<number, bigint>;

/** The number of groups in one request. */
const GROUPS_PER_REQUEST = 100;
/** The number of requests that are sent to a broker at once. */
const CONCURRENT_REQUESTS = 4;
/** The same for brokers that take the offsets of one group in a request. */
const CONCURRENT_SINGLE_REQUESTS = 20;

/** All groups, of all brokers. */
export async function listGroups(cluster: Cluster): Promise<ListedGroup[]> {
  const lists = await Promise.all(
    cluster.getNodeIds().map(async (nodeId) => {
      const { groups } = await (await cluster.findBroker({ nodeId })).listGroups();
      return groups.map(({ groupId, protocolType }) => ({ groupId, protocolType, nodeId }));
    }),
  );
  return lists.flat();
}

/** What the coordinators say of the groups. */
export async function describeGroups(
  cluster: Cluster,
  groups: readonly ListedGroup[],
): Promise<DescribedGroup[]> {
  const found: DescribedGroup[] = [];
  await ofEachBroker(cluster, groups, async (broker, ofBroker) => {
    await inParallel(chunksOf(ofBroker, GROUPS_PER_REQUEST), CONCURRENT_REQUESTS, async (chunk) => {
      found.push(...(await broker.describeGroups({ groupIds: chunk })).groups);
    });
  });
  return found;
}

/** The committed offsets of the groups in a topic; partitions without a commit are missing. */
export async function fetchOffsets(
  cluster: Cluster,
  groups: readonly ListedGroup[],
  { topic, partitions }: { topic: string; partitions: readonly number[] },
): Promise<Map<string, Offsets>> {
  const found = new Map<string, Offsets>();
  await ofEachBroker(cluster, groups, async (broker, ofBroker) => {
    const isNew = (broker.versions?.[OFFSET_FETCH]?.maxVersion ?? 0) >= VERSION;
    const size = isNew ? GROUPS_PER_REQUEST : 1;
    const atOnce = isNew ? CONCURRENT_REQUESTS : CONCURRENT_SINGLE_REQUESTS;
    await inParallel(chunksOf(ofBroker, size), atOnce, async (chunk) => {
      const offsets = isNew
        ? await broker.connectionPool.send(offsetsRequest(chunk, { topic, partitions }))
        : await fetchSingly(broker, chunk[0]!, { topic, partitions });
      offsets.forEach((each, group) => found.set(group, each));
    });
  });
  return found;
}

async function fetchSingly(
  broker: Broker,
  groupId: string,
  { topic, partitions }: { topic: string; partitions: readonly number[] },
): Promise<Map<string, Offsets>> {
  const { responses } = await broker.offsetFetch({
    groupId,
    topics: [{ topic, partitions: partitions.map((partition) => ({ partition })) }],
  });
  const offsets = responses.flatMap(({ partitions }) =>
    partitions.map(({ partition, offset }) => ({ partition, offset: BigInt(offset) }))
  );
  return new Map([[groupId, committedOnly(offsets)]]);
}

function committedOnly(offsets: { partition: number; offset: bigint }[]): Offsets {
  return new Map(
    offsets.filter(({ offset }) => offset !== NO_COMMIT)
      .map(({ partition, offset }) => [partition, offset]),
  );
}

async function ofEachBroker(
  cluster: Cluster,
  groups: readonly ListedGroup[],
  run: (broker: Broker, groupIds: string[]) => Promise<void>,
): Promise<void> {
  const byNode = Map.groupBy(groups, ({ nodeId }) => nodeId);
  await Promise.all([...byNode].map(async ([nodeId, ofNode]) => {
    await run(await cluster.findBroker({ nodeId }), ofNode.map(({ groupId }) => groupId));
  }));
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from(
    { length: Math.ceil(items.length / size) },
    (_, index) => items.slice(index * size, (index + 1) * size),
  );
}

/** Calls the function for each item, for so many at once. */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  // Shared by the workers: each takes the next.
  const iterator = items[Symbol.iterator]();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let next; !(next = iterator.next()).done;) await run(next.value);
  }));
}

/** The first version that takes several groups; Kafka 3.0 introduced it. */
const VERSION = 8;
/** The protocol's error for a group that does not exist. */
const GROUP_ID_NOT_FOUND = 69;

type Response = {
  group: string;
  errorCode: number;
  offsets: { partition: number; offset: bigint; errorCode: number }[];
}[];

/** See https://kafka.apache.org/protocol#The_Messages_OffsetFetch, and offset_fetch.ts. */
function offsetsRequest(
  groups: readonly string[],
  { topic, partitions }: { topic: string; partitions: readonly number[] },
): ProtocolRequest<Response, Map<string, Offsets>> {
  return {
    request: {
      apiKey: OFFSET_FETCH,
      apiVersion: VERSION,
      apiName: "OffsetFetch",
      encode() {
        const entries = groups.map((group) =>
          newEncoder()
            .writeUVarIntString(group)
            .writeUVarIntArray([topicEntry(topic, partitions)])
            .writeUVarInt(NO_TAGS)
        );
        const request = newEncoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarIntArray(entries)
          .writeBoolean(false) // only stable offsets
          .writeUVarInt(NO_TAGS);
        return Promise.resolve(request);
      },
    },
    response: {
      decode(data) {
        const decoder = newBodyDecoder(data);
        return Promise.resolve(decoder.readUVarIntArray(readGroup));
      },
      parse(response) {
        const found = new Map<string, Offsets>();
        for (const { group, errorCode, offsets } of response) {
          const place = { api: "OffsetFetch", group };
          if (errorCode !== GROUP_ID_NOT_FOUND) throwFailure(errorCode, place);
          offsets.forEach((each) => throwFailure(each.errorCode, { ...place, topic }));
          found.set(group, committedOnly(offsets));
        }
        return Promise.resolve(found);
      },
    },
  };
}

function readGroup(decoder: Decoder): Response[number] {
  const group = decoder.readUVarIntString() ?? "";
  const offsets = decoder.readUVarIntArray(readTopic).flat();
  const errorCode = decoder.readInt16();
  decoder.readTaggedFields();
  return { group, errorCode, offsets };
}

function readTopic(decoder: Decoder): Response[number]["offsets"] {
  decoder.readUVarIntString(); // name
  const offsets = decoder.readUVarIntArray((partition) => {
    const read = {
      partition: partition.readInt32(),
      offset: BigInt(partition.readInt64().toString()),
    };
    partition.readInt32(); // leader epoch
    partition.readUVarIntString(); // metadata
    const errorCode = partition.readInt16();
    partition.readTaggedFields();
    return { ...read, errorCode };
  });
  decoder.readTaggedFields();
  return offsets;
}
