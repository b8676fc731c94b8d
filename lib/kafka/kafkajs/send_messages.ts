/**
 * Sending messages to several partitions, each message once.
 *
 * @module
 */
import { recordCount } from "./record_batch.ts";

interface TopicMessages {
  topic: string;
  messages: { value?: unknown }[];
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
}

/** kafkajs's errors, as far as they are distinguished here. */
interface ClientError extends Error {
  type?: string;
  retriable?: boolean;
  host?: string;
  port?: number;
}

/** The arguments of kafkajs's `sendMessages` module, which creates the function that sends. */
interface ProducerParts {
  logger: { error(message: string, extra: object): void };
  cluster: Cluster;
  partitioner: unknown;
  eosManager: EosManager;
  /** Tries again, with growing delays, until `bail` is called. */
  retrier<T>(
    attempt: (bail: (error: Error) => void, count: number, timeMs: number) => Promise<T>,
  ): Promise<T>;
}

interface SendRequest {
  acks: number;
  timeout: number;
  compression: number;
  topicMessages: TopicMessages[];
}

type SendMessages = (request: SendRequest) => Promise<Confirmation[]>;

/** The functions of kafkajs that are used here. */
export interface SendInternals {
  /** Groups messages by the partition that the partitioner chooses. */
  groupMessagesPerPartition(options: object): Record<string, { value?: unknown }[]>;
  /** Reads the confirmations from a produce response. */
  responseSerializer(response: unknown): Confirmation[];
  /** Whether an error means that another broker leads the partition now. */
  staleMetadata(error: Error): boolean;
}

const CONCURRENT_TRANSACTIONS = "CONCURRENT_TRANSACTIONS";
const CONCURRENT_TRANSACTIONS_RETRIES = 10;
const CONCURRENT_TRANSACTIONS_DELAY_MS = 2;

/** The messages of one partition in one send. */
interface PartitionSend {
  topic: string;
  partition: number;
  messages: { value?: unknown }[];
  /** The sequence number of the first message; set by the first try. */
  firstSequence: number | undefined;
  confirmation: Confirmation | undefined;
  /** Whether a broker has accepted it; with `acks` 0, whether it was sent. */
  done: boolean;
}

/**
 * Creates the `sendMessages` module.
 *
 * The original remembers which *broker* has answered (issue 1303). When one of several requests fails,
 * it tries again while the others are still under way: their messages are sent again with new sequence
 * numbers and stored twice. When leaders have moved in between, a partition may be sent to a second
 * broker, or to none.
 *
 * The original also sends one request at a time to each broker, so that no later message overtakes one
 * that is sent again. Here that is the callers' part, who have one send outstanding per partition
 * (publisher.ts, partition_session.ts); those of other partitions need not wait for it.
 *
 * Here each *partition* is remembered. It keeps the sequence number of its first try, by which a broker
 * recognizes what it already has, and the next try starts only after every request has ended.
 */
export function sendingEachPartitionOnce(
  internals: SendInternals,
): (parts: ProducerParts) => SendMessages {
  return (parts) => (request) => new Send(internals, parts, request).run();
}

/** One call of `send` or `sendBatch`. */
class Send {
  readonly #internals: SendInternals;
  readonly #parts: ProducerParts;
  readonly #request: SendRequest;
  #partitions: PartitionSend[] | undefined;

  constructor(internals: SendInternals, parts: ProducerParts, request: SendRequest) {
    this.#internals = internals;
    this.#parts = parts;
    this.#request = request;
  }

  async run(): Promise<Confirmation[]> {
    const { cluster, eosManager, retrier } = this.#parts;
    const topics = this.#request.topicMessages.map(({ topic }) => topic);
    try {
      return await retrier(async (bail, retryCount, retryTime) => {
        await cluster.addMultipleTargetTopics(topics);
        try {
          return await this.#sendRemaining();
        } catch (error) {
          await this.#recover(error as ClientError, { bail, retryCount, retryTime });
          throw error;
        }
      });
    } catch (error) {
      // The same messages, sent again by the caller, get the same sequence numbers.
      for (const { topic, partition, messages, firstSequence, done } of this.#partitions ?? []) {
        if (firstSequence !== undefined && !done) {
          eosManager.updateSequence(topic, partition, -recordCount(messages));
        }
      }
      throw error;
    }
  }

  /** Prepares the next try, or calls `bail` when none can help. */
  async #recover(
    error: ClientError,
    { bail, ...attempt }: {
      bail: (error: Error) => void;
      retryCount: number;
      retryTime: number;
    },
  ): Promise<void> {
    const { cluster, logger } = this.#parts;
    if (error.name === "KafkaJSConnectionClosedError") cluster.removeBroker(error);
    if (!cluster.isConnected()) {
      await cluster.connect();
      await cluster.refreshMetadata();
      return;
    }
    logger.error(`Failed to send messages: ${error.message}`, attempt);
    const leadersMayHaveMoved = this.#internals.staleMetadata(error) ||
      error.name.startsWith("KafkaJSConnection") ||
      (error.retriable === true && error.type !== CONCURRENT_TRANSACTIONS);
    if (leadersMayHaveMoved) await cluster.refreshMetadata();
    else if (error.retriable !== true) bail(error);
  }

  async #sendRemaining(): Promise<Confirmation[]> {
    const { cluster, eosManager } = this.#parts;
    await cluster.refreshMetadataIfNecessary();
    this.#partitions ??= this.#groupByPartition();
    const remaining = this.#partitions.filter(({ done }) => !done);
    const brokers = await this.#groupByLeader(remaining);
    if (eosManager.isTransactional()) await this.#addToTransaction(remaining);
    const ended = await Promise.allSettled(
      [...brokers].map(([broker, sends]) => this.#produce(broker, sends)),
    );
    const failed = ended.find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    return this.#partitions.flatMap(({ confirmation }) => confirmation ?? []);
  }

  #groupByPartition(): PartitionSend[] {
    const { cluster, partitioner } = this.#parts;
    return this.#request.topicMessages.flatMap(({ topic, messages }) => {
      const partitionMetadata = cluster.findTopicPartitionMetadata(topic);
      if (partitionMetadata.length === 0) {
        throw Object.assign(new Error(`no metadata of topic ${topic}`), { retriable: true });
      }
      const groups = this.#internals.groupMessagesPerPartition({
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

  async #groupByLeader(remaining: PartitionSend[]): Promise<Map<Broker, PartitionSend[]>> {
    const { cluster } = this.#parts;
    const brokers = new Map<Broker, PartitionSend[]>();
    for (const send of remaining) {
      const leaders = cluster.findLeaderForPartitions(send.topic, [send.partition]);
      const [nodeId] = Object.keys(leaders);
      if (nodeId === undefined) {
        const where = `partition ${send.partition} of ${send.topic}`;
        throw Object.assign(new Error(`${where} has no leader`), { retriable: true });
      }
      append(brokers, await cluster.findBroker({ nodeId }), send);
    }
    return brokers;
  }

  /**
   * Right after a commit the broker is still writing its markers and refuses the next transaction for
   * a few milliseconds, so the first retries come soon.
   */
  async #addToTransaction(remaining: PartitionSend[]): Promise<void> {
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#parts.eosManager.addPartitionsToTransaction(groupByTopic(remaining));
      } catch (error) {
        const isConcurrent = (error as ClientError).type === CONCURRENT_TRANSACTIONS;
        if (!isConcurrent || attempt >= CONCURRENT_TRANSACTIONS_RETRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, CONCURRENT_TRANSACTIONS_DELAY_MS));
      }
    }
  }

  async #produce(broker: Broker, sends: PartitionSend[]): Promise<void> {
    const { eosManager } = this.#parts;
    const { acks, timeout, compression } = this.#request;
    for (const send of sends) {
      if (send.firstSequence !== undefined) continue;
      const { topic, partition, messages } = send;
      send.firstSequence = eosManager.getSequence(topic, partition);
      eosManager.updateSequence(topic, partition, recordCount(messages));
    }
    const response = await broker.produce({
      transactionalId: eosManager.isTransactional() ? eosManager.getTransactionalId() : undefined,
      producerId: eosManager.getProducerId(),
      producerEpoch: eosManager.getProducerEpoch(),
      acks,
      timeout,
      compression,
      topicData: groupByTopic(sends),
    });
    const confirmed = acks === 0 ? [] : this.#internals.responseSerializer(response);
    for (const send of sends) {
      send.done = true;
      send.confirmation = confirmed.find(({ topicName, partition }) =>
        topicName === send.topic && partition === send.partition
      );
    }
  }
}

function groupByTopic(sends: PartitionSend[]): { topic: string; partitions: PartitionSend[] }[] {
  const topics = new Map<string, PartitionSend[]>();
  for (const send of sends) append(topics, send.topic, send);
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

function append<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
