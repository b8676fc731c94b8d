/**
 * Publishing: accepted means stored.
 *
 * A record counts once all in-sync replicas have it (`acks=-1`). The producer is idempotent and has
 * one send outstanding per partition, so a retry can neither lose, repeat nor reorder. Each send
 * goes to one partition: kafkajs can lose a part of a send that spans brokers (its issue 1303).
 *
 * @module
 */
import type { IHeaders, Message, Producer, RecordMetadata } from "kafkajs";
import {
  type Connection,
  disconnect,
  explain,
  isRetriable,
  kafkaClient,
  within,
} from "./client.ts";
import { sleep } from "../async.ts";
import { watchOutage } from "./outage.ts";
import { partitionOf } from "./partitioner.ts";

/** A record to be written, its partition chosen. */
export interface TargetRecord {
  /** The topic's full name. */
  topic: string;
  /** The partition. */
  partition: number;
  /** The key; `null` for none. */
  key: string | Buffer | null;
  /** The value; `null` is a tombstone. */
  value: string | Buffer | null;
  /** Headers, if any. */
  headers?: IHeaders;
}

/** What the brokers have confirmed. */
export interface Acknowledgement<T> {
  /** What was said about each record when it was handed over. */
  about: T[];
  /** The size of the keys and values, in bytes. */
  bytes: number;
  /** From handing a record over until all in-sync replicas had it, in milliseconds, per record. */
  latenciesMs: number[];
}

/** Publishes records of one topic. */
export interface Publisher<T> {
  /**
   * Hands a record over. Returns a promise when too much is waiting for acknowledgement: wait for
   * it before handing over more.
   *
   * @param about Comes back with the acknowledgement.
   */
  publish(key: string, value: string, about: T): Promise<void> | undefined;
  /** Sends what is waiting instead of waiting for more. */
  nudge(): void;
  /**
   * Sends what is waiting; resolves when everything handed over is acknowledged.
   *
   * @throws {Error} When a record could not be stored.
   */
  flush(): Promise<void>;
  /** Disconnects; what is not acknowledged by then is given up. */
  close(): Promise<void>;
}

/** Records of one partition on their way. */
interface Parcel<T> {
  messages: Message[];
  bytes: number;
  about: T[];
  addedAtMs: number[];
}

/** A partition: what waits for it, and whether a send is outstanding. */
interface Lane<T> {
  waiting: Parcel<T>;
  sending: boolean;
}

/** A send of this size is worth its round trip; brokers refuse batches above 1 MiB by default. */
const SEND_BYTES = 262_144;
const MAX_SEND_BYTES = 786_432;
/** Between two tries when no broker answers, in milliseconds. */
const RETRY_MS = 500;
/** What may be waiting or unacknowledged, in bytes: bounds the memory. */
const MAX_UNACKNOWLEDGED_BYTES = 8 * 1024 * 1024;

/**
 * Connects an idempotent producer.
 *
 * @param onAcknowledged Called for each send that the brokers have confirmed.
 */
export async function openPublisher<T>(
  connection: Connection,
  { topic, partitions, onAcknowledged }: {
    topic: string;
    partitions: number;
    onAcknowledged: (acknowledgement: Acknowledgement<T>) => void;
  },
): Promise<Publisher<T>> {
  const producer = idempotentProducer(connection);
  await connect(producer, connection);
  const lanes = Array.from({ length: partitions }, (): Lane<T> => ({
    waiting: emptyParcel(),
    sending: false,
  }));
  const closed = new AbortController();
  const outage = watchOutage(connection);
  let unacknowledgedBytes = 0;
  let failure: Error | undefined;
  let waiters: (() => void)[] = [];

  async function send(partition: number): Promise<void> {
    const lane = lanes[partition]!;
    const { messages, bytes, about, addedAtMs } = takeParcel(lane);
    lane.sending = true;
    try {
      await sendUntilAcknowledged(partition, messages);
      outage.over();
      const now = performance.now();
      onAcknowledged({ about, bytes, latenciesMs: addedAtMs.map((at) => now - at) });
    } catch (error) {
      failure ??= explain(error, connection);
    }
    lane.sending = false;
    unacknowledgedBytes -= bytes;
    if (lane.waiting.bytes >= SEND_BYTES) sendIfIdle(partition);
    const woken = waiters;
    waiters = [];
    woken.forEach((resolve) => resolve());
  }

  /**
   * Sends until the brokers confirm, for at most the connection's time. The client gives up sooner
   * when it finds no broker at all; sending the same messages again is safe, because they get the
   * same sequence numbers, by which a broker knows what it has already.
   */
  async function sendUntilAcknowledged(partition: number, messages: Message[]): Promise<void> {
    const deadline = performance.now() + connection.timeoutMs;
    for (;;) {
      const leftMs = deadline - performance.now();
      const sent = producer.send({ topic, acks: -1, messages });
      try {
        return requireAcknowledged(await within(leftMs, undefined, sent), [{ topic, partition }]);
      } catch (error) {
        const leftMs = deadline - performance.now();
        if (!isRetriable(error) || leftMs <= 0 || closed.signal.aborted) throw error;
        outage.noticed();
        await sleep(Math.min(RETRY_MS, leftMs), closed.signal);
      }
    }
  }

  function sendIfIdle(partition: number): void {
    const { sending, waiting } = lanes[partition]!;
    if (!sending && waiting.messages.length > 0 && failure === undefined) send(partition);
  }

  function nudge(): void {
    lanes.forEach((_, partition) => sendIfIdle(partition));
  }

  /** Keeps sending until no more than so many bytes are unacknowledged. */
  async function drainTo(bytes: number): Promise<void> {
    while (unacknowledgedBytes > bytes && failure === undefined) {
      nudge();
      await new Promise<void>((resolve) => waiters.push(resolve));
    }
    if (failure !== undefined) throw failure;
  }

  return {
    publish(key, value, about) {
      const partition = partitionOf(key, partitions);
      const lane = lanes[partition]!;
      const { waiting } = lane;
      const bytes = Buffer.byteLength(key) + Buffer.byteLength(value);
      waiting.messages.push({ partition, key, value });
      waiting.about.push(about);
      waiting.addedAtMs.push(performance.now());
      waiting.bytes += bytes;
      unacknowledgedBytes += bytes;
      if (waiting.bytes >= SEND_BYTES) sendIfIdle(partition);
      const room = unacknowledgedBytes <= MAX_UNACKNOWLEDGED_BYTES && failure === undefined;
      return room ? undefined : drainTo(MAX_UNACKNOWLEDGED_BYTES);
    },
    nudge,
    flush: () => drainTo(0),
    close() {
      closed.abort();
      return disconnect(producer);
    },
  };
}

function emptyParcel<T>(): Parcel<T> {
  return { messages: [], bytes: 0, about: [], addedAtMs: [] };
}

/** Takes from a lane what fits into one send. */
function takeParcel<T>(lane: Lane<T>): Parcel<T> {
  const { waiting } = lane;
  if (waiting.bytes <= MAX_SEND_BYTES) {
    lane.waiting = emptyParcel();
    return waiting;
  }
  let count = 0;
  let bytes = 0;
  while (count < waiting.messages.length) {
    const size = messageBytes(waiting.messages[count]!);
    if (count > 0 && bytes + size > MAX_SEND_BYTES) break;
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

function messageBytes({ key, value }: Message): number {
  return Buffer.byteLength(key ?? "") + Buffer.byteLength(value ?? "");
}

/** A producer that retries until it is acknowledged; callers bound it by a time. */
export function idempotentProducer(connection: Connection): Producer {
  return kafkaClient(connection).producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    createPartitioner: chosenPartition,
    retry: { retries: Number.MAX_SAFE_INTEGER },
  });
}

/** A partitioner for records that name their partition. */
export function chosenPartition(): ({ message }: { message: Message }) => number {
  return ({ message }) => {
    if (message.partition === undefined) throw new Error("a record without a partition");
    return message.partition;
  };
}

/** Connects a producer within the connection's time. */
export async function connect(producer: Producer, connection: Connection): Promise<void> {
  try {
    await within(connection.timeoutMs, undefined, producer.connect());
  } catch (error) {
    await disconnect(producer);
    throw explain(error, connection);
  }
}

/**
 * Checks that every partition that was sent to has confirmed.
 *
 * @throws {Error} When one has not.
 */
export function requireAcknowledged(
  result: readonly RecordMetadata[],
  sent: Iterable<{ topic: string; partition: number }>,
): void {
  const confirmed = new Set(
    result.filter(({ errorCode }) => errorCode === 0).map(({ topicName, partition }) =>
      `${topicName}/${partition}`
    ),
  );
  for (const { topic, partition } of sent) {
    if (!confirmed.has(`${topic}/${partition}`)) {
      throw new Error(`no acknowledgement from partition ${partition} of ${topic}`);
    }
  }
}
