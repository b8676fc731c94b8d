/**
 * The view of a state topic: what all instances of a group have counted together.
 *
 * The view is complete up to a moment once it has read a barrier that was written at that moment, or
 * anything after it: {@linkcode StateView.readUpToBarrier} writes one to each partition and waits
 * until the view has read past that barrier's offset. Because the view reads `read_committed`, a barrier comes
 * after everything that was committed before it.
 *
 * @module
 */
import type { Producer } from "kafkajs";
import { deadline, Pulse } from "../async.ts";
import { formatSeconds } from "../duration.ts";
import { barrierRow, StateRows, type StateTable } from "../state_rows.ts";
import { connect, disconnect, kafkaClient } from "./client.ts";
import { explain, retryWhileRetriable } from "./errors.ts";
import { followTopic } from "./follow_topic.ts";
import { chosenPartition, requireAcknowledged } from "./producers.ts";
import type { KafkaSettings } from "./settings.ts";

/** How long closing may take, in milliseconds. */
const CLOSE_LIMIT_MS = 1_000;

/** Which topic to follow. */
export interface StateViewOptions<K, C extends object> {
  /** Where the brokers are. */
  settings: KafkaSettings;
  /** The state topic, prefix included. */
  topic: string;
  /** The consumer group whose counts these are, prefix included. */
  group: string;
  /** How many partitions the topic has. */
  partitions: number;
  /** The kind of state. */
  table: StateTable<K, C>;
  /** Takes the error when the topic cannot be followed any more. */
  onFailure: (error: Error) => void;
}

/** A state topic, followed until the signal is aborted. */
export class StateView<K, C extends object> {
  /** The rows as far as they are read. */
  readonly rows: StateRows<K, C>;
  /** The numbers of the partitions that are followed; more come while the topic gets more. */
  allPartitions: readonly number[];
  /** Resolves when the view has ended, after its signal was aborted. */
  readonly closed: Promise<void>;
  #options: StateViewOptions<K, C>;
  #generation = 0;
  #positions = new Map<number, bigint>();
  #advanced = new Pulse();
  #barriers: BarrierWriter;

  /** Starts to follow the topic. */
  constructor(options: StateViewOptions<K, C>, signal: AbortSignal) {
    const { settings, topic, group, partitions, table, onFailure } = options;
    this.#options = options;
    this.rows = new StateRows(table);
    this.allPartitions = Array.from({ length: partitions }, (_, partition) => partition);
    this.#barriers = new BarrierWriter(settings, topic);
    const following = followTopic({
      settings,
      topic,
      groupPrefix: `${group}-view`,
      onReset: (assigned) => {
        this.#generation++;
        this.allPartitions = assigned;
        this.rows.clear();
        this.#positions.clear();
      },
      onRecord: (key, value) => this.rows.apply({ key, value }),
      onPosition: (partition, nextOffset) => {
        this.#positions.set(partition, nextOffset);
        this.#advanced.fire();
      },
    }, signal);
    this.closed = following.catch(onFailure).then(() => this.#barriers.close());
  }

  /** Incremented whenever the view restarts from the beginning of the topic, empty. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Calls `read` once the rows of the partitions hold all that is committed now. It runs synchronously
   * at that moment, because the view may be reset before an awaiting caller resumes.
   *
   * @param onAdvance Called while these partitions are being read.
   * @throws The signal's reason, once it is aborted.
   * @throws {Error} When a barrier cannot be written, or is not read within the settings' `timeoutMs`.
   */
  async readUpToBarrier<T>(
    partitions: readonly number[],
    signal: AbortSignal,
    read: () => T,
    onAdvance: () => void = () => {},
  ): Promise<T> {
    const { topic, settings: { timeoutMs } } = this.#options;
    const barriers = await this.#barriers.write(partitions, signal);
    const positions = () => partitions.map((partition) => this.#positions.get(partition)).join();
    let before = positions();
    const isPast = ([partition, offset]: [number, bigint]) =>
      (this.#positions.get(partition) ?? 0n) > offset;
    for (;;) {
      const advanced = this.#advanced.next();
      if ([...barriers].every(isPast)) return read();
      try {
        await deadline(advanced, timeoutMs, { signal });
      } catch {
        signal.throwIfAborted();
        throw new Error(
          `topic ${topic} was not read to its end within ${formatSeconds(timeoutMs)}: no broker ` +
            "answers, or a transaction in it is not decided",
        );
      }
      const now = positions();
      if (now !== before) onAdvance();
      before = now;
    }
  }
}

/** Writes barriers, with a producer that connects in the background. */
class BarrierWriter {
  #settings: KafkaSettings;
  #topic: string;
  #producer: Producer;
  #connecting: Promise<void> | undefined;

  constructor(settings: KafkaSettings, topic: string) {
    this.#settings = settings;
    this.#topic = topic;
    // Deliberately not idempotent: an idempotent producer can get stuck permanently, and a barrier
    // written twice does no harm.
    this.#producer = kafkaClient(settings).producer({
      allowAutoTopicCreation: false,
      createPartitioner: chosenPartition,
    });
    this.#connect().catch(() => {});
  }

  /** Writes a barrier to each of the partitions and returns their offsets. */
  async write(
    partitions: readonly number[],
    signal: AbortSignal,
  ): Promise<Map<number, bigint>> {
    const topic = this.#topic;
    const messages = partitions.map((partition) => ({ partition, ...barrierRow(partition) }));
    try {
      return await retryWhileRetriable(
        async () => {
          await this.#connect();
          const result = await this.#producer.send({ topic, acks: -1, messages });
          requireAcknowledged(result, partitions.map((partition) => ({ topic, partition })));
          return new Map(
            result.map(({ partition, baseOffset }) => [partition, BigInt(baseOffset!)]),
          );
        },
        this.#settings,
        { signal },
      );
    } catch (error) {
      signal.throwIfAborted();
      throw explain(error, this.#settings);
    }
  }

  async close(): Promise<void> {
    await disconnect(this.#producer, CLOSE_LIMIT_MS);
  }

  #connect(): Promise<void> {
    return this.#connecting ??= connect(this.#producer, this.#settings).catch((error) => {
      this.#connecting = undefined;
      throw error;
    });
  }
}
