/**
 * The requests that kafkajs can make but does not offer: where a log ends with all that is undecided
 * in it, what lies at an offset, a commit for a group that nobody is a member of, and a committed
 * offset that is safe to start from.
 *
 * They go through the cluster object that kafkajs itself makes for each client, so addresses,
 * encryption, login and retries are those of {@linkcode kafkaClient}. It is not part of kafkajs's
 * public API: when it is not there any more, the first use says so.
 *
 * @module
 */
import { clientPool } from "../client_pool.ts";
import { kafkaClient } from "../client.ts";
import { UnsupportedBrokerError } from "../errors.ts";
import type { KafkaSettings } from "../settings.ts";
import { type OffsetFetchRequest, stableOffsetFetch } from "./offset_fetch.ts";

/** A record as a fetch brings it, with what is known of its batch. */
interface FetchedRecord {
  offset: string;
  isControlRecord: boolean;
  batchContext?: { firstOffset: string; producerId: string; inTransaction: boolean };
}

/** What kafkajs calls a broker, as far as it is used here. */
interface Broker {
  fetch(request: {
    isolationLevel: number;
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    topics: {
      topic: string;
      partitions: { partition: number; fetchOffset: string; maxBytes: number }[];
    }[];
  }): Promise<{
    responses: {
      partitions: {
        abortedTransactions?: { producerId: string; firstOffset: string }[] | null;
        messages: FetchedRecord[];
      }[];
    }[];
  }>;
  /** What the broker speaks: versions by request. */
  versions: Record<number, { maxVersion: number } | undefined> | null;
  connectionPool: { send(request: OffsetFetchRequest): Promise<bigint | undefined> };
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
  }): Promise<unknown>;
}

/** What kafkajs calls a cluster, as far as it is used here. */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number }[];
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  findGroupCoordinator(group: { groupId: string }): Promise<Broker>;
  fetchTopicsOffset(topics: {
    topic: string;
    partitions: { partition: number }[];
    fromTimestamp: number;
  }[]): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

/** The batch that holds an offset, to a `read_committed` reader. */
export interface BatchSight {
  /** Its first offset. */
  first: bigint;
  /** The offset of its last record; `undefined` for transaction markers and aborted records. */
  lastReadable: bigint | undefined;
}

/** The requests. */
export interface ClusterReader {
  /**
   * The offset of each partition that the next record will get. (kafkajs's own `fetchTopicOffsets`
   * gives the last stable offset: where the first transaction begins that is not decided.)
   */
  endOffsets(topic: string): Promise<Map<number, bigint>>;
  /**
   * The first offset of each partition whose record was sent at that time or later; partitions
   * without one are missing.
   */
  offsetsSince(topic: string, timeMs: number): Promise<Map<number, bigint>>;
  /** The batch that holds an offset; `undefined` when there is nothing to be read. */
  batchAt(topic: string, partition: number, offset: bigint): Promise<BatchSight | undefined>;
  /**
   * Commits offsets for a group without members, all of them or none. Brokers refuse it with
   * `UNKNOWN_MEMBER_ID` while the group has members.
   */
  commit(group: string, topic: string, offsets: ReadonlyMap<number, bigint>): Promise<void>;
  /**
   * The group's committed offset of a partition, or `undefined`, after everything that was decided
   * before: safe to start from. (`committedOffsets` in offsets.ts may tell an older one for a moment
   * after the group's coordinator has moved.)
   */
  stableOffset(group: string, topic: string, partition: number): Promise<bigint | undefined>;
  /** Disconnects. */
  close(): Promise<void>;
}

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
/** In ListOffsets: the end. */
const LATEST = -1;
/** What a member of no generation sends, as Kafka's own admin client does. */
const NO_GENERATION = -1;

/** Makes the requests; connects when it is first used, and again after an error. */
export function clusterReader(settings: KafkaSettings): ClusterReader {
  const { use, close } = clientPool(settings, () => createCluster(settings));

  async function listOffsets(topic: string, timestamp: number): Promise<Map<number, bigint>> {
    return await use(async (cluster) => {
      await cluster.addTargetTopic(topic);
      await cluster.refreshMetadataIfNecessary();
      const partitions = cluster.findTopicPartitionMetadata(topic)
        .map(({ partitionId }) => ({ partition: partitionId }));
      const [found] = await cluster.fetchTopicsOffset([
        { topic, partitions, fromTimestamp: timestamp },
      ]);
      return new Map(
        (found?.partitions ?? []).map(({ partition, offset }) => [partition, BigInt(offset)]),
      );
    });
  }

  return {
    endOffsets: (topic) => listOffsets(topic, LATEST),
    async offsetsSince(topic, timeMs) {
      const found = await listOffsets(topic, timeMs);
      return new Map([...found].filter(([, offset]) => offset >= 0n));
    },
    async batchAt(topic, partition, offset) {
      return await use(async (cluster) => {
        await cluster.addTargetTopic(topic);
        await cluster.refreshMetadataIfNecessary();
        const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
        const broker = await cluster.findBroker({ nodeId: nodeId! });
        const { responses } = await broker.fetch({
          isolationLevel: READ_COMMITTED,
          maxWaitTime: 0,
          minBytes: 0,
          // Brokers always send a whole batch, however large; these ask for no more than one.
          maxBytes: 1,
          topics: [{
            topic,
            partitions: [{ partition, fetchOffset: offset.toString(), maxBytes: 1 }],
          }],
        });
        const { messages = [], abortedTransactions } = responses[0]?.partitions[0] ?? {};
        return sightOf(messages, abortedTransactions ?? []);
      });
    },
    async commit(group, topic, offsets) {
      await use(async (cluster) => {
        const coordinator = await cluster.findGroupCoordinator({ groupId: group });
        await coordinator.offsetCommit({
          groupId: group,
          groupGenerationId: NO_GENERATION,
          memberId: "",
          topics: [{
            topic,
            partitions: [...offsets].map(([partition, offset]) => ({
              partition,
              offset: offset.toString(),
            })),
          }],
        });
      });
    },
    async stableOffset(group, topic, partition) {
      return await use(async (cluster) => {
        const coordinator = await cluster.findGroupCoordinator({ groupId: group });
        const fetch = stableOffsetFetch({ group, topic, partition });
        const { apiKey, apiVersion } = fetch.request;
        if ((coordinator.versions?.[apiKey]?.maxVersion ?? 0) < apiVersion) {
          throw new UnsupportedBrokerError("exactly once needs brokers of Kafka 2.5 or newer");
        }
        return await coordinator.connectionPool.send(fetch);
      });
    },
    close,
  };
}

/**
 * A batch is aborted when the broker names an aborted transaction of its producer that began before
 * it: it only names those that end after the offset that was asked for.
 */
function sightOf(
  records: readonly FetchedRecord[],
  aborted: readonly { producerId: string; firstOffset: string }[],
): BatchSight | undefined {
  const batch = records[0]?.batchContext;
  if (batch === undefined) return undefined;
  const first = BigInt(batch.firstOffset);
  const isAborted = batch.inTransaction &&
    aborted.some(({ producerId, firstOffset }) =>
      producerId === batch.producerId && BigInt(firstOffset) <= first
    );
  const readable = records.filter((record) =>
    record.batchContext?.firstOffset === batch.firstOffset && !record.isControlRecord
  );
  const last = isAborted ? undefined : readable.at(-1);
  return { first, lastReadable: last === undefined ? undefined : BigInt(last.offset) };
}

function createCluster(settings: KafkaSettings): Cluster {
  const kafka = kafkaClient(settings) as unknown as Record<symbol, unknown>;
  const name = Object.getOwnPropertySymbols(kafka)
    .find(({ description }) => description === "private:Kafka:createCluster");
  const create = name === undefined ? undefined : kafka[name];
  if (typeof create !== "function") {
    throw new Error("this version of kafkajs makes its clusters in another way than 2.2.4");
  }
  return create({
    metadataMaxAge: 60_000,
    allowAutoTopicCreation: false,
    isolationLevel: READ_UNCOMMITTED,
  });
}
