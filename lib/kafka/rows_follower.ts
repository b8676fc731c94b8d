/**
 * The rows of a state topic, followed by a program that only reads.
 *
 * Services read up to a barrier that they write (state_view.ts). A reader without the right to write
 * compares its position with the end of the topic at the moment when it began.
 *
 * @module
 */
import { delayOrAbort, retry } from "../async.ts";
import { StateRows, type StateTable } from "../state_rows.ts";
import { followTopic } from "./follow_topic.ts";
import type { ClusterReader } from "./kafkajs/cluster.ts";
import type { KafkaSettings } from "./settings.ts";

/** Which topic to follow. */
export interface RowsFollowerOptions<K, C extends object> {
  /** Where the brokers are. */
  settings: KafkaSettings;
  /** The state topic, prefix included; it need not exist yet. */
  topic: string;
  /** The follower's own consumer group starts with this; a random part follows. */
  groupPrefix: string;
  /** The kind of state. */
  table: StateTable<K, C>;
  /** For the end of the topic. */
  cluster: ClusterReader;
  /** Takes an error after which the topic is followed again. */
  onError: (error: unknown) => void;
}

/** How long to wait for a topic that is missing, and after an error, in milliseconds. */
const RETRY_DELAY_MS = 1_000;

/** Follows a state topic until the signal is aborted. */
export class RowsFollower<K, C extends object> {
  /** The rows as far as they are read. */
  readonly rows: StateRows<K, C>;
  /** Resolves when the following has ended. */
  readonly closed: Promise<void>;
  #options: RowsFollowerOptions<K, C>;
  #positions = new Map<number, bigint>();
  /** What was committed when the reading began; `undefined` until it is known. */
  #ends: Map<number, bigint> | undefined;
  #exists = false;
  #isComplete = false;
  /** Aborted when the topic is read from its beginning again. */
  #reading = new AbortController();

  /** Starts to follow. */
  constructor(options: RowsFollowerOptions<K, C>, signal: AbortSignal) {
    this.#options = options;
    this.rows = new StateRows(options.table);
    this.closed = this.#follow(signal);
  }

  /** Whether the topic was there when it was last looked for. */
  get exists(): boolean {
    return this.#exists;
  }

  /** Whether the rows hold all that was committed when the reading began. */
  get isComplete(): boolean {
    if (!this.#isComplete && this.#ends !== undefined) {
      this.#isComplete = [...this.#ends].every(([partition, end]) =>
        (this.#positions.get(partition) ?? 0n) >= end
      );
    }
    return this.#isComplete;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { settings, topic, groupPrefix, cluster, onError } = this.#options;
    while (!signal.aborted) {
      try {
        this.#exists = await cluster.hasTopic(topic);
        if (this.#exists) {
          await followTopic({
            ...{ settings, topic, groupPrefix },
            onReset: () => this.#reset(signal),
            onRecord: (key, value) => this.rows.apply({ key, value }),
            onPosition: (partition, next) => this.#positions.set(partition, next),
          }, signal);
        }
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
      await delayOrAbort(RETRY_DELAY_MS, signal);
    }
  }

  #reset(signal: AbortSignal): void {
    this.rows.clear();
    this.#positions.clear();
    this.#ends = undefined;
    this.#isComplete = false;
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#readEnds(AbortSignal.any([signal, this.#reading.signal]));
  }

  /** Asks until the brokers answer: without the ends the rows would never count as complete. */
  async #readEnds(signal: AbortSignal): Promise<void> {
    const { cluster, topic, onError } = this.#options;
    try {
      const bounds = await retry(() => cluster.logBounds(topic), {
        ...{ minTimeout: RETRY_DELAY_MS, multiplier: 1, jitter: 0, signal },
        onRetry: onError,
      });
      this.#ends = new Map(
        [...bounds].flatMap(([partition, found]) =>
          found === undefined || found.stable === found.start ? [] : [[partition, found.stable]]
        ),
      );
    } catch (error) {
      // Aborted: the topic is read again from the beginning, or not at all.
      if (!signal.aborted) throw error;
    }
  }
}
