/**
 * Publishing: accepted means stored.
 *
 * A record counts once all in-sync replicas have it (`acks=-1`). The producer is idempotent and has
 * one send outstanding per partition, so a retry can neither lose, repeat nor reorder. Each send
 * goes to one partition: kafkajs can lose a part of a send that spans brokers (its issue 1303).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Message, Producer } from "kafkajs";
import { awakeMs, deadline, delayOrAbort, Pulse, retry } from "../async.ts";
import { AdaptiveSize } from "./adaptive_size.ts";
import { connect, disconnect } from "./client.ts";
import { adminPool } from "./client_pool.ts";
import { explain, whileRetriable } from "./errors.ts";
import { watchOutage } from "./outage.ts";
import { partitionOf } from "./partitioner.ts";
import { idempotentProducer, requireAcknowledged } from "./producers.ts";
import type { KafkaSettings } from "./settings.ts";

/** What the brokers have confirmed. */
export interface Acknowledgement<T> {
  /** What was said about each record when it was handed over. */
  about: T[];
  /** The size of the keys and values, in bytes. */
  bytes: number;
  /** From handing a record over until all in-sync replicas had it, in milliseconds, per record. */
  latenciesMs: number[];
}

/** What a publisher publishes to, and the function that gets the acknowledgements. */
export interface PublisherOptions<T> {
  /** The topic, prefix included. */
  topic: string;
  /** How many partitions it has now; those that are added later are used, too. */
  partitions: number;
  /** Called for each send that the brokers have confirmed. */
  onAcknowledged: (acknowledgement: Acknowledgement<T>) => void;
}

/** A send of this size is worth its round trip. */
const SEND_BYTES = 262_144;
/** The size of a send over the link; brokers refuse batches above 1 MiB by default. */
const SENT_BYTES = {
  ...{ first: 32_768, min: 8_192, max: 786_432 },
  // Requests have ten seconds, and replicas far away may take a second or two to confirm.
  fastMs: 3_000,
};
/** How often the partitions of the topic are counted, in milliseconds. */
const PARTITIONS_INTERVAL_MS = 2_000;
/** How long closing may take, in milliseconds. */
const CLOSE_LIMIT_MS = 1_000;
/** The most that may be waiting or unacknowledged, in bytes: bounds the memory. */
const MAX_UNACKNOWLEDGED_BYTES = 8 * 1024 * 1024;

/**
 * Connects an idempotent producer.
 *
 * @throws {Error} When no broker answers within the settings' `timeoutMs`.
 */
export async function openPublisher<T>(
  settings: KafkaSettings,
  options: PublisherOptions<T>,
): Promise<Publisher<T>> {
  const producer = idempotentProducer(settings);
  try {
    await connect(producer, settings);
  } catch (error) {
    throw explain(error, settings);
  }
  return new Publisher(producer, settings, options);
}

/** Publishes records of one topic. */
export class Publisher<T> {
  #producer: Producer;
  #settings: KafkaSettings;
  #options: PublisherOptions<T>;
  #buffers: PartitionBuffer<T>[];
  #closed = new AbortController();
  #outage;
  #sendSize;
  #unacknowledgedBytes = 0;
  #failure: Error | undefined;
  #sent = new Pulse();

  /** Use {@linkcode openPublisher}. */
  constructor(producer: Producer, settings: KafkaSettings, options: PublisherOptions<T>) {
    this.#producer = producer;
    this.#settings = settings;
    this.#options = options;
    this.#buffers = Array.from({ length: options.partitions }, () => new PartitionBuffer<T>());
    this.#outage = watchOutage(settings);
    const fastMs = Math.min(SENT_BYTES.fastMs, settings.timeoutMs / 4);
    this.#sendSize = new AdaptiveSize({ ...SENT_BYTES, fastMs, slowMs: 2 * fastMs });
    this.#followPartitions();
  }

  /**
   * Hands a record over. Returns a promise when too much is waiting for acknowledgement: wait for
   * it before handing over more.
   *
   * @param about Comes back with the acknowledgement.
   */
  publish(key: string, value: string, about: T): Promise<void> | undefined {
    const partition = partitionOf(key, this.#buffers.length);
    const buffer = this.#buffers[partition]!;
    this.#unacknowledgedBytes += buffer.add({ partition, key, value }, about);
    if (buffer.bytes >= SEND_BYTES) this.#sendIfIdle(partition);
    const hasRoom = this.#unacknowledgedBytes <= MAX_UNACKNOWLEDGED_BYTES &&
      this.#failure === undefined;
    return hasRoom ? undefined : this.#drainTo(MAX_UNACKNOWLEDGED_BYTES);
  }

  /** Sends what is waiting instead of waiting for more. */
  nudge(): void {
    this.#buffers.forEach((_, partition) => this.#sendIfIdle(partition));
  }

  /**
   * Sends what is waiting; resolves when everything handed over is acknowledged.
   *
   * @throws {Error} When a record could not be stored.
   */
  flush(): Promise<void> {
    return this.#drainTo(0);
  }

  /** Disconnects; what is not acknowledged by then is given up. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#outage.closed();
    await disconnect(this.#producer, CLOSE_LIMIT_MS);
  }

  /** Uses the partitions that the topic gets. */
  async #followPartitions(): Promise<void> {
    const { topic } = this.#options;
    const { signal } = this.#closed;
    const admin = adminPool(this.#settings);
    for (;;) {
      await delayOrAbort(PARTITIONS_INTERVAL_MS, signal);
      if (signal.aborted) return await admin.close();
      const { topics } = await admin.use((client) => client.fetchTopicMetadata({ topics: [topic] }))
        .catch(() => ({ topics: [] }));
      const count = topics[0]?.partitions.length ?? 0;
      while (this.#buffers.length < count) this.#buffers.push(new PartitionBuffer());
    }
  }

  /** Keeps sending until at most this many bytes are unacknowledged. */
  async #drainTo(bytes: number): Promise<void> {
    while (this.#unacknowledgedBytes > bytes && this.#failure === undefined) {
      this.nudge();
      await this.#sent.next();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #sendIfIdle(partition: number): void {
    const { isSending, isEmpty } = this.#buffers[partition]!;
    if (!isSending && !isEmpty && this.#failure === undefined) this.#send(partition);
  }

  async #send(partition: number): Promise<void> {
    const buffer = this.#buffers[partition]!;
    const limit = this.#sendSize.value;
    const { messages, bytes, about, addedAtMs } = buffer.take(limit);
    buffer.isSending = true;
    const startedMs = performance.now();
    try {
      await this.#sendUntilAcknowledged(partition, messages);
      this.#sendSize.took(bytes, performance.now() - startedMs, limit);
      this.#outage.over();
      const nowMs = performance.now();
      const latenciesMs = addedAtMs.map((atMs) => nowMs - atMs);
      this.#options.onAcknowledged({ about, bytes, latenciesMs });
    } catch (error) {
      this.#failure ??= explain(error, this.#settings);
    }
    buffer.isSending = false;
    this.#unacknowledgedBytes -= bytes;
    if (buffer.bytes >= SEND_BYTES) this.#sendIfIdle(partition);
    this.#sent.fire();
  }

  /**
   * Sends until the brokers confirm, within the settings' time. The client gives up sooner when it
   * finds no broker at all; sending the same messages again is safe, because they get the same
   * sequence numbers, by which a broker recognises what it has already.
   */
  async #sendUntilAcknowledged(partition: number, messages: Message[]): Promise<void> {
    const { topic } = this.#options;
    const { timeoutMs } = this.#settings;
    const untilMs = awakeMs() + timeoutMs;
    await retry(async () => {
      const sent = this.#producer.send({ topic, acks: -1, messages });
      const result = await deadline(sent, untilMs - awakeMs());
      requireAcknowledged(result, [{ topic, partition }]);
    }, {
      ...whileRetriable(this.#settings, this.#closed.signal),
      onRetry: () => {
        this.#outage.noticed();
        this.#sendSize.failed();
      },
    });
  }
}

/** Records that wait for their partition's next send, in the order in which they were added. */
interface PendingBatch<T> {
  messages: Message[];
  /** The size of keys and values. */
  bytes: number;
  about: T[];
  addedAtMs: number[];
}

/** What waits for one partition, and whether a send is outstanding. */
class PartitionBuffer<T> {
  #waiting: PendingBatch<T> = emptyBatch();
  isSending = false;

  get bytes(): number {
    return this.#waiting.bytes;
  }

  get isEmpty(): boolean {
    return this.#waiting.messages.length === 0;
  }

  /** Adds a record and returns its size in bytes. */
  add(message: { partition: number; key: string; value: string }, about: T): number {
    const bytes = Buffer.byteLength(message.key) + Buffer.byteLength(message.value);
    const waiting = this.#waiting;
    waiting.messages.push(message);
    waiting.about.push(about);
    waiting.addedAtMs.push(performance.now());
    waiting.bytes += bytes;
    return bytes;
  }

  /** Takes what fits into one send; at least one record. */
  take(maxBytes: number): PendingBatch<T> {
    const waiting = this.#waiting;
    if (waiting.bytes <= maxBytes) {
      this.#waiting = emptyBatch();
      return waiting;
    }
    let count = 0;
    let bytes = 0;
    for (const message of waiting.messages) {
      const size = messageBytes(message);
      if (count > 0 && bytes + size > maxBytes) break;
      bytes += size;
      count++;
    }
    waiting.bytes -= bytes;
    return {
      messages: waiting.messages.splice(0, count),
      bytes,
      about: waiting.about.splice(0, count),
      addedAtMs: waiting.addedAtMs.splice(0, count),
    };
  }
}

function emptyBatch<T>(): PendingBatch<T> {
  return { messages: [], bytes: 0, about: [], addedAtMs: [] };
}

function messageBytes({ key, value }: Message): number {
  return Buffer.byteLength(key ?? "") + Buffer.byteLength(value ?? "");
}
