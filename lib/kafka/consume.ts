/**
 * A consumer that is rebuilt when it crashes.
 *
 * kafkajs gives a consumer up for good on errors that pass, such as a coordinator that moves or is
 * still loading: then this module throws it away and makes a new one, until the signal is aborted,
 * an error is final, or no broker has answered for the connection's `timeoutMs`.
 *
 * @module
 */
import type { Consumer, EachBatchPayload } from "kafkajs";
import {
  type Connection,
  disconnect,
  explain,
  isRetriable,
  kafkaClient,
  within,
} from "./client.ts";
import { sleep } from "../async.ts";
import type { FetchedBatch } from "./kafkajs/fetched_batch.ts";
import { watchOutage } from "./outage.ts";

/** A batch, and what its handler may do. */
export type BatchPayload = EachBatchPayload & { batch: Pick<FetchedBatch, "fetchedOffset"> };

/** What to consume, and who is told. */
export interface Consumption {
  /** Where the brokers are. */
  connection: Connection;
  /** The consumer group. */
  group: string;
  /** The topic, read from its beginning unless an offset is committed or sought. */
  topic: string;
  /** How many batches, of different partitions, are handled at once. */
  concurrency: number;
  /** Called as soon as the group has assigned partitions, before anything is fetched. */
  onAssigned(consumer: Consumer, partitions: number[]): void;
  /**
   * Called for each batch, also for one of transaction markers and aborted records only, which has
   * no messages. Must resolve the batch's last offset for the consumer to go on; when it throws, the
   * consuming ends with its error.
   */
  onBatch(payload: BatchPayload): Promise<void>;
  /** Called when the coordinator has confirmed the membership. */
  onHeartbeat?(): void;
  /** Called before the group is left, which waits for it, but not long. */
  onStop?(): Promise<unknown>;
  /** Called when the consumer is gone, before a new one is made and at the end. */
  onLost(): void;
}

/**
 * What a fetch brings of a partition at most, in bytes. Twice as much is no faster and takes half as
 * much memory again.
 */
const FETCH_BYTES = 524_288;
/** How long each step of a stop may take, in milliseconds. */
const STOP_LIMIT_MS = 6_000;
/** How long a stop waits for a join that is under way, in milliseconds. */
const JOIN_STOP_LIMIT_MS = 1_000;
/** Waits before a consumer is rebuilt, in milliseconds. */
const REBUILD_DELAY_MS = 500;
/** How long a member may stay silent before its partitions go to others, in milliseconds. */
const SESSION_LIMIT_MS = 6_000;
/** How long the group waits for members that do not join again, in milliseconds. */
const REBALANCE_LIMIT_MS = 12_000;
/** So long a broker may rightly be silent to a member that joins, and some more. */
const JOIN_LIMIT_MS = 15_000;
/** How often the silence of the brokers is looked at, in milliseconds. */
const WATCH_INTERVAL_MS = 250;
/** From when on a user is told of the silence, in milliseconds. */
const SILENCE_NOTE_MS = 3_000;

/**
 * Consumes until the signal is aborted; leaves the group before it returns.
 *
 * @throws {Error} When an error is final, or no broker answered for `timeoutMs`.
 */
export async function consume(consumption: Consumption, signal: AbortSignal): Promise<void> {
  const { connection } = consumption;
  let lastContactMs = performance.now();
  const outage = watchOutage(connection);
  const onContact = () => {
    lastContactMs = performance.now();
    outage.over();
  };
  /** Since when the consumer crashes though brokers answer, with nothing done in between. */
  let failingSinceMs: number | undefined;
  let fault: { error: unknown } | undefined;
  let joining = false;
  const silenceMs = () => performance.now() - lastContactMs - (joining ? JOIN_LIMIT_MS : 0);

  while (!signal.aborted) {
    const consumer = buildConsumer(consumption);
    joining = false;
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => {});
    consumer.on(consumer.events.CRASH, ({ payload }) => crashed.reject(payload.error));
    consumer.on(consumer.events.REQUEST, onContact);
    consumer.on(consumer.events.HEARTBEAT, () => {
      failingSinceMs = undefined;
      consumption.onHeartbeat?.();
    });
    consumer.on(consumer.events.CONNECT, () => joining = true);
    consumer.on(consumer.events.REBALANCING, () => joining = true);
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      joining = false;
      consumption.onAssigned(consumer, payload.memberAssignment[consumption.topic] ?? []);
    });
    const watch = setInterval(() => {
      if (silenceMs() > connection.timeoutMs) {
        crashed.reject(new DOMException("no broker answers", "TimeoutError"));
      } else if (silenceMs() > SILENCE_NOTE_MS) {
        outage.noticed();
      }
    }, WATCH_INTERVAL_MS);

    const onBatch = async (payload: BatchPayload) => {
      try {
        await consumption.onBatch(payload);
        failingSinceMs = undefined;
      } catch (error) {
        fault ??= { error };
        crashed.reject(error);
      }
    };

    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const starting = start(consumer, { ...consumption, onBatch }, signal);
    starting.catch(() => {});
    try {
      await Promise.race([crashed.promise, stopped, starting]);
      await Promise.race([crashed.promise, stopped]);
    } catch (error) {
      if (fault !== undefined) throw fault.error;
      const now = performance.now();
      failingSinceMs = silenceMs() > SILENCE_NOTE_MS ? undefined : failingSinceMs ?? now;
      const failingMs = Math.max(silenceMs(), now - (failingSinceMs ?? now));
      if (!isRetriable(error) || failingMs > connection.timeoutMs) throw explain(error, connection);
    } finally {
      clearInterval(watch);
      if (signal.aborted) {
        const stopping = Promise.resolve(consumption.onStop?.());
        await within(STOP_LIMIT_MS, undefined, stopping).catch(() => {});
        // A member that is just joining can only leave once it is one.
        await within(JOIN_STOP_LIMIT_MS, undefined, starting).catch(() => {});
      } else consumption.onLost();
      await disconnect(consumer, STOP_LIMIT_MS);
      if (signal.aborted) consumption.onLost();
    }
    await sleep(REBUILD_DELAY_MS, signal);
  }
}

function buildConsumer(consumption: Consumption): Consumer {
  const { connection, group } = consumption;
  return kafkaClient(connection).consumer({
    groupId: group,
    sessionTimeout: SESSION_LIMIT_MS,
    heartbeatInterval: 1_000,
    rebalanceTimeout: REBALANCE_LIMIT_MS,
    // Also how long a consumer sleeps whose partitions are all paused.
    maxWaitTimeInMs: 200,
    maxBytesPerPartition: FETCH_BYTES,
    readUncommitted: false,
    allowAutoTopicCreation: false,
  });
}

async function start(
  consumer: Consumer,
  consumption: Consumption,
  signal: AbortSignal,
): Promise<void> {
  const { connection, topic, concurrency } = consumption;
  await within(connection.timeoutMs, signal, consumer.connect());
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  if (signal.aborted) return;
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: concurrency,
    eachBatch: (payload) => consumption.onBatch(payload as BatchPayload),
  });
}
