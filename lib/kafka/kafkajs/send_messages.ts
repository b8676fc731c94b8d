/**
 * Sending messages of several partitions, each of them once.
 *
 * @module
 */

/** Messages of a topic, as `send` and `sendBatch` take them. */
interface TopicMessages {
  topic: string;
  messages: unknown[];
}

/** What a broker confirms for a partition. */
interface Confirmation {
  topicName: string;
  partition: number;
}

/** kafkajs's broker, as far as it is used here. */
interface Broker {
  nodeId: string;
  produce(request: object): Promise<unknown>;
}

/** kafkajs's cluster, as far as it is used here. */
interface Cluster {
  addMultipleTargetTopics(topics: string[]): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  refreshMetadata(): Promise<void>;
  findTopicPartitionMetadata(topic: string): unknown[];
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, unknown[]>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  removeBroker(address: { host?: string | undefined; port?: number | undefined }): void;
  isConnected(): boolean;
  connect(): Promise<void>;
}

/** kafkajs's keeper of producer ids, sequence numbers and transactions. */
interface EosManager {
  isTransactional(): boolean;
  getTransactionalId(): string;
  getProducerId(): number;
  getProducerEpoch(): number;
  addPartitionsToTransaction(data: { topic: string; partitions: object[] }[]): Promise<void>;
  getSequence(topic: string, partition: number): number;
  updateSequence(topic: string, partition: number, increment: number): void;
  acquireBrokerLock(broker: Broker): Promise<void>;
  releaseBrokerLock(broker: Broker): Promise<void>;
}

/** kafkajs's errors, as far as they are told apart here. */
interface ClientError extends Error {
  type?: string;
  retriable?: boolean;
  host?: string;
  port?: number;
}

/** What kafkajs's `sendMessages` module makes its function of. */
export interface SenderParts {
  /** The log. */
  logger: { error(message: string, extra: object): void };
  /** The connections. */
  cluster: Cluster;
  /** Names the partition of a message. */
  partitioner: unknown;
  /** The sequence numbers. */
  eosManager: EosManager;
  /** Tries again, with pauses, until `bail` is called. */
  retrier<T>(
    attempt: (bail: (error: Error) => void, count: number, timeMs: number) => Promise<T>,
  ): Promise<T>;
}

/** kafkajs's function that sends. */
export type SendMessages = (request: {
  acks: number;
  timeout: number;
  compression: number;
  topicMessages: TopicMessages[];
}) => Promise<Confirmation[]>;

/** What of kafkajs this needs. */
export interface SendInternals {
  /** The messages of each partition. */
  groupMessagesPerPartition(options: object): Record<string, unknown[]>;
  /** The confirmations in a produce response. */
  responseSerializer(response: unknown): Confirmation[];
  /** Whether an error says that the leader is another one now. */
  staleMetadata(error: Error): boolean;
}

const SETTLING_TRIES = 10;
const SETTLING_PAUSE_MS = 2;

/** The messages of one partition, on their way. */
interface Parcel {
  topic: string;
  partition: number;
  messages: unknown[];
  firstSequence: number | undefined;
  confirmation: Confirmation | undefined;
  /** Whether a broker has it; with `acks` 0 nobody says so. */
  done: boolean;
}

/**
 * Makes the function that sends.
 *
 * The original remembers which *broker* has answered (issue 1303). When one of several fails, it
 * tries again while the others are still under way: their messages are sent again with new sequence
 * numbers, and stored twice. When leaders have moved in between, a partition may be sent to a second
 * broker, or to none. Here each *partition* is remembered: it keeps the sequence number of its first
 * try, by which a broker knows what it has already, and nothing is tried again before every request
 * has ended.
 */
export function sendingEachPartitionOnce(internals: SendInternals): (
  parts: SenderParts,
) => SendMessages {
  return ({ logger, cluster, partitioner, eosManager, retrier }) =>
  async ({ acks, timeout, compression, topicMessages }) => {
    let parcels: Parcel[] | undefined;

    function pack(): Parcel[] {
      return topicMessages.flatMap(({ topic, messages }) => {
        const partitionMetadata = cluster.findTopicPartitionMetadata(topic);
        if (partitionMetadata.length === 0) {
          throw Object.assign(new Error(`no metadata of topic ${topic}`), { retriable: true });
        }
        const groups = internals.groupMessagesPerPartition({
          topic,
          partitionMetadata,
          messages,
          partitioner,
        });
        return Object.entries(groups).map(([partition, messages]) => ({
          topic,
          partition: Number(partition),
          messages,
          firstSequence: undefined,
          confirmation: undefined,
          done: false,
        }));
      });
    }

    /** What is not done yet, by the broker that leads its partition now. */
    async function byLeader(waiting: Parcel[]): Promise<Map<Broker, Parcel[]>> {
      const brokers = new Map<Broker, Parcel[]>();
      for (const parcel of waiting) {
        const leaders = cluster.findLeaderForPartitions(parcel.topic, [parcel.partition]);
        const [nodeId] = Object.keys(leaders);
        if (nodeId === undefined) {
          const where = `partition ${parcel.partition} of ${parcel.topic}`;
          throw Object.assign(new Error(`${where} has no leader`), { retriable: true });
        }
        const broker = await cluster.findBroker({ nodeId });
        const ofBroker = brokers.get(broker);
        if (ofBroker === undefined) brokers.set(broker, [parcel]);
        else ofBroker.push(parcel);
      }
      return brokers;
    }

    async function produce(broker: Broker, sent: Parcel[]): Promise<void> {
      await eosManager.acquireBrokerLock(broker);
      try {
        for (const parcel of sent) {
          if (parcel.firstSequence !== undefined) continue;
          const { topic, partition, messages } = parcel;
          parcel.firstSequence = eosManager.getSequence(topic, partition);
          eosManager.updateSequence(topic, partition, messages.length);
        }
        const response = await broker.produce({
          transactionalId: eosManager.isTransactional()
            ? eosManager.getTransactionalId()
            : undefined,
          producerId: eosManager.getProducerId(),
          producerEpoch: eosManager.getProducerEpoch(),
          acks,
          timeout,
          compression,
          topicData: byTopic(sent),
        });
        const confirmed = acks === 0 ? [] : internals.responseSerializer(response);
        for (const parcel of sent) {
          parcel.done = true;
          parcel.confirmation = confirmed.find(({ topicName, partition }) =>
            topicName === parcel.topic && partition === parcel.partition
          );
        }
      } finally {
        await eosManager.releaseBrokerLock(broker);
      }
    }

    /**
     * Right after a commit the broker is still writing its markers, and refuses the next transaction
     * for a few milliseconds: worth looking again soon.
     */
    async function addToTransaction(waiting: Parcel[]): Promise<void> {
      for (let attempt = 0;; attempt++) {
        try {
          return await eosManager.addPartitionsToTransaction(byTopic(waiting));
        } catch (error) {
          const isSettling = (error as ClientError).type === "CONCURRENT_TRANSACTIONS";
          if (!isSettling || attempt >= SETTLING_TRIES) throw error;
          await new Promise((resolve) => setTimeout(resolve, SETTLING_PAUSE_MS));
        }
      }
    }

    async function sendWaiting(): Promise<Confirmation[]> {
      await cluster.refreshMetadataIfNecessary();
      parcels ??= pack();
      const waiting = parcels.filter(({ done }) => !done);
      const brokers = await byLeader(waiting);
      if (eosManager.isTransactional()) await addToTransaction(waiting);
      const ended = await Promise.allSettled(
        [...brokers].map(([broker, sent]) => produce(broker, sent)),
      );
      const failed = ended.find(({ status }) => status === "rejected");
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
      return parcels.flatMap(({ confirmation }) => confirmation ?? []);
    }

    try {
      return await retrier(async (bail, retryCount, retryTime) => {
        await cluster.addMultipleTargetTopics(topicMessages.map(({ topic }) => topic));
        try {
          return await sendWaiting();
        } catch (thrown) {
          const error = thrown as ClientError;
          if (error.name === "KafkaJSConnectionClosedError") cluster.removeBroker(error);
          if (!cluster.isConnected()) {
            await cluster.connect();
            await cluster.refreshMetadata();
            throw error;
          }
          logger.error(`Failed to send messages: ${error.message}`, { retryCount, retryTime });
          const leadersMayHaveMoved = internals.staleMetadata(error) ||
            error.name.startsWith("KafkaJSConnection") ||
            (error.retriable === true && error.type !== "CONCURRENT_TRANSACTIONS");
          if (leadersMayHaveMoved) await cluster.refreshMetadata();
          else if (error.retriable !== true) bail(error);
          throw error;
        }
      });
    } catch (error) {
      // Whoever sends the same again sends it under the same sequence numbers.
      for (const { topic, partition, messages, firstSequence, done } of parcels ?? []) {
        if (firstSequence !== undefined && !done) {
          eosManager.updateSequence(topic, partition, -messages.length);
        }
      }
      throw error;
    }
  };
}

function byTopic(parcels: Parcel[]): { topic: string; partitions: Parcel[] }[] {
  const topics = new Map<string, Parcel[]>();
  for (const parcel of parcels) {
    const ofTopic = topics.get(parcel.topic);
    if (ofTopic === undefined) topics.set(parcel.topic, [parcel]);
    else ofTopic.push(parcel);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}
