/**
 * Requests that kafkajs can send but does not offer: the end of a log with its open transactions, the
 * batch at an offset, a commit for a group without members, a committed offset that is safe to start
 * from, the ids of topics, and the outcome of a transaction.
 *
 * They use the cluster object that kafkajs creates for each client, so addresses, encryption, login
 * and retries are those of {@linkcode kafkaClient}. The object is not part of kafkajs's public API; if
 * it is missing, the first use throws.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { type DecodedRecord, filterAbortedMessages } from "./aborted_records.ts";
import { clientPool } from "../client_pool.ts";
import { kafkaClient } from "../client.ts";
import { batched, retry } from "../../async.ts";
import { FinalError, isLoading } from "../errors.ts";
import type { CommittedOffset } from "../../resumption.ts";
import type { SourceRecord } from "../records.ts";
import type { KafkaSettings } from "../settings.ts";
import { clusterOf } from "./admin_cluster.ts";
import { fetchedLog, lastOffsetOf } from "./fetched_records.ts";
import {
  type DescribedGroup,
  describeGroups,
  fetchOffsets,
  type ListedGroup,
  listGroups,
  type Offsets,
} from "./groups.ts";
import { NO_COMMIT, type StableOffset, stableOffsetFetch } from "./offset_fetch.ts";
import { brokerError } from "./named_errors.ts";
import { type ProtocolRequest, throwFailure } from "./protocol.ts";
import {
  type ClusterMetadata,
  FLEXIBLE_VERSION,
  ID_VERSION,
  metadataRequest,
} from "./topic_metadata.ts";
import { type TransactionOutcome, transactionOutcome } from "./transaction_outcome.ts";

/** A fetched record with the header of its batch. */
interface FetchedRecord extends SourceRecord, DecodedRecord {
  key: SourceRecord["key"];
  offset: string;
  timestamp: string;
}

/** kafkajs's broker, as far as it is used here. */
export interface Broker {
  listGroups(): Promise<{ groups: { groupId: string; protocolType: string }[] }>;
  describeGroups(request: { groupIds: string[] }): Promise<{ groups: DescribedGroup[] }>;
  offsetFetch(request: {
    groupId: string;
    topics: { topic: string; partitions: { partition: number }[] }[];
  }): Promise<{ responses: { partitions: { partition: number; offset: string }[] }[] }>;
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
  /** The supported versions, by API key. */
  versions: Record<number, { maxVersion: number } | undefined> | null;
  connectionPool: { send<A, B>(request: ProtocolRequest<A, B>): Promise<B> };
  initProducerId(request: { transactionalId: string; transactionTimeout: number }): Promise<{
    producerId: string;
    producerEpoch: number;
  }>;
  addPartitionsToTxn(
    request: ProducerTransaction & { topics: { topic: string; partitions: number[] }[] },
  ): Promise<unknown>;
  addOffsetsToTxn(request: ProducerTransaction & { groupId: string }): Promise<unknown>;
  endTxn(request: ProducerTransaction & { transactionResult: boolean }): Promise<unknown>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
  }): Promise<unknown>;
}

/** The transaction that a request is about. */
interface ProducerTransaction {
  transactionalId: string;
  producerId: string;
  producerEpoch: number;
}

/** kafkajs's cluster, as far as it is used here. */
export interface Cluster {
  getNodeIds(): string[];
  refreshMetadata(): Promise<void>;
  brokerPool: { findConnectedBroker(): Promise<Broker> };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number }[];
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  findGroupCoordinator(group: { groupId: string; coordinatorType?: number }): Promise<Broker>;
  fetchTopicsOffset(topics: {
    topic: string;
    partitions: { partition: number }[];
    fromTimestamp: number;
  }[]): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

/** The batch that holds an offset, as a `read_committed` reader sees it. */
export interface BatchSight {
  /** The offset of its first record. */
  first: bigint;
  /** The offset of its last record; `undefined` if it holds markers or aborted records. */
  lastReadable: bigint | undefined;
}

/** Where a partition begins and ends. */
export interface LogBounds {
  /** The first offset that still exists. */
  start: bigint;
  /** The last stable offset: all transactions before it are decided. */
  stable: bigint;
  /** The offset that the next record will get; never before `stable`. */
  end: bigint;
}

/** Sends the requests. */
export interface ClusterReader {
  /**
   * Where each partition begins and ends now; partitions that were just added are there. `undefined`
   * for a partition without a leader.
   */
  logBounds(topic: string): Promise<Map<number, LogBounds | undefined>>;
  hasTopic(topic: string): Promise<boolean>;
  /** All groups that the brokers list. Uses the brokers of the topic's cluster, which need not exist. */
  listGroups(topic: string): Promise<ListedGroup[]>;
  describeGroups(groups: readonly ListedGroup[]): Promise<DescribedGroup[]>;
  /** Fails when one may not describe a group, which need not exist: brokers do not list those. */
  requireVisible(group: string): Promise<void>;
  /** The committed offsets of groups in a topic; partitions without a commit are missing. */
  committedOffsets(
    groups: readonly ListedGroup[],
    topic: string,
  ): Promise<Map<string, Offsets>>;
  /**
   * When the first record at an offset or after it was sent, as a `read_committed` reader sees it, in
   * milliseconds since the epoch; `undefined` when there is none nearby.
   */
  timeAt(topic: string, partition: number, offset: bigint): Promise<number | undefined>;
  /**
   * The offset that the next record of each partition will get; partitions without a leader are
   * missing. (kafkajs's own `fetchTopicOffsets` returns the last stable offset: the beginning of the
   * first open transaction.)
   */
  endOffsets(topic: string): Promise<Map<number, bigint>>;
  /**
   * The first offset of each partition whose record has that timestamp or a later one; partitions
   * without such a record are missing.
   */
  offsetsSince(topic: string, timeMs: number): Promise<Map<number, bigint>>;
  /** The batch that holds an offset; `undefined` when there is nothing to read. */
  batchAt(topic: string, partition: number, offset: bigint): Promise<BatchSight | undefined>;
  /**
   * The records from an offset on, as a `read_committed` reader sees them; whole batches, of about as
   * many bytes. `next` is the offset after them; `undefined` when there was nothing to read.
   */
  recordsAt(place: Place, maxBytes: number): Promise<{ records: SourceRecord[]; next?: bigint }>;
  /**
   * Commits offsets for a group without members, all of them or none. Brokers refuse it with
   * `UNKNOWN_MEMBER_ID` while the group has members.
   */
  commit(group: string, topic: string, offsets: ReadonlyMap<number, bigint>): Promise<void>;
  /**
   * The group's committed offset of a partition, or `undefined`, including every commit that was
   * acknowledged before: safe to start from. (`committedOffsets` in offsets.ts can return an older one
   * for a moment after the group's coordinator has moved.)
   *
   * @throws {FinalError} When the broker is older than Kafka 2.5.
   */
  stableOffset(
    group: string,
    topic: string,
    partition: number,
  ): Promise<CommittedOffset | undefined>;
  /**
   * How the last transaction of a transactional id ended; `undefined` when there was none, when the
   * id was initialised since, or when the broker is older than Kafka 3.0.
   */
  transactionOutcome(transactionalId: string): Promise<TransactionOutcome | undefined>;
  /**
   * Ends the partitions of the last transaction once more, with a transaction that is empty; see
   * transaction_outcome.ts. Fences all other owners of the transactional id.
   *
   * @throws {Error} When one of the partitions has no leader; another attempt can help.
   */
  settleTransaction(settlement: Settlement): Promise<void>;
  /**
   * The ids of the topics, in hex; topics that do not exist are missing. `undefined` when the brokers
   * are older than Kafka 2.8: their topics have none.
   */
  topicIds(topics: readonly string[]): Promise<Map<string, string> | undefined>;
  /** Disconnects. */
  close(): Promise<void>;
}

/** How long a coordinator may take to read its groups, in milliseconds. */
const LOADING_LIMIT_MS = 5_000;
/** The kinds of coordinators, as FindCoordinator takes them. */
const GROUP_COORDINATOR = 0;
const TRANSACTION_COORDINATOR = 1;
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
/** The timestamps that stand for the end and the beginning of the log in ListOffsets. */
const LATEST = -1;
const EARLIEST = -2;
/** The generation in a commit from outside the group, as Kafka's own admin client sends it. */
const NO_GENERATION = -1;

/** Creates a reader; it connects at its first use, and again after an error. */
export function clusterReader(settings: KafkaSettings): ClusterReader {
  const { use, close } = clientPool(settings, () => createCluster(settings, READ_UNCOMMITTED));
  const committed = clientPool(settings, () => createCluster(settings, READ_COMMITTED));
  // Partitions are opened together.
  const stableOffsets = new Map<string, (partition: number) => Promise<StableOffset[]>>();
  const topicIds = batched((topics: (readonly string[])[]) =>
    use((cluster) => fetchTopicIds(cluster, [...new Set(topics.flat())]))
  );
  return {
    async logBounds(topic) {
      await use((cluster) => refresh(cluster, topic));
      await committed.use((cluster) => refresh(cluster, topic));
      // The end comes first: what is written in between would otherwise seem to be undecided.
      const ends = await use((cluster) => listOffsets(cluster, topic, LATEST));
      const [starts, stables] = await committed.use((cluster) =>
        Promise.all([
          listOffsets(cluster, topic, EARLIEST),
          listOffsets(cluster, topic, LATEST),
        ])
      );
      const partitions = await use((cluster) =>
        Promise.resolve(cluster.findTopicPartitionMetadata(topic))
      );
      return new Map(partitions.map(({ partitionId: partition }) => {
        const stable = stables.get(partition);
        if (stable === undefined) return [partition, undefined];
        const end = ends.get(partition) ?? stable;
        return [partition, {
          start: starts.get(partition) ?? 0n,
          stable,
          end: end > stable ? end : stable,
        }];
      }));
    },
    // Not by kafkajs: a missing topic among those that it knows fails each request for their metadata.
    hasTopic: (topic) =>
      use(async (cluster) => (await fetchMetadata(cluster, [topic])).topics.has(topic)),
    listGroups: (topic) =>
      retry(() =>
        use(async (cluster) => {
          await cluster.addTargetTopic(topic).catch(() => cluster.refreshMetadata());
          return await listGroups(cluster);
        }), { minTimeout: 50, maxTimeout: 500, limitMs: LOADING_LIMIT_MS, isRetriable: isLoading }),
    describeGroups: (groups) => use((cluster) => describeGroups(cluster, groups)),
    requireVisible: (group) =>
      use(async (cluster) => {
        // Any broker knows the rights.
        const [nodeId] = cluster.getNodeIds();
        const broker = await cluster.findBroker({ nodeId: nodeId! });
        await broker.describeGroups({ groupIds: [group] }).catch((error) => {
          if (error.type === undefined || error.type === "GROUP_AUTHORIZATION_FAILED") throw error;
        });
      }),
    committedOffsets: (groups, topic) =>
      use(async (cluster) => {
        await cluster.addTargetTopic(topic);
        const partitions = cluster.findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => partitionId);
        return await fetchOffsets(cluster, groups, { topic, partitions });
      }),
    timeAt: (topic, partition, offset) =>
      use((cluster) => fetchTime(cluster, { topic, partition, offset })),
    endOffsets: (topic) => use((cluster) => listOffsets(cluster, topic, LATEST)),
    offsetsSince: (topic, timeMs) => use((cluster) => listOffsets(cluster, topic, timeMs)),
    batchAt: (topic, partition, offset) =>
      use((cluster) => fetchBatch(cluster, { topic, partition, offset })),
    recordsAt: (place, maxBytes) => use((cluster) => fetchRecords(cluster, place, maxBytes)),
    commit: (group, topic, offsets) =>
      use((cluster) => commitOffsets(cluster, { group, topic, offsets })),
    async stableOffset(group, topic, partition) {
      const fetch = stableOffsets.getOrInsertComputed(
        JSON.stringify([group, topic]),
        () =>
          batched((partitions) =>
            use((cluster) => fetchStableOffsets(cluster, { group, topic, partitions }))
          ),
      );
      const { offset, metadata, errorCode } = (await fetch(partition))
        .find((answer) => answer.partition === partition)!;
      throwFailure(errorCode, { api: "OffsetFetch", group, topic, partition });
      return offset === NO_COMMIT ? undefined : { offset, metadata };
    },
    transactionOutcome: (id) => use((cluster) => fetchOutcome(cluster, id)),
    settleTransaction: (settlement) => use((cluster) => settle(cluster, settlement)),
    topicIds,
    async close() {
      await Promise.all([close(), committed.close()]);
    },
  };
}

async function listOffsets(
  cluster: Cluster,
  topic: string,
  timestamp: number,
): Promise<Map<number, bigint>> {
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadataIfNecessary();
  const partitions = cluster.findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }));
  const [found] = await cluster.fetchTopicsOffset([
    { topic, partitions, fromTimestamp: timestamp },
  ]);
  const offsets = (found?.partitions ?? [])
    .map(({ partition, offset }) => [partition, BigInt(offset)] as const);
  return new Map(offsets.filter(([, offset]) => offset >= 0n));
}

async function refresh(cluster: Cluster, topic: string): Promise<void> {
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadata();
}

/** A place in a topic. */
export interface Place {
  topic: string;
  partition: number;
  offset: bigint;
}

async function fetchBatch(cluster: Cluster, place: Place): Promise<BatchSight | undefined> {
  const { messages, aborted } = await fetchAt(cluster, place);
  return sightOf(messages, aborted);
}

/** The number of batches in which to search for a readable one. */
const SEARCHED_BATCHES = 20;

async function fetchTime(cluster: Cluster, place: Place): Promise<number | undefined> {
  let { offset } = place;
  for (let count = 0; count < SEARCHED_BATCHES; count++) {
    const { messages, aborted } = await fetchAt(cluster, { ...place, offset });
    const sight = sightOf(messages, aborted);
    const log = fetchedLog(messages);
    if (sight === undefined || log === undefined) return undefined;
    if (sight.lastReadable !== undefined && sight.lastReadable >= offset) {
      const record = messages.find((each) => BigInt(each.offset) >= offset);
      return Number(record?.timestamp ?? log.first.firstTimestamp);
    }
    offset = lastOffsetOf(log.first) + 1n;
  }
  return undefined;
}

async function fetchRecords(
  cluster: Cluster,
  place: Place,
  maxBytes: number,
): Promise<{ records: SourceRecord[]; next?: bigint }> {
  const { messages, aborted } = await fetchAt(cluster, place, maxBytes);
  const log = fetchedLog(messages);
  if (log === undefined) return { records: [] };
  const committed = filterAbortedMessages({ messages, abortedTransactions: aborted });
  const records = committed.filter(({ isControlRecord, offset }) =>
    !isControlRecord && BigInt(offset) >= place.offset
  );
  const last = messages.at(-1);
  const next = log.lastOffset ?? (last === undefined ? undefined : BigInt(last.offset));
  return { records, ...(next !== undefined && { next: next + 1n }) };
}

/** The batch that holds an offset, and those that the broker sends with it. */
async function fetchAt(
  cluster: Cluster,
  { topic, partition, offset }: Place,
  /** Brokers send at least one whole batch, however large; this requests no more than that. */
  maxBytes = 1,
): Promise<{
  messages: FetchedRecord[];
  aborted: { producerId: string; firstOffset: string }[];
}> {
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadataIfNecessary();
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  const broker = await cluster.findBroker({ nodeId: nodeId! });
  const { responses } = await broker.fetch({
    isolationLevel: READ_COMMITTED,
    maxWaitTime: 0,
    minBytes: 0,
    maxBytes,
    topics: [{
      topic,
      partitions: [{ partition, fetchOffset: offset.toString(), maxBytes }],
    }],
  });
  const { messages = [], abortedTransactions } = responses[0]?.partitions[0] ?? {};
  return { messages, aborted: abortedTransactions ?? [] };
}

/** A cluster that knows no brokers yet would fail once and try again after a wait. */
async function coordinatorOf(
  cluster: Cluster,
  id: string,
  coordinatorType: number = GROUP_COORDINATOR,
): Promise<Broker> {
  if (cluster.getNodeIds().length === 0) await cluster.refreshMetadata();
  return await cluster.findGroupCoordinator({ groupId: id, coordinatorType });
}

async function commitOffsets(
  cluster: Cluster,
  { group, topic, offsets }: {
    group: string;
    topic: string;
    offsets: ReadonlyMap<number, bigint>;
  },
): Promise<void> {
  const coordinator = await coordinatorOf(cluster, group);
  const partitions = [...offsets].map(([partition, offset]) => ({
    partition,
    offset: offset.toString(),
  }));
  await coordinator.offsetCommit({
    groupId: group,
    groupGenerationId: NO_GENERATION,
    memberId: "",
    topics: [{ topic, partitions }],
  });
}

async function fetchStableOffsets(
  cluster: Cluster,
  offsets: Parameters<typeof stableOffsetFetch>[0],
): Promise<StableOffset[]> {
  const coordinator = await coordinatorOf(cluster, offsets.group);
  const fetch = stableOffsetFetch(offsets);
  if (!supports(coordinator, fetch)) {
    throw new FinalError("exactly once needs brokers of Kafka 2.5 or newer");
  }
  return await coordinator.connectionPool.send(fetch);
}

/** A transaction that is ended once more. */
export interface Settlement {
  transactionalId: string;
  /** After this long the broker may abort it, in milliseconds. */
  timeoutMs: number;
  outcome: TransactionOutcome;
  /** The group whose offsets may be part of it. */
  group: string;
  /** The topics whose partitions may be part of it. */
  topics: readonly string[];
}

async function fetchOutcome(
  cluster: Cluster,
  transactionalId: string,
): Promise<TransactionOutcome | undefined> {
  const coordinator = await coordinatorOf(cluster, transactionalId, TRANSACTION_COORDINATOR);
  const request = transactionOutcome(transactionalId);
  if (!supports(coordinator, request)) return undefined;
  return await coordinator.connectionPool.send(request);
}

async function settle(
  cluster: Cluster,
  { transactionalId, timeoutMs, outcome, group, topics }: Settlement,
): Promise<void> {
  const found = await fetchMetadata(cluster, topics);
  const partitionsOf = topics.flatMap((topic) => {
    const partitions = found.topics.get(topic)?.partitions ?? [];
    const leaderless = partitions.find(({ leader }) => leader < 0);
    if (leaderless !== undefined) {
      throw brokerError("LEADER_NOT_AVAILABLE", { topic, partition: leaderless.partitionId });
    }
    return partitions.length === 0
      ? []
      : [{ topic, partitions: partitions.map(({ partitionId }) => partitionId) }];
  });
  const coordinator = await coordinatorOf(cluster, transactionalId, TRANSACTION_COORDINATOR);
  const { producerId, producerEpoch } = await coordinator.initProducerId({
    ...{ transactionalId, transactionTimeout: timeoutMs },
  });
  const transaction = { transactionalId, producerId, producerEpoch };
  await coordinator.addPartitionsToTxn({ ...transaction, topics: partitionsOf });
  await coordinator.addOffsetsToTxn({ ...transaction, groupId: group });
  await coordinator.endTxn({ ...transaction, transactionResult: outcome === "commit" });
}

async function fetchTopicIds(
  cluster: Cluster,
  topics: readonly string[],
): Promise<Map<string, string> | undefined> {
  const found = await fetchMetadata(cluster, topics);
  if (!found.hasIds) return undefined;
  return new Map([...found.topics.values()].flatMap(({ name, id }) => id ? [[name, id]] : []));
}

/**
 * The brokers, and those of the topics that exist.
 *
 * @throws {FinalError} When the broker is older than Kafka 2.4.
 */
export function topicMetadata(admin: Admin, topics: readonly string[]): Promise<ClusterMetadata> {
  return fetchMetadata(clusterOf(admin), topics);
}

async function fetchMetadata(
  cluster: Cluster,
  topics: readonly string[],
): Promise<ClusterMetadata & { hasIds: boolean }> {
  const broker = await cluster.brokerPool.findConnectedBroker();
  const request = [ID_VERSION, FLEXIBLE_VERSION]
    .map((version) => metadataRequest(topics, version))
    .find((request) => supports(broker, request));
  if (request === undefined) throw new FinalError("brokers of Kafka 2.4 or newer are needed");
  const hasIds = request.request.apiVersion === ID_VERSION;
  return { ...await broker.connectionPool.send(request), hasIds };
}

function supports({ versions }: Broker, { request }: ProtocolRequest<unknown, unknown>): boolean {
  return (versions?.[request.apiKey]?.maxVersion ?? 0) >= request.apiVersion;
}

/**
 * A batch is aborted if the response names an aborted transaction of its producer that begins at it or
 * before it: brokers name only those that end after the requested offset.
 */
function sightOf(
  records: readonly FetchedRecord[],
  aborted: readonly { producerId: string; firstOffset: string }[],
): BatchSight | undefined {
  const log = fetchedLog(records);
  const batch = log?.first;
  if (log === undefined || batch === undefined) return undefined;
  const first = BigInt(batch.firstOffset);
  const isAborted = batch.inTransaction &&
    aborted.some(({ producerId, firstOffset }) =>
      producerId === batch.producerId && BigInt(firstOffset) <= first
    );
  const readable = records.filter((record) =>
    record.batchContext?.firstOffset === batch.firstOffset && !record.isControlRecord
  );
  const isReadable = !isAborted && !batch.isControlBatch;
  if (isReadable && log.large !== undefined && log.lastOffset === undefined) {
    return { first, lastReadable: lastOffsetOf(batch) };
  }
  const last = isReadable ? readable.at(-1) : undefined;
  return { first, lastReadable: last === undefined ? undefined : BigInt(last.offset) };
}

function createCluster(settings: KafkaSettings, isolationLevel: number): Cluster {
  const kafka = kafkaClient(settings) as unknown as Record<symbol, unknown>;
  const name = Object.getOwnPropertySymbols(kafka)
    .find(({ description }) => description === "private:Kafka:createCluster");
  const create = name === undefined ? undefined : kafka[name];
  if (typeof create !== "function") {
    throw new Error("kafkajs has no createCluster as in version 2.2.4");
  }
  return create({
    // Topics may get more partitions at any time.
    metadataMaxAge: 1_000,
    allowAutoTopicCreation: false,
    isolationLevel,
  });
}
