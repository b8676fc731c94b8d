/**
 * Storing single orders, each with an answer: where it is, that it was not stored, or that this is not
 * known.
 *
 * An order is handed to the publisher, which sends it until the brokers confirm. Who waits for it may
 * give up before; the answer still comes. A topic that is missing is created with the first order.
 *
 * @module
 */
import { deadline } from "../async.ts";
import { type OrderPlaced, writeOrder } from "../order.ts";
import { orderEvents } from "../topics.ts";
import { TRACEPARENT } from "../trace_context.ts";
import { withAdmin } from "./client.ts";
import { createMissingTopics } from "./create_topics.ts";
import { trouble } from "./errors.ts";
import { readMaxMessageBytes } from "./message_limits.ts";
import { openPublisher, type Publisher } from "./publisher.ts";
import type { KafkaSettings } from "./settings.ts";

/** Where an order is. */
export interface StoredAt {
  partition: number;
  offset: number;
}

/** The order is not stored, and will not be. */
export class NotStored extends Error {
  /** Its name in messages. */
  override name = "NotStored";

  /** @param reason Whether the brokers are away, or the order exceeds what the topic takes. */
  constructor(message: string, readonly reason: "away" | "too large") {
    super(message);
  }
}

/** What waits for its acknowledgement. */
type Waiting = PromiseWithResolvers<StoredAt>;

/** How long an order waits for the publisher to be opened, in milliseconds. */
const OPEN_LIMIT_MS = 5_000;

/** Stores orders. */
export class OrderStore {
  /** The topic of the orders. */
  readonly topic: string;
  #settings: KafkaSettings;
  #spec;
  #sendLimitMs: number;
  #signal: AbortSignal;
  #publisher: Promise<Publisher<Waiting>> | undefined;
  #open: Publisher<Waiting> | undefined;
  #waiting = new Set<Waiting>();
  #isFlushing = false;

  /**
   * Connects with the first order.
   *
   * @param options.sendLimitMs After this long an order that the brokers do not confirm is given up.
   */
  constructor(
    settings: KafkaSettings,
    { topicPrefix, sendLimitMs }: { topicPrefix: string; sendLimitMs: number },
    signal: AbortSignal,
  ) {
    this.#settings = settings;
    this.#spec = orderEvents(topicPrefix);
    this.topic = this.#spec.name;
    this.#sendLimitMs = sendLimitMs;
    this.#signal = signal;
  }

  /** How many orders are handed over and not acknowledged. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Opens the publisher of a topic that exists, so that the first order need not wait for it. */
  prepare(): void {
    // What is wrong is the answer to the first order.
    this.#opened().catch(() => {});
  }

  /**
   * Stores an order. Resolves when all in-sync replicas have it.
   *
   * @param traceparent The trace that it belongs to: a header of the record.
   * @throws {NotStored} When it was not handed over.
   * @throws {Error} When it is not known whether it is stored.
   */
  async store(order: OrderPlaced, traceparent: string): Promise<StoredAt> {
    const publisher = await this.#opened();
    const problem = publisher.troubleOf(order.order_id);
    if (problem !== undefined) throw new NotStored(problem, "away");
    const stored = Promise.withResolvers<StoredAt>();
    this.#waiting.add(stored);
    // How many may wait is bounded by the caller; a failure is that of flush.
    const headers = { [TRACEPARENT]: traceparent };
    publisher.publish(order.order_id, (to) => writeOrder(order, to), stored, headers)
      ?.catch(() => {});
    publisher.nudge();
    this.#flush(publisher);
    return await stored.promise;
  }

  /** Disconnects; what is not acknowledged by then is given up. */
  async close(): Promise<void> {
    await this.#open?.close();
  }

  async #opened(): Promise<Publisher<Waiting>> {
    this.#publisher ??= this.#openPublisher();
    try {
      return await deadline(this.#publisher, OPEN_LIMIT_MS);
    } catch (error) {
      throw new NotStored(trouble(error, this.#settings), "away");
    }
  }

  async #openPublisher(): Promise<Publisher<Waiting>> {
    const settings = this.#settings;
    try {
      const { partitions, maxBatchBytes } = await withAdmin(
        settings,
        this.#signal,
        async (admin) => {
          const created = await createMissingTopics(admin, [this.#spec], settings.note);
          const known = await readMaxMessageBytes(admin, this.topic).catch(() => undefined);
          return { partitions: created.get(this.topic)!, maxBatchBytes: known ?? Infinity };
        },
      );
      const lasting = { ...settings, timeoutMs: this.#sendLimitMs };
      return this.#open = await openPublisher<Waiting>(lasting, {
        topic: this.topic,
        partitions,
        maxBatchBytes,
        onTooLarge: (stored, { bytes }) => {
          this.#waiting.delete(stored);
          const message = `the order takes ${bytes} bytes, more than topic ${this.topic} accepts`;
          stored.reject(new NotStored(message, "too large"));
        },
        onAcknowledged: ({ about, partition, firstOffset }) => {
          about.forEach((stored, index) => {
            this.#waiting.delete(stored);
            stored.resolve({ partition, offset: Number(firstOffset) + index });
          });
        },
      }, this.#signal);
    } catch (error) {
      this.#publisher = undefined;
      throw error;
    }
  }

  /** Keeps sending while something waits; a publisher that has failed is replaced. */
  async #flush(publisher: Publisher<Waiting>): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      while (this.#waiting.size > 0) await publisher.flush();
      this.#isFlushing = false;
    } catch (error) {
      this.#isFlushing = false;
      this.#publisher = this.#open = undefined;
      const lost = [...this.#waiting];
      this.#waiting.clear();
      for (const { reject } of lost) reject(error);
      await publisher.close();
    }
  }
}
