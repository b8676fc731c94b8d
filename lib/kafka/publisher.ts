/**
 * Publishing: accepted means stored.
 *
 * A record counts once all in-sync replicas have it (`acks=-1`). The producer is idempotent and has
 * one send outstanding per partition, so a retry can neither lose, repeat nor reorder. Each send
 * goes to one partition: kafkajs can lose a part of a send that spans brokers (its issue 1303).
 *
 * @module
 */
import type { Message, Producer } from "kafkajs";
import { awakeMs, delayOrAbort, nextTurn, Pulse } from "../async.ts";
import { type Compression, compressionType } from "../compression.ts";
import type { JsonWriter } from "../json_writer.ts";
import { AdaptiveSize } from "./adaptive_size.ts";
import { connect, disconnect } from "./client.ts";
import { adminPool } from "./client_pool.ts";
import { explain, isTooLarge, placeOf, retryWhileRetriable, trouble } from "./errors.ts";
import { BATCH_OVERHEAD_BYTES } from "./kafkajs/encode_records.ts";
import { batchMessage, RecordBatch } from "./kafkajs/record_batch.ts";
import { watchOutage } from "./outage.ts";
import { partitionOf } from "./partitioner.ts";
import { idempotentProducer, requireAcknowledged } from "./producers.ts";
import type { KafkaSettings } from "./settings.ts";

/** What the brokers have confirmed. */
export interface Acknowledgement<T> {
  /** What was said about each record when it was handed over. */
  about: T[];
  /** The partition that has them. */
  partition: number;
  /** The offset of the first; the others follow it without gaps. */
  firstOffset: bigint;
  /** The size of the records, in bytes. */
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
  /** The largest batch that it accepts, in bytes; Infinity when unknown. */
  maxBatchBytes: number;
  /**
   * How the records are compressed.
   *
   * @default "none"
   */
  compression?: Compression;
  /** Called for a record that is too large to be stored, with its key and the size of a batch of it alone. */
  onTooLarge: (about: T, record: { key: string; bytes: number }) => void;
  /** Called for each send that the brokers have confirmed. */
  onAcknowledged: (acknowledgement: Acknowledgement<T>) => void;
}

/** The size of a send over the link; one of the largest is worth its round trip. */
const SENT_BYTES = {
  ...{ first: 32_768, min: 8_192, max: 262_144 },
  // Requests have ten seconds, and replicas far away may take a second or two to confirm.
  fastMs: 3_000,
};
/** How often the partitions of the topic are counted, in milliseconds. */
const PARTITIONS_INTERVAL_MS = 2_000;
/** How long closing may take, in milliseconds. */
const CLOSE_LIMIT_MS = 1_000;
/** After this much the network gets a turn: sends go out and acknowledgements come in, in bytes. */
const TURN_BYTES = 131_072;
/** The most that may be waiting or unacknowledged, in bytes: bounds the memory. */
const MAX_UNACKNOWLEDGED_BYTES = 8 * 1024 * 1024;
/** The failed attempt from which on the user is told, from 0: a leader moves within one or two. */
const NOTED_ATTEMPT = 2;

/**
 * Connects an idempotent producer.
 *
 * @throws {Error} When no broker answers within the settings' `timeoutMs`.
 */
export async function openPublisher<T>(
  settings: KafkaSettings,
  options: PublisherOptions<T>,
  signal: AbortSignal,
): Promise<Publisher<T>> {
  try {
    const producer = await retryWhileRetriable(
      async () => {
        const producer = idempotentProducer(settings);
        await connect(producer, settings);
        return producer;
      },
      settings,
      { signal },
    );
    return new Publisher(producer, settings, options);
  } catch (error) {
    signal.throwIfAborted();
    const place = placeOf(error);
    if (place.api === "InitProducerId") place.topic ??= options.topic;
    throw explain(error, settings);
  }
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
  #sinceTurnBytes = 0;
  #turnMs: number | undefined;
  #maxBatchBytes: number;
  #failure: Error | undefined;
  #sent = new Pulse();

  /** Use {@linkcode openPublisher}. */
  constructor(producer: Producer, settings: KafkaSettings, options: PublisherOptions<T>) {
    this.#producer = producer;
    this.#settings = settings;
    this.#options = options;
    this.#buffers = Array.from({ length: options.partitions }, () => new PartitionBuffer<T>());
    this.#outage = watchOutage(settings);
    this.#maxBatchBytes = options.maxBatchBytes;
    const fastMs = Math.min(SENT_BYTES.fastMs, settings.timeoutMs / 4);
    this.#sendSize = new AdaptiveSize({ ...SENT_BYTES, fastMs, slowMs: 2 * fastMs });
    this.#followPartitions();
  }

  /**
   * Hands a record over. Returns a promise when too much is waiting for acknowledgement, or when it is
   * time for the network: wait for it before handing over more. A record that is too large is rejected
   * instead.
   *
   * @param write Writes the value.
   * @param about Comes back with the acknowledgement.
   * @param headers The headers of the record, if any.
   */
  publish(
    key: string,
    write: (to: JsonWriter) => void,
    about: T,
    headers?: Message["headers"],
  ): Promise<void> | undefined {
    const { maxBatchBytes, onTooLarge } = this.#options;
    const partition = partitionOf(key, this.#buffers.length);
    const buffer = this.#buffers[partition]!;
    const bytes = buffer.add({ key, write, about, headers, atMs: this.#nowMs() }, this.#limit);
    if (BATCH_OVERHEAD_BYTES + bytes > maxBatchBytes) {
      buffer.dropLast();
      onTooLarge(about, { key, bytes: BATCH_OVERHEAD_BYTES + bytes });
      return undefined;
    }
    this.#unacknowledgedBytes += bytes;
    this.#sinceTurnBytes += bytes;
    this.#sendIfLarge(partition);
    if (this.#unacknowledgedBytes > MAX_UNACKNOWLEDGED_BYTES || this.#failure !== undefined) {
      return this.#drainTo(MAX_UNACKNOWLEDGED_BYTES);
    }
    if (this.#sinceTurnBytes < TURN_BYTES) return undefined;
    this.#sinceTurnBytes = 0;
    return nextTurn();
  }

  /**
   * What is wrong with the partition of a key, for the user, while a send to it fails again and again:
   * what is handed over now has to wait for the end of it.
   */
  troubleOf(key: string): string | undefined {
    return this.#buffers[partitionOf(key, this.#buffers.length)]!.trouble;
  }

  /** Of each partition the oldest record that is not acknowledged, if there is one. */
  oldestUnacknowledged(): { key: string; about: T }[] {
    return this.#buffers.flatMap((buffer) => buffer.oldest ?? []);
  }

  /** Sends what has waited for so long, in milliseconds, instead of waiting for more. */
  nudge(waitedMs = 0): void {
    const untilMs = performance.now() - waitedMs;
    for (const [partition, { waitsSinceMs }] of this.#buffers.entries()) {
      if (waitsSinceMs <= untilMs) this.#sendIfIdle(partition);
    }
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
      // Something is on its way: until it is acknowledged, what waits can grow.
      if (bytes === 0 || !this.#buffers.some(({ isSending }) => isSending)) this.nudge();
      await this.#sent.next();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The time, read once a turn: a turn takes a millisecond, and thousands of readings take longer. */
  #nowMs(): number {
    if (this.#turnMs === undefined) {
      this.#turnMs = performance.now();
      nextTurn().then(() => this.#turnMs = undefined);
    }
    return this.#turnMs;
  }

  /** The largest batch that is sent now, in bytes. */
  get #limit(): number {
    return Math.min(this.#sendSize.value, this.#maxBatchBytes);
  }

  #sendIfIdle(partition: number): void {
    const { isSending, bytes } = this.#buffers[partition]!;
    if (!isSending && bytes > 0 && this.#failure === undefined) this.#send(partition);
  }

  #sendIfLarge(partition: number): void {
    if (this.#buffers[partition]!.bytes >= this.#limit) this.#sendIfIdle(partition);
  }

  async #send(partition: number): Promise<void> {
    const buffer = this.#buffers[partition]!;
    const limit = this.#sendSize.value;
    const batch = buffer.take(this.#limit);
    const { bytes } = batch;
    buffer.isSending = true;
    const startedMs = awakeMs();
    try {
      await this.#store(partition, batch);
      this.#sendSize.took(bytes, awakeMs() - startedMs, limit);
    } catch (error) {
      this.#failure ??= explain(error, this.#settings);
    }
    buffer.isSending = false;
    this.#unacknowledgedBytes -= bytes;
    this.#sendIfLarge(partition);
    this.#sent.fire();
  }

  /** Sends a batch, and its halves when it is too large for the brokers. */
  async #store(partition: number, batch: PendingBatch<T>): Promise<void> {
    const { records, bytes, about, addedAtMs } = batch;
    this.#buffers[partition]!.sent = batch;
    let firstOffset: bigint;
    try {
      firstOffset = await this.#sendUntilAcknowledged(partition, records);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      if (records.count === 1) {
        this.#options.onTooLarge(about[0]!, { key: records.keyAt(0), bytes: records.bytes });
        this.#buffers[partition]!.sent = undefined;
        return;
      }
      this.#maxBatchBytes = Math.min(this.#maxBatchBytes, Math.ceil(bytes / 2));
      const secondHalf = splitAt(batch, records.count >> 1);
      await this.#store(partition, batch);
      return await this.#store(partition, secondHalf);
    }
    this.#outage.over();
    this.#buffers[partition]!.sent = undefined;
    this.#buffers[partition]!.trouble = undefined;
    const nowMs = performance.now();
    const latenciesMs = addedAtMs.map((atMs) => nowMs - atMs);
    this.#options.onAcknowledged({ about, partition, firstOffset, bytes, latenciesMs });
    records.release();
  }

  /**
   * Sends until the brokers confirm, within the settings' time. The client gives up after a few
   * attempts, so that the reason is known; sending the same messages again is safe, because they get
   * the same sequence numbers, by which a broker recognises what it has already, and returns the offset
   * that it has there.
   *
   * @returns The offset of the first record.
   */
  async #sendUntilAcknowledged(partition: number, records: RecordBatch): Promise<bigint> {
    const { topic } = this.#options;
    const compression = compressionType(this.#options.compression);
    const messages = [batchMessage(partition, records)];
    return await retryWhileRetriable(
      async () => {
        const result = await this.#producer.send({ topic, acks: -1, compression, messages });
        requireAcknowledged(result, [{ topic, partition }]);
        return BigInt(result[0]!.baseOffset!);
      },
      this.#settings,
      {
        signal: this.#closed.signal,
        onRetry: (error, attempt) => {
          if (attempt >= NOTED_ATTEMPT) {
            const what = trouble(error, this.#settings);
            this.#outage.noticed(what);
            this.#buffers[partition]!.trouble = what;
          }
          this.#sendSize.failed();
        },
      },
    );
  }
}

/** Records of one partition in the order in which they were added. */
interface PendingBatch<T> {
  records: RecordBatch;
  /** The size of the records, each as the first of a batch. */
  bytes: number;
  about: T[];
  addedAtMs: number[];
}

/** A record that is handed over. */
interface NewRecord<T> {
  key: string;
  /** Writes the value. */
  write: (to: JsonWriter) => void;
  about: T;
  headers: Message["headers"];
  /** When, by `performance.now()`. */
  atMs: number;
}

/** What waits for one partition, and whether a send is outstanding. */
class PartitionBuffer<T> {
  /** The oldest first; the last one grows. */
  #batches: PendingBatch<T>[] = [];
  isSending = false;
  /** What was sent and is not acknowledged; it stays when the send fails. */
  sent: PendingBatch<T> | undefined;
  /** What is wrong, for the user, while a send fails again and again. */
  trouble: string | undefined;
  /** The size of the records. */
  bytes = 0;

  /** When the oldest record was added; Infinity when there is none. */
  get waitsSinceMs(): number {
    return this.#batches[0]?.addedAtMs[0] ?? Infinity;
  }

  /** The oldest record that is not acknowledged. */
  get oldest(): { key: string; about: T } | undefined {
    const batch = this.sent ?? this.#batches[0];
    return batch && { key: batch.records.keyAt(0), about: batch.about[0]! };
  }

  /** Adds a record to a batch of up to `limit` bytes; returns the size of the record. */
  add({ key, write, about, headers, atMs }: NewRecord<T>, limit: number): number {
    let batch = this.#batches.at(-1);
    if (batch === undefined) this.#batches.push(batch = emptyBatch());
    const { records } = batch;
    records.appendWritten(key, write, headers);
    const bytes = recordBytes(records, records.count - 1);
    batch.about.push(about);
    batch.addedAtMs.push(atMs);
    batch.bytes += bytes;
    this.bytes += bytes;
    if (records.bytes > limit && records.count > 1) {
      this.#batches.push(splitAt(batch, records.count - 1));
    }
    return bytes;
  }

  /** Removes the record that was added last. */
  dropLast(): void {
    const batch = this.#batches.at(-1)!;
    const { records, about, addedAtMs } = batch;
    const last = records.count - 1;
    const bytes = recordBytes(records, last);
    batch.bytes -= bytes;
    this.bytes -= bytes;
    records.truncate(last);
    about.length = last;
    addedAtMs.length = last;
    if (last === 0) this.#batches.pop();
  }

  /** Takes a batch of at most so many bytes; at least one record. */
  take(maxBytes: number): PendingBatch<T> {
    const batch = this.#batches.shift()!;
    const count = batch.records.countWithin(maxBytes);
    if (count < batch.records.count) this.#batches.unshift(splitAt(batch, count));
    this.bytes -= batch.bytes;
    return batch;
  }
}

function emptyBatch<T>(): PendingBatch<T> {
  return { records: new RecordBatch(), bytes: 0, about: [], addedAtMs: [] };
}

/** Takes the records from an index on out of a batch. */
function splitAt<T>(batch: PendingBatch<T>, index: number): PendingBatch<T> {
  let bytes = 0;
  for (let i = index; i < batch.records.count; i++) bytes += recordBytes(batch.records, i);
  batch.bytes -= bytes;
  return {
    records: batch.records.splitAt(index),
    bytes,
    about: batch.about.splice(index),
    addedAtMs: batch.addedAtMs.splice(index),
  };
}

function recordBytes(records: RecordBatch, index: number): number {
  return records.bytesAlone(index) - BATCH_OVERHEAD_BYTES;
}
