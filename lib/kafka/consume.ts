/**
 * A consumer that is rebuilt when it crashes.
 *
 * kafkajs stops a consumer permanently on transient errors, such as a coordinator that moves or is
 * still loading: then this module discards it and makes a new one, until the signal is aborted, an
 * error is final, or no broker has answered for the settings' `timeoutMs`.
 *
 * @module
 */
import type { Consumer, EachBatchPayload } from "kafkajs";
import { aborted, awakeMs, deadline, delayOrAbort, holdClock } from "../async.ts";
import { disconnect, kafkaClient } from "./client.ts";
import { answerKeeper, explain, isRetriable } from "./errors.ts";
import type { FetchedBatch } from "./kafkajs/fetched_batch.ts";
import { watchOutage } from "./outage.ts";
import type { KafkaSettings } from "./settings.ts";

/** A batch, and what its handler may do. */
export type BatchPayload = EachBatchPayload & { batch: Pick<FetchedBatch, "fetchedOffset"> };

/** What to consume, and the functions that are called on the way. */
export interface Consumption {
  /** Where the brokers are. */
  settings: KafkaSettings;
  /** The group, or a function that gives one to each consumer that is built. */
  group: string | (() => string);
  /** The topic, read from its beginning unless an offset is committed or sought. */
  topic: string;
  /** Called as soon as the group has assigned partitions, before anything is fetched. */
  onAssigned(consumer: Consumer, partitions: number[]): void;
  /**
   * Called for each batch, including those with only transaction markers or aborted records, which
   * have no messages. Must resolve the batch's last offset for the consumer to go on; when it throws, the
   * consuming ends with its error.
   */
  onBatch(payload: BatchPayload): Promise<void>;
  /** Called when the coordinator has confirmed the membership. */
  onHeartbeat?(): void;
  /** Awaited, with a time limit, before the group is left. */
  onStop?(): Promise<unknown>;
  /** Called when the group is about to assign the partitions again. */
  onRejoining?(): void;
  /** Called when the consumer is gone, before a new one is made and at the end. */
  onLost(): void;
}

/**
 * The most that a fetch brings of one partition, in bytes. Twice as much is not faster and takes
 * 50 % more memory.
 */
const FETCH_BYTES = 524_288;
/** How many batches, of different partitions, are handled at once. */
const CONCURRENCY = 64;
/** How long the partitions of a topic are taken for all that it has, in milliseconds. */
const METADATA_AGE_MS = 3_000;
/** How long each step of a stop may take, in milliseconds. */
const STOP_LIMIT_MS = 6_000;
/** A stop gives up what it waits for when the brokers are silent for this long, in milliseconds. */
const STOP_SILENCE_MS = 1_500;
/** How long a stop waits for a join that is under way, in milliseconds. */
const JOIN_STOP_LIMIT_MS = 1_000;
/** The wait before a consumer is rebuilt, in milliseconds. */
const REBUILD_DELAY_MS = 500;
/** How long a member may stay silent before its partitions go to others, in milliseconds. */
const SESSION_LIMIT_MS = 6_000;
/** How long the group waits for members that have not rejoined, in milliseconds. */
const REBALANCE_LIMIT_MS = 12_000;
/** How long a broker may be silent to a member that joins, plus a margin, in milliseconds. */
const JOIN_LIMIT_MS = 15_000;
/** How often the silence of the brokers is checked, in milliseconds. */
const WATCH_INTERVAL_MS = 250;
/** The silence after which it is reported, in milliseconds. */
const SILENCE_NOTE_MS = 3_000;
/**
 * The silence after which a consumer is rebuilt, in milliseconds: longer than a request may take, and than
 * a member may be silent. After brokers were killed, kafkajs may wait without an end (docs/RELIABILITY.md).
 */
const STUCK_MS = 12_000;

/**
 * Consumes until the signal is aborted; leaves the group before it returns.
 *
 * @throws {Error} When an error is final, or no broker answered for `timeoutMs`.
 */
export async function consume(consumption: Consumption, signal: AbortSignal): Promise<void> {
  const { settings } = consumption;
  const brokers = new BrokerWatch(settings);
  const lastAnswer = answerKeeper();
  try {
    while (!signal.aborted) {
      try {
        await runConsumer(consumption, brokers, signal);
      } catch (error) {
        if (error instanceof HandlerError) throw error.cause;
        const answer = lastAnswer(error);
        if (!isRetriable(error) || brokers.failedForMs > settings.timeoutMs) {
          throw explain(answer, settings);
        }
      }
      await delayOrAbort(REBUILD_DELAY_MS, signal);
    }
  } finally {
    brokers.close();
  }
}

/** An error of the batch handler, as opposed to one of the client. */
class HandlerError extends Error {}

/** When the brokers last answered, and since when a consumer keeps crashing although they do. */
class BrokerWatch {
  #settings: KafkaSettings;
  #outage;
  #clock = holdClock();
  #answeredMs = awakeMs();
  #builtMs = awakeMs();
  #failingSinceMs: number | undefined;
  /** Whether a join is under way, during which brokers are silent. */
  joining = false;
  /** How long the consumer had not worked at its last crash, from the first crash or the last answer. */
  failedForMs = 0;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
    this.#outage = watchOutage(settings);
  }

  /** A new consumer takes the place of the former one. */
  built(): void {
    this.joining = false;
    this.#builtMs = awakeMs();
  }

  /** A broker has answered. */
  answered(): void {
    this.#answeredMs = awakeMs();
    this.#outage.over();
  }

  /** The consumer does its work. */
  works(): void {
    this.#failingSinceMs = undefined;
  }

  /** The consumer has crashed. */
  crashed(): void {
    const nowMs = awakeMs();
    const silenceMs = this.#silenceMs();
    this.#failingSinceMs = silenceMs > SILENCE_NOTE_MS ? undefined : this.#failingSinceMs ?? nowMs;
    this.failedForMs = Math.max(silenceMs, nowMs - (this.#failingSinceMs ?? nowMs));
  }

  /** @throws {DOMException} When the brokers have been silent for too long, at least to this consumer. */
  check(): void {
    const silenceMs = this.#silenceMs();
    const stuckMs = Math.min(silenceMs, awakeMs() - this.#builtMs);
    if (silenceMs > this.#settings.timeoutMs || stuckMs > STUCK_MS) {
      throw new DOMException("no broker answers", "TimeoutError");
    }
    if (silenceMs > SILENCE_NOTE_MS) this.#outage.noticed();
  }

  /** Waits for a step of a stop, as long as the brokers answer and the time lasts; never rejects. */
  async whileAnswering(step: Promise<unknown>, limitMs: number): Promise<void> {
    const silent = new AbortController();
    const watch = setInterval(() => {
      if (awakeMs() - this.#answeredMs > STOP_SILENCE_MS) silent.abort();
    }, WATCH_INTERVAL_MS);
    await deadline(step, limitMs, { signal: silent.signal }).catch(() => {});
    clearInterval(watch);
  }

  close(): void {
    this.#outage.closed();
    this.#clock[Symbol.dispose]();
  }

  #silenceMs(): number {
    return awakeMs() - this.#answeredMs - (this.joining ? JOIN_LIMIT_MS : 0);
  }
}

/** One consumer from its start until the signal is aborted; throws when it crashes. */
async function runConsumer(
  consumption: Consumption,
  brokers: BrokerWatch,
  signal: AbortSignal,
): Promise<void> {
  const consumer = buildConsumer(consumption);
  const crashed = Promise.withResolvers<never>();
  crashed.promise.catch(() => {});
  listen(consumer, { consumption, brokers, crashed: crashed.reject });
  const watch = setInterval(() => {
    try {
      brokers.check();
    } catch (error) {
      crashed.reject(error);
    }
  }, WATCH_INTERVAL_MS);
  const onBatch = async (payload: BatchPayload) => {
    try {
      await consumption.onBatch(payload);
      brokers.works();
    } catch (error) {
      crashed.reject(new HandlerError("handling a batch", { cause: error }));
    }
  };

  const stopped = aborted(signal);
  const starting = start(consumer, { ...consumption, onBatch }, signal);
  starting.catch(() => {});
  try {
    await Promise.race([crashed.promise, stopped, starting]);
    await Promise.race([crashed.promise, stopped]);
  } catch (error) {
    // Noted before the clean-up, which may take seconds.
    brokers.crashed();
    throw error;
  } finally {
    clearInterval(watch);
    if (signal.aborted) {
      await brokers.whileAnswering(Promise.resolve(consumption.onStop?.()), STOP_LIMIT_MS);
      // A member that is just joining can only leave once it is one.
      await brokers.whileAnswering(starting, JOIN_STOP_LIMIT_MS);
    } else consumption.onLost();
    await brokers.whileAnswering(disconnect(consumer, STOP_LIMIT_MS), STOP_LIMIT_MS);
    if (signal.aborted) consumption.onLost();
  }
}

function listen(
  consumer: Consumer,
  { consumption, brokers, crashed }: {
    consumption: Consumption;
    brokers: BrokerWatch;
    crashed: (error: unknown) => void;
  },
): void {
  brokers.built();
  consumer.on(consumer.events.CRASH, ({ payload }) => crashed(payload.error));
  consumer.on(consumer.events.REQUEST, () => brokers.answered());
  consumer.on(consumer.events.HEARTBEAT, () => {
    brokers.works();
    consumption.onHeartbeat?.();
  });
  consumer.on(consumer.events.CONNECT, () => brokers.joining = true);
  consumer.on(consumer.events.REBALANCING, () => {
    brokers.joining = true;
    consumption.onRejoining?.();
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    brokers.joining = false;
    consumption.onAssigned(consumer, payload.memberAssignment[consumption.topic] ?? []);
  });
}

function buildConsumer({ settings, group }: Consumption): Consumer {
  return kafkaClient(settings).consumer({
    groupId: typeof group === "string" ? group : group(),
    sessionTimeout: SESSION_LIMIT_MS,
    heartbeatInterval: 1_000,
    rebalanceTimeout: REBALANCE_LIMIT_MS,
    // Also how long a consumer whose partitions are all paused sleeps.
    maxWaitTimeInMs: 200,
    // What all partitions together bring is bounded in kafkajs/fetch_loop.ts.
    maxBytesPerPartition: FETCH_BYTES,
    metadataMaxAge: METADATA_AGE_MS,
    readUncommitted: false,
    allowAutoTopicCreation: false,
  });
}

async function start(
  consumer: Consumer,
  { settings, topic, onBatch }: Consumption,
  signal: AbortSignal,
): Promise<void> {
  await deadline(consumer.connect(), settings.timeoutMs, { signal });
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  if (signal.aborted) return;
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: CONCURRENCY,
    eachBatch: (payload) => onBatch(payload as BatchPayload),
  });
}
