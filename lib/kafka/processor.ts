/**
 * Consume, process, produce: exactly once.
 *
 * For each batch of a partition, the outputs, the dead letters, the changed state and the offset of
 * the next record are committed in one Kafka transaction: either all of it happened or nothing.
 *
 * The guarantee comes from this order, kept for every partition after every assignment:
 *
 * 1. pause the partition, so that nothing is processed with what an earlier owner knew;
 * 2. fence: initialise the transactional id `<group>-<topic>-<partition>`. The broker ends what a
 *    former owner has left open and refuses whatever that owner still sends;
 * 3. read the committed offset: nobody but us can move it from here on. The group's coordinator is
 *    asked for one that is stable: after a failover it would else tell an older one for a moment;
 * 4. restore the state that belongs to that offset;
 * 5. seek to it, and resume. From then on a partition has one transaction after the other: a step is
 *    made of the state that the last one has committed.
 *
 * On any error of a transaction nobody knows whether it was committed. So the producer is thrown
 * away and the steps are run again: the new initialisation settles the old transaction, and the
 * committed offset says what became of it. What was fetched before is dropped.
 *
 * @module
 */
import type { Consumer, Producer, Transaction } from "kafkajs";
import { describeError, printNote } from "../cli/output.ts";
import { adminPool } from "./client_pool.ts";
import { clusterReader } from "./kafkajs/cluster.ts";
import {
  type Connection,
  disconnect,
  explain,
  isConcurrentTransaction,
  isFenced,
  isRetriable,
  within,
} from "./client.ts";
import { sleep } from "../async.ts";
import { type BatchPayload, consume } from "./consume.ts";
import { committedOffsets, type LogRange, logRanges, resolveOffset } from "./offsets.ts";
import { requireAcknowledged, type TargetRecord } from "./publisher.ts";
import { takeOver, transactionalProducer } from "./producers.ts";

/** A record as it was read. */
export interface SourceRecord {
  /** Its offset, in decimal. */
  offset: string;
  /** Its key, as written. */
  key: Buffer | null;
  /** Its value, as written; `null` is a tombstone. */
  value: Buffer | null;
  /** Its headers. */
  headers?: TargetRecord["headers"];
}

/** What one transaction does. */
export interface Step {
  /** What is written. */
  outputs: TargetRecord[];
  /** Called once the transaction is committed: now the state may change. */
  committed(): void;
}

/** The work on one partition, for as long as it is assigned. */
export interface PartitionWork {
  /** Whether something has to be committed even though no record has come. */
  readonly pending: boolean;
  /**
   * Turns records into a step. Must not change any state: a step that fails is forgotten.
   *
   * @param nextOffset The offset that is committed with the step.
   */
  step(records: readonly SourceRecord[], nextOffset: bigint): Step;
}

/** A partition that this instance has just got, fenced. */
export interface Assignment {
  /** The partition. */
  partition: number;
  /** The group's committed offset, if there is one. */
  committed: bigint | undefined;
  /** The offset at which the work starts. */
  start: bigint;
  /** Aborted when the partition is lost again. */
  signal: AbortSignal;
}

/** What to process. */
export interface ProcessorOptions {
  /** Where the brokers are. */
  connection: Connection;
  /** The consumer group, prefix included. */
  group: string;
  /** The topic to read, prefix included. */
  topic: string;
  /** How many partitions the topic has. */
  partitions: number;
  /** Wait for each record, in milliseconds: to see what lag looks like. */
  throttleMs: number;
  /** Stop once everything that is in the topic now is processed and committed by the group. */
  untilEnd: boolean;
  /** Prepares the work on a partition: restores its state. */
  open(assignment: Assignment): Promise<PartitionWork>;
}

/** One partition from its assignment until it is taken away. */
interface Session {
  partition: number;
  consumer: Consumer;
  lost: AbortController;
  producer: Producer | undefined;
  work: PartitionWork | undefined;
  /** The offset of the next record to process; meaningful once ready. */
  nextOffset: bigint;
  ready: boolean;
  /** Resolves when no transaction is under way, however the last one ended. */
  committing: Promise<void>;
  /** How many transactions have failed since the last that was committed, and since when. */
  failing: { times: number; sinceMs: number } | undefined;
}

/** Records of one partition in one produce request: brokers refuse more than 1 MiB by default. */
const MAX_BATCH_BYTES = 1_000_000;
/** Compressions, by their numbers in record batches. */
const NO_COMPRESSION = 0;
const GZIP = 1;
/** How long a throttled step takes: short, so that the lag is seen to fall. */
const THROTTLED_STEP_MS = 250;
const END_POLL_MS = 100;
/** After so many transactions that failed one after the other the user is told. */
const TOLD_FAILURES = 3;
/** So many may fail, however long it takes: brokers may go away one by one. */
const PATIENT_FAILURES = 6;
/** How long a new owner waits for the end of an initialisation that was given up. */
const FORMER_FENCE_MS = 1_000;

/**
 * Processes until the signal is aborted, or until the end with `untilEnd`. The open transaction is
 * finished and the group left before it returns.
 *
 * @throws {Error} When an error is final, or the brokers have not answered for the connection's
 * `timeoutMs`.
 */
export async function runProcessor(options: ProcessorOptions, signal: AbortSignal): Promise<void> {
  const { connection, group, topic, partitions } = options;
  const admin = adminPool(connection);
  const cluster = clusterReader(connection);
  const sessions = new Map<number, Session>();
  /** The last initialisation of each partition's transactional id, whoever still waits for it. */
  const fences = new Map<number, Promise<void>>();
  const finished = new AbortController();
  const done = AbortSignal.any([signal, finished.signal]);
  let failure: Error | undefined;
  let joined = false;
  let heartbeats: (() => void)[] = [];
  /** Resolved when a partition has come further. */
  let progress = Promise.withResolvers<void>();

  const fail = (error: unknown) => {
    failure ??= explain(error, connection);
    finished.abort();
  };

  function drop(session: Session): void {
    session.lost.abort();
    session.ready = false;
    if (session.producer !== undefined) disconnect(session.producer);
    session.producer = undefined;
    if (sessions.get(session.partition) === session) sessions.delete(session.partition);
  }

  function onAssigned(consumer: Consumer, assigned: number[]): void {
    consumer.pause([{ topic, partitions: assigned }]);
    [...sessions.values()].forEach(drop);
    for (const partition of assigned) {
      const session: Session = {
        partition,
        consumer,
        lost: new AbortController(),
        producer: undefined,
        work: undefined,
        nextOffset: 0n,
        ready: false,
        committing: Promise.resolve(),
        failing: undefined,
      };
      sessions.set(partition, session);
      open(session);
    }
    if (joined || assigned.length < partitions) {
      printNote(`assigned partitions: ${assigned.length === 0 ? "none" : assigned.join(", ")}`);
    }
    joined = true;
  }

  /** Runs the steps of the module doc until they succeed or the partition is lost. */
  async function open(session: Session): Promise<void> {
    const { partition, consumer, lost } = session;
    const startedMs = performance.now();
    for (let attempt = 0; !lost.signal.aborted; attempt++) {
      try {
        await fence(session);
        const committed = await cluster.stableOffset(group, topic, partition);
        // Read after the committed offset: an end of before may lie behind what was committed since.
        const range = (await admin.use((client) => logRanges(client, topic))).get(partition)!;
        const start = resolveOffset(committed, range);
        if (start > range.end) {
          // For a moment so after a leader has moved; for good when the topic was made anew. To go on
          // at the end would do some records twice or never: that is for a person to decide.
          throw new Error(
            `partition ${partition} of ${topic} ends at offset ${range.end}, but group ${group} has ` +
              `committed ${committed}: the topic was made anew or has lost records; move the group ` +
              'with "deno task replay"',
          );
        }
        if (committed !== undefined && committed >= 0n && committed < start) {
          printNote(
            `partition ${partition}: offsets ${committed} to ${start - 1n} were deleted by the ` +
              "topic's retention before they were read",
          );
        }
        const work = await options.open({ partition, committed, start, signal: lost.signal });
        if (lost.signal.aborted) return;
        session.work = work;
        session.nextOffset = start;
        if (work.pending) {
          const committing = commit(session, [], start);
          session.committing = committing.catch(() => {});
          await committing;
        }
        if (lost.signal.aborted) return;
        consumer.seek({ topic, partition, offset: start.toString() });
        session.ready = true;
        progress.resolve();
        consumer.resume([{ topic, partitions: [partition] }]);
        return;
      } catch (error) {
        if (lost.signal.aborted) return;
        const patient = performance.now() - startedMs < connection.timeoutMs;
        if (!isRetriable(error) || !patient) return fail(error);
        await sleep(Math.min(1_000, 50 * 2 ** attempt), lost.signal);
      }
    }
  }

  /** Makes a new producer and takes over the transactional id: older owners are shut out. */
  async function fence(session: Session): Promise<void> {
    const { partition, lost } = session;
    if (session.producer !== undefined) await disconnect(session.producer, 500);
    lost.signal.throwIfAborted();
    const producer = transactionalProducer(connection, group, partition);
    session.producer = producer;
    const former = fences.get(partition);
    const fenced = (async () => {
      // What was given up goes on in the client for a while: its initialisation would shut out ours.
      if (former !== undefined) await within(FORMER_FENCE_MS, lost.signal, former);
      await takeOver(producer);
    })();
    fences.set(partition, fenced.catch(() => {}));
    await within(connection.timeoutMs, lost.signal, fenced);
  }

  async function commit(
    session: Session,
    records: readonly SourceRecord[],
    nextOffset: bigint,
  ): Promise<void> {
    const step = session.work!.step(records, nextOffset);
    const transaction = await session.producer!.transaction();
    for (const { topicMessages, targets } of packRequests(step.outputs)) {
      // A record alone may be too large as it is: it may have come compressed.
      const isLarge = targets.some(({ bytes }) => bytes > MAX_BATCH_BYTES);
      const compression = isLarge ? GZIP : NO_COMPRESSION;
      const sent = await transaction.sendBatch({ acks: -1, compression, topicMessages });
      requireAcknowledged(sent, targets);
    }
    await sendOffset(transaction, session.partition, nextOffset);
    await transaction.commit();
    session.nextOffset = nextOffset;
    session.failing = undefined;
    step.committed();
    progress.resolve();
  }

  async function sendOffset(
    transaction: Transaction,
    partition: number,
    offset: bigint,
  ): Promise<void> {
    const offsets = {
      consumerGroupId: group,
      topics: [{ topic, partitions: [{ partition, offset: offset.toString() }] }],
    };
    for (let attempt = 0;; attempt++) {
      try {
        return await transaction.sendOffsets(offsets);
      } catch (error) {
        // Without outputs this is the first request of the transaction, and the one before may
        // still be settling; kafkajs does not retry it.
        if (!isConcurrentTransaction(error) || attempt >= 50) throw error;
        await sleep(20);
      }
    }
  }

  function suspend(session: Session): void {
    session.ready = false;
    try {
      session.consumer.pause([{ topic, partitions: [session.partition] }]);
    } catch {
      // The consumer has crashed: its successor begins with everything paused.
    }
  }

  /** Runs the steps of the module doc once more. */
  async function reopen(session: Session): Promise<void> {
    suspend(session);
    await open(session);
  }

  /** After a failed transaction: stop, and run the steps again unless somebody took over. */
  async function recover(session: Session, error: unknown): Promise<void> {
    if (session.lost.signal.aborted) return;
    suspend(session);
    const failing = session.failing ??= { times: 0, sinceMs: performance.now() };
    failing.times++;
    const failingMs = performance.now() - failing.sinceMs;
    const patient = failingMs < connection.timeoutMs || failing.times < PATIENT_FAILURES;
    if (!isRetriable(error) || !patient) return fail(error);
    if (failing.times === TOLD_FAILURES) {
      printNote(
        `partition ${session.partition}: transactions fail, trying again: ${describeError(error)}`,
      );
    }
    if (isFenced(error)) {
      // Either the partition has gone to another instance, or the broker has ended a transaction
      // that took too long. Fencing back at once would throw out a rightful owner: only a
      // heartbeat that is answered proves that the partition is still ours.
      await Promise.race([
        new Promise<void>((resolve) => heartbeats.push(resolve)),
        new Promise<void>((resolve) =>
          session.lost.signal.addEventListener("abort", () => resolve(), { once: true })
        ),
      ]);
    }
    await open(session);
  }

  /**
   * Processes a batch and returns while its last transaction is still under way: so the next fetch
   * need not wait for it. The next step of the partition does.
   */
  async function onBatch({ batch, heartbeat, resolveOffset }: BatchPayload): Promise<void> {
    const session = sessions.get(batch.partition);
    await session?.committing;
    if (session === undefined || !session.ready) return;
    // Each opening makes new work: what was fetched before may not follow the last commit any more.
    const { work } = session;
    const isCurrent = () => session.ready && session.work === work && !done.aborted;
    if (BigInt(batch.fetchedOffset) !== session.nextOffset) {
      // The client has jumped, as it does when the topic's retention has deleted the next record.
      return void reopen(session);
    }
    const records = batch.messages.slice(firstAtOrAfter(batch.messages, session.nextOffset));
    for (const { chunk, nextOffset } of steps(records, BigInt(batch.lastOffset()) + 1n)) {
      const waitMs = chunk.length * options.throttleMs;
      if (!await throttle(waitMs, session, { isCurrent, heartbeat })) return;
      await session.committing;
      if (!isCurrent()) return;
      if (nextOffset > session.nextOffset) {
        session.committing = commit(session, chunk, nextOffset).catch((error) => {
          recover(session, error);
        });
      }
      resolveOffset(String(nextOffset - 1n));
      try {
        await heartbeat();
      } catch {
        // The group rebalances; kafkajs finds out by itself right after this handler.
        return;
      }
    }
  }

  /**
   * Splits a batch into what is committed at once: all of it, unless a throttle is to be seen.
   * Markers and aborted records at the end of the batch go with the last step.
   */
  function* steps(
    records: readonly SourceRecord[],
    endOffset: bigint,
  ): Generator<{ chunk: readonly SourceRecord[]; nextOffset: bigint }> {
    const size = options.throttleMs > 0
      ? Math.max(1, Math.floor(THROTTLED_STEP_MS / options.throttleMs))
      : Infinity;
    for (let from = 0; from === 0 || from < records.length; from += size) {
      const chunk = records.slice(from, from + size);
      const isLast = from + size >= records.length;
      yield { chunk, nextOffset: isLast ? endOffset : BigInt(chunk.at(-1)!.offset) + 1n };
    }
  }

  /** Waits, with heartbeats; `false` when there is nothing to wait for any more. */
  async function throttle(
    ms: number,
    session: Session,
    { isCurrent, heartbeat }: { isCurrent: () => boolean; heartbeat: () => Promise<void> },
  ): Promise<boolean> {
    const until = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0; leftMs = until - performance.now()) {
      await sleep(Math.min(leftMs, 1_000), AbortSignal.any([done, session.lost.signal]));
      if (!isCurrent()) return false;
      try {
        if (leftMs > 1_000) await heartbeat();
      } catch {
        return false;
      }
    }
    return true;
  }

  /** Ends the processing once the group has committed all that was there at the start. */
  async function watchEnd(): Promise<void> {
    let targets: Map<number, LogRange> | undefined;
    while (!done.aborted) {
      try {
        targets ??= await admin.use((client) => logRanges(client, topic));
        if (await hasReached(targets)) return finished.abort();
      } catch (error) {
        // Leaders may be moving; whether brokers answer at all, the consumer watches.
        if (!isRetriable(error)) throw error;
      }
      await Promise.race([sleep(END_POLL_MS, done), progress.promise]);
      progress = Promise.withResolvers();
    }
  }

  async function hasReached(targets: Map<number, LogRange>): Promise<boolean> {
    // What this instance has committed itself needs no asking.
    const reachedHere = [...targets].every(([partition, { end }]) => {
      const session = sessions.get(partition);
      return session?.ready === true && session.nextOffset >= end;
    });
    if (reachedHere) return true;
    const ready = joined && [...sessions.values()].every(({ ready }) => ready);
    if (!ready || sessions.size === targets.size) return false;
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    return [...targets].every(([partition, { start, end }]) =>
      (committed.get(partition) ?? start) >= end
    );
  }

  try {
    const consuming = consume({
      connection,
      group,
      topic,
      concurrency: partitions,
      onAssigned,
      onBatch,
      onHeartbeat: () => {
        const woken = heartbeats;
        heartbeats = [];
        woken.forEach((resolve) => resolve());
      },
      onStop: () => Promise.all([...sessions.values()].map(({ committing }) => committing)),
      onLost: () => [...sessions.values()].forEach(drop),
    }, done);
    if (options.untilEnd) watchEnd().catch(fail);
    await consuming;
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
  if (failure !== undefined) throw failure;
}

/** The index of the first record that is not before the offset. */
function firstAtOrAfter(records: readonly SourceRecord[], offset: bigint): number {
  if (records.length === 0 || BigInt(records[0]!.offset) >= offset) return 0;
  const index = records.findIndex((record) => BigInt(record.offset) >= offset);
  return index === -1 ? records.length : index;
}

/** One produce request, or one for each leader: the records by topic, and where they go. */
interface OutputRequest {
  topicMessages: { topic: string; messages: TargetRecord[] }[];
  targets: { topic: string; partition: number; bytes: number }[];
}

/** Packs outputs, in order, so that no partition gets more than a request may hold. */
function packRequests(outputs: readonly TargetRecord[]): OutputRequest[] {
  const requests: OutputRequest[] = [];
  let request: OutputRequest | undefined;
  for (const record of outputs) {
    const bytes = mostBytes(record);
    let target = request?.targets.find(({ topic, partition }) =>
      partition === record.partition && topic === record.topic
    );
    if (request === undefined || (target !== undefined && target.bytes + bytes > MAX_BATCH_BYTES)) {
      request = { topicMessages: [], targets: [] };
      requests.push(request);
      target = undefined;
    }
    if (target === undefined) {
      target = { topic: record.topic, partition: record.partition, bytes: 0 };
      request.targets.push(target);
    }
    target.bytes += bytes;
    const ofTopic = request.topicMessages.find(({ topic }) => topic === record.topic);
    if (ofTopic === undefined) {
      request.topicMessages.push({ topic: record.topic, messages: [record] });
    } else ofTopic.messages.push(record);
  }
  return requests;
}

/** No less than the size of a record on the wire, in bytes, without looking at its text. */
function mostBytes({ key, value, headers }: TargetRecord): number {
  const bytes = (part: string | Buffer | null) =>
    part === null ? 0 : typeof part === "string" ? part.length * 3 : part.length;
  let sum = 32 + bytes(key) + bytes(value);
  for (const [name, content] of Object.entries(headers ?? {})) {
    sum += 16 + 3 * (name.length + String(content).length);
  }
  return sum;
}
