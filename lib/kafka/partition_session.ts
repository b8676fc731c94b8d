/**
 * One partition from its assignment until it is taken away: opened, processed, recovered.
 *
 * For each batch the outputs, the dead letters, the changed state and the offset of the next record are
 * committed in one Kafka transaction: either all of it happened or nothing. The guarantee comes from
 * these steps, in this order, after every assignment ({@linkcode PartitionSession.open}):
 *
 * 1. Pause the partition, so that nothing is processed with state that an earlier owner knew.
 * 2. Fence: initialise the transactional id `<group>-<topic>-<partition>`. The broker aborts or
 *    completes the open transaction of the previous owner and refuses its later requests. Before that
 *    ask for the outcome of that transaction and write its end once more: brokers can lose it
 *    (kafkajs/transaction_outcome.ts).
 * 3. Read the committed offset: nobody else can move it from here on. It must be a stable one; after a
 *    failover the group's coordinator would otherwise report an older offset for a moment.
 * 4. Restore the state that belongs to that offset.
 * 5. Seek to it and resume. From now on the partition has one transaction after the other: each step
 *    is computed from the state that the last one has committed.
 *
 * After an error of a transaction we cannot know whether it committed. So the producer is discarded
 * and the steps run again: InitProducerId settles the old transaction, and the committed offset shows
 * which it was. What was fetched before is dropped.
 *
 * @module
 */
import type { Consumer, Producer, Transaction } from "kafkajs";
import { type Compression, compressionType } from "../compression.ts";
import type { CommittedOffset } from "../resumption.ts";
import { aborted, awakeMs, deadline, delayOrAbort, type Pulse, retry } from "../async.ts";
import type { AdaptiveSize } from "./adaptive_size.ts";
import { disconnect } from "./client.ts";
import type { AdminPool } from "./client_pool.ts";
import type { BatchPayload } from "./consume.ts";
import {
  answerKeeper,
  explain,
  FinalError,
  isConcurrentTransaction,
  isFenced,
  isRetriable,
  isTooLarge,
  isUnstable,
  placeOf,
  whileRetriable,
} from "./errors.ts";
import type { ClusterReader } from "./kafkajs/cluster.ts";
import { brokerError } from "./kafkajs/named_errors.ts";
import type { TransactionOutcome } from "./kafkajs/transaction_outcome.ts";
import { readMaxMessageBytes } from "./message_limits.ts";
import { type LogRange, resolveOffset } from "./offsets.ts";
import { Outputs, type ProduceBatch } from "./outputs.ts";
import {
  requireAcknowledged,
  takeOver,
  TRANSACTION_LIMIT_MS,
  transactionalProducer,
} from "./producers.ts";
import type { SourceRecord } from "./records.ts";
import type { TransactionEnd } from "./service_status.ts";
import type { KafkaSettings } from "./settings.ts";
import { transactionalId } from "../topics.ts";
import { commitSlices } from "./throttle.ts";

/** What one transaction does. */
export interface Step {
  /** Called once the transaction is committed: now the state may change. */
  committed(): void;
}

/** The work on one partition, for as long as it is assigned. */
export interface PartitionWork {
  /** Whether something has to be committed even though no record has come. */
  readonly pending: boolean;
  /**
   * The offset of the first record to process.
   *
   * @default The committed offset, or the first one that the topic still holds after it.
   */
  readonly start?: bigint;
  /**
   * Text that is committed with each offset.
   *
   * @default ""
   */
  readonly offsetMetadata?: string;
  /**
   * Turns records into a step. Must not change any state: a step that fails is dropped.
   *
   * @param to.outputs Takes what is written.
   * @param to.nextOffset The offset that is committed with the step.
   */
  step(records: readonly SourceRecord[], to: { outputs: Outputs; nextOffset: bigint }): Step;
}

/** A partition that this instance has just fenced. */
export interface Assignment {
  partition: number;
  /** The group's committed offset, if there is one. */
  committed: CommittedOffset | undefined;
  /** What the topic holds of the partition. */
  range: LogRange;
  /** Call it while the state is being restored: it goes on. */
  active(): void;
  /** Aborted when the partition is lost again. */
  signal: AbortSignal;
}

/** What the sessions of one processor share. */
export interface SessionContext {
  /** Where the brokers are. */
  settings: KafkaSettings;
  /** The consumer group, prefix included. */
  group: string;
  /** The topic that is read, prefix included. */
  topic: string;
  /** The delay per record, in milliseconds; 0 for none. */
  throttleMs: number;
  /** The topics that are written to. */
  outputs: readonly string[];
  /** The setting `max.message.bytes` of topics that are written to, where it is known. */
  maxMessageBytes: Map<string, number>;
  /**
   * How the outputs are compressed.
   *
   * @default "none"
   */
  compression?: Compression;
  /** What the topic holds, by partition; `undefined` for a partition without a leader. */
  ranges(): Promise<Map<number, LogRange | undefined>>;
  /** Prepares the work on a partition: restores its state. */
  open(assignment: Assignment): Promise<PartitionWork>;
  admin: AdminPool;
  /** For the committed offsets. */
  cluster: ClusterReader;
  /** The last initialisation of each partition's transactional id, awaited or given up. */
  fences: Map<number, Promise<void>>;
  /** How many records a transaction may process, so that it ends before it expires. */
  commitRecords: AdaptiveSize;
  /** Fires when the coordinator has confirmed the membership. */
  heartbeat: Pulse;
  /** Fires when a partition has advanced. */
  advanced: Pulse;
  /** Called at the end of each transaction of a partition that is still assigned. */
  onTransaction?: ((end: TransactionEnd) => void) | undefined;
  /** Ends the processor with an error. */
  fail(error: unknown): void;
  /** Aborted when the processing ends. */
  done: AbortSignal;
}

/** After this many failed transactions in a row the user is told why. */
const REPORTED_FAILURES = 3;
/** Gives up only after this many failures in a row and after `timeoutMs`: brokers may fail one by one. */
const TOLERATED_FAILURES = 6;
/**
 * How often restoring the state counts as progress without a commit in between: at the start, and after
 * a transaction has failed. One that fails again and again makes none.
 */
const COUNTED_RESTORES = 2;
/** How long a committed offset may lie behind the end of its partition, in milliseconds. */
const BEYOND_END_LIMIT_MS = 2_000;
/** How long to wait for the last initialisation of the same transactional id; after that, fail and retry. */
const PREVIOUS_INIT_LIMIT_MS = 1_000;
/** How long a transaction of an id that is initialised may seem to be open, in milliseconds. */
const UNDECIDED_LIMIT_MS = 5_000;
/** How long the broker may take to settle the last transaction, in milliseconds. */
const SETTLING_LIMIT_MS = 1_000;
/** The longest wait without a heartbeat, in milliseconds. */
const HEARTBEAT_MS = 1_000;

/** A record that its topic does not take. */
class OutputTooLargeError extends Error {}

/** The life of one assigned partition. */
export class PartitionSession {
  #context: SessionContext;
  #consumer: Consumer;
  #lost = new AbortController();
  #producer: Producer | undefined;
  #work: PartitionWork | undefined;
  #nextOffset = 0n;
  #isReady = false;
  /** Whether records are committed one by one, to find the one whose outputs are too large. */
  #isOneByOne = false;
  #committing: Promise<void> = Promise.resolve();
  #beyondSinceMs: number | undefined;
  /** How the last transaction ended, until it is certain that it has ended everywhere. */
  #outcome: TransactionOutcome | undefined;
  #undecidedSinceMs: number | undefined;
  #failing: { times: number; sinceMs: number } | undefined;
  #activeMs = awakeMs();
  /** How often the state was restored since the last commit. */
  #restores = 0;

  /** @param consumer The consumer that the partition is assigned to. */
  constructor(readonly partition: number, consumer: Consumer, context: SessionContext) {
    this.#consumer = consumer;
    this.#context = context;
  }

  /** The offset of the next record to process; `undefined` while the partition is being opened. */
  get position(): bigint | undefined {
    return this.#isReady ? this.#nextOffset : undefined;
  }

  /** When something was last done, by `awakeMs`: not when something was tried. */
  get activeMs(): number {
    return this.#activeMs;
  }

  /** Whether the last transaction has failed. */
  get isFailing(): boolean {
    return this.#failing !== undefined;
  }

  /** Resolves when no transaction is under way, however the last one ended. */
  get committing(): Promise<void> {
    return this.#committing;
  }

  /** Runs the steps of the module doc until they succeed, the partition is lost, or an error is final. */
  async open(): Promise<void> {
    const { settings, fail } = this.#context;
    const lastAnswer = answerKeeper();
    try {
      // An attempt has no limit itself: it may have to count a whole partition again.
      await retry(() => this.#openOnce(), {
        ...whileRetriable(settings, this.#lost.signal),
        onRetry: (error) => void lastAnswer(error),
      });
    } catch (error) {
      if (!this.#lost.signal.aborted) fail(lastAnswer(error));
    }
  }

  /** The partition was lost: stop whatever is under way. */
  drop(): void {
    this.#lost.abort();
    this.#isReady = false;
    if (this.#producer !== undefined) disconnect(this.#producer);
    this.#producer = undefined;
  }

  /**
   * Processes a batch and returns while its last transaction is still under way, so that the next
   * fetch need not wait for it. The next step of the partition does.
   */
  async process({ batch, heartbeat, resolveOffset }: BatchPayload): Promise<void> {
    await this.#committing;
    if (!this.#isReady) return;
    // Every #openOnce creates new work, so other work means that this batch is stale.
    const work = this.#work;
    const { done, throttleMs, commitRecords } = this.#context;
    const isCurrent = () => this.#isReady && this.#work === work && !done.aborted;
    if (BigInt(batch.fetchedOffset) !== this.#nextOffset) {
      // The client has jumped, as it does when the topic's retention has deleted the next record.
      this.open();
      return;
    }
    const records = batch.messages.slice(firstAtOrAfter(batch.messages, this.#nextOffset));
    const endOffset = BigInt(batch.lastOffset()) + 1n;
    const maxRecords = () => this.#isOneByOne ? 1 : commitRecords.value;
    for (const slice of commitSlices(records, endOffset, { throttleMs, maxRecords })) {
      if (!await this.#throttle(slice.records.length, { isCurrent, heartbeat })) return;
      await this.#committing;
      if (!isCurrent()) return;
      if (slice.nextOffset > this.#nextOffset) this.#startCommit(slice.records, slice.nextOffset);
      // Before the commit has ended: this moves the fetch position only, and opening seeks back.
      resolveOffset(String(slice.nextOffset - 1n));
      try {
        await heartbeat();
      } catch {
        // The group rebalances; kafkajs finds out by itself right after this handler.
        return;
      }
    }
  }

  async #openOnce(): Promise<void> {
    const { partition } = this;
    const { signal } = this.#lost;
    this.#pause();
    await this.#fence();
    const { committed, range } = await this.#readOffset();
    const isProgress = ++this.#restores <= COUNTED_RESTORES;
    const active = () => {
      if (isProgress) this.#activeMs = awakeMs();
    };
    const work = await this.#context.open({ partition, committed, range, active, signal });
    signal.throwIfAborted();
    const start = work.start ?? resolveOffset(committed?.offset, range);
    this.#requireHeld(start, range);
    this.#work = work;
    this.#nextOffset = start;
    if (work.pending) {
      const committing = this.#commit([], start);
      this.#committing = committing.catch(() => {});
      await committing;
      signal.throwIfAborted();
    }
    this.#resume();
  }

  /** Step 1. */
  #pause(): void {
    this.#isReady = false;
    try {
      this.#consumer.pause([{ topic: this.#context.topic, partitions: [this.partition] }]);
    } catch {
      // The consumer has crashed: its successor begins with everything paused.
    }
  }

  /** Step 2, with a new producer. */
  async #fence(): Promise<void> {
    const { settings, fences } = this.#context;
    const { signal } = this.#lost;
    if (this.#producer !== undefined) await disconnect(this.#producer, 500);
    signal.throwIfAborted();
    const producer = transactionalProducer(settings, {
      ...this.#context,
      partition: this.partition,
    });
    this.#producer = producer;
    const previous = fences.get(this.partition);
    const fenced = (async () => {
      // An initialisation that was given up goes on in the client; a late one would shut out ours.
      if (previous !== undefined) await deadline(previous, PREVIOUS_INIT_LIMIT_MS, { signal });
      await this.#settle();
      await takeOver(producer);
    })();
    fences.set(this.partition, fenced.catch(() => {}));
    await deadline(fenced, settings.timeoutMs, { signal });
  }

  /** Before the id is initialised: the coordinator forgets the outcome then. */
  async #settle(): Promise<void> {
    const { cluster, group, topic, outputs } = this.#context;
    const id = transactionalId(group, topic, this.partition);
    this.#outcome ??= await cluster.transactionOutcome(id).catch((error) => {
      if (isRetriable(error)) throw error;
      // A right is missing: the initialisation names it.
      return undefined;
    });
    const outcome = this.#outcome;
    if (outcome === undefined) return;
    // Another instance may own the partition by now: it must not be fenced.
    this.#lost.signal.throwIfAborted();
    const timeoutMs = TRANSACTION_LIMIT_MS;
    // An attempt that was cut off has left a transaction, which the next initialisation aborts first.
    await onceSettled(() =>
      cluster.settleTransaction({
        ...{ transactionalId: id, timeoutMs, outcome, group, topics: outputs },
      })
    );
  }

  /** Step 3. */
  async #readOffset(): Promise<{ committed: CommittedOffset | undefined; range: LogRange }> {
    const { cluster, ranges, group, topic } = this.#context;
    const committed = await cluster.stableOffset(group, topic, this.partition)
      .catch((error) => this.#undecided(error));
    this.#outcome = undefined;
    this.#undecidedSinceMs = undefined;
    // Read after the committed offset: an end from before may lie behind what was committed since.
    const range = (await ranges()).get(this.partition);
    if (range === undefined) {
      throw brokerError("LEADER_NOT_AVAILABLE", { topic, partition: this.partition });
    }
    return { committed, range };
  }

  /**
   * The id is initialised, so its transactions have ended. If the committed offset is still undecided
   * after a while, the end was lost and so was the outcome: the transaction is aborted, and its records
   * are processed again.
   */
  #undecided(error: Error): never {
    if (isUnstable(error) && this.#outcome === undefined) {
      this.#undecidedSinceMs ??= awakeMs();
      if (awakeMs() - this.#undecidedSinceMs > UNDECIDED_LIMIT_MS) {
        this.#outcome = "abort";
        this.#context.settings.note(
          `partition ${this.partition}: the brokers have lost the end of a transaction; it is aborted`,
        );
      }
    }
    throw error;
  }

  /**
   * For a moment after a leader has moved, a partition may seem to end before the committed offset. If
   * it goes on, records were lost: continuing at the end would skip or reprocess some, so an operator
   * must decide.
   */
  #requireHeld(start: bigint, range: LogRange): void {
    if (start <= range.end) {
      this.#beyondSinceMs = undefined;
      return;
    }
    const { group, topic } = this.#context;
    this.#beyondSinceMs ??= awakeMs();
    const isFinal = awakeMs() - this.#beyondSinceMs > BEYOND_END_LIMIT_MS;
    throw new (isFinal ? FinalError : Error)(
      `partition ${this.partition} of ${topic} ends at offset ${range.end}, but group ${group} has ` +
        `committed ${start}: the topic was recreated or has lost records; move the group ` +
        'with "deno task replay"',
    );
  }

  /** Step 5. */
  #resume(): void {
    const { topic, advanced } = this.#context;
    const { partition } = this;
    this.#consumer.seek({ topic, partition, offset: this.#nextOffset.toString() });
    this.#isReady = true;
    advanced.fire();
    this.#consumer.resume([{ topic, partitions: [partition] }]);
  }

  #startCommit(records: readonly SourceRecord[], nextOffset: bigint): void {
    // #recover is not awaited, but pauses synchronously: code that awaits #committing then sees it.
    this.#committing = this.#commit(records, nextOffset).catch((error) => {
      this.#recover(error instanceof OutputTooLargeError ? this.#tooLarge(error, records) : error);
    });
  }

  /** What is too large is tried once more, one by one: then the message can name the record. */
  #tooLarge({ message }: OutputTooLargeError, records: readonly SourceRecord[]): Error {
    if (records.length > 1) {
      this.#isOneByOne = true;
      return new Error(message);
    }
    const { topic } = this.#context;
    const { partition } = this;
    const offset = BigInt(records[0]?.offset ?? this.#nextOffset);
    return new FinalError(
      `what comes of the record at offset ${offset} of partition ${partition} of ${topic} is too ` +
        `large: ${message}; raise max.message.bytes of that topic, or move the group past the record: ` +
        `"deno task replay --partition ${partition} --to ${
          offset + 1n
        } --execute" with its --group`,
    );
  }

  async #commit(records: readonly SourceRecord[], nextOffset: bigint): Promise<void> {
    const { onTransaction } = this.#context;
    const startedMs = awakeMs();
    const ended = (isCommitted: boolean) =>
      onTransaction?.({
        ...{ partition: this.partition, records: records.length, isCommitted },
        seconds: (awakeMs() - startedMs) / 1_000,
      });
    try {
      await this.#transact(records, nextOffset);
    } catch (error) {
      if (!this.#lost.signal.aborted) ended(false);
      throw error;
    }
    this.#activeMs = awakeMs();
    this.#restores = 0;
    ended(true);
  }

  /** One transaction: outputs and offset, commit; the state changes last. */
  async #transact(records: readonly SourceRecord[], nextOffset: bigint): Promise<void> {
    const outputs = new Outputs(this.#context.maxMessageBytes);
    const step = this.#work!.step(records, { outputs, nextOffset });
    const transaction = await this.#producer!.transaction();
    // Either of them may come first: both belong to the transaction, and the commit follows both.
    const [sent, offsetSent] = await Promise.allSettled([
      this.#sendOutputs(transaction, { outputs, recordCount: records.length }),
      this.#sendOffset(transaction, nextOffset),
    ]);
    if (sent.status === "rejected") throw sent.reason;
    if (offsetSent.status === "rejected") throw offsetSent.reason;
    await transaction.commit();
    outputs.release();
    this.#nextOffset = nextOffset;
    this.#failing = undefined;
    step.committed();
    this.#context.advanced.fire();
  }

  async #sendOutputs(
    transaction: Transaction,
    { outputs, recordCount }: { outputs: Outputs; recordCount: number },
  ): Promise<void> {
    const { commitRecords } = this.#context;
    const limit = commitRecords.value;
    const usual = compressionType(this.#context.compression);
    const startedMs = awakeMs();
    for (const { topicMessages, targets, isOversized } of outputs.requests()) {
      // A single record may exceed the limit uncompressed, if it arrived compressed: it fits with gzip.
      const compression = isOversized ? compressionType("gzip") : usual;
      const sent = await transaction.sendBatch({ acks: -1, compression, topicMessages })
        .catch(async (error) => {
          throw isTooLarge(error) ? await this.#learnLimit(error, targets) : error;
        });
      requireAcknowledged(sent, targets);
    }
    commitRecords.took(recordCount, awakeMs() - startedMs, limit);
  }

  /**
   * After a batch that its topic does not take: makes the next ones smaller, and returns the error to
   * end this attempt with.
   */
  async #learnLimit(error: unknown, targets: ProduceBatch["targets"]): Promise<unknown> {
    const { admin, maxMessageBytes } = this.#context;
    const place = placeOf(error);
    const target = targets.find(({ topic, partition }) =>
      topic === place.topic && partition === place.partition
    );
    if (target === undefined) return error;
    const { topic, partition, count, bytes } = target;
    const limit = await admin.use((client) => readMaxMessageBytes(client, topic));
    const before = maxMessageBytes.get(topic) ?? Infinity;
    // A single record is tried once more, compressed, when its limit was not known.
    if (count === 1 && before < bytes) {
      const allowed = limit === undefined
        ? "the topic takes less"
        : `max.message.bytes is ${limit}`;
      return new OutputTooLargeError(
        `a record for partition ${partition} of ${topic} does not fit: it has ${bytes} bytes, ` +
          `and ${allowed}`,
      );
    }
    const isNews = limit !== undefined && limit < before;
    maxMessageBytes.set(topic, isNews ? limit : Math.floor(Math.min(bytes, before) / 2));
    return new Error(`${topic} does not take ${count} records at once`);
  }

  async #sendOffset(transaction: Transaction, nextOffset: bigint): Promise<void> {
    const { group, topic } = this.#context;
    const metadata = this.#work!.offsetMetadata ?? "";
    const partitions = [{ partition: this.partition, offset: nextOffset.toString(), metadata }];
    const offsets = { consumerGroupId: group, topics: [{ topic, partitions }] };
    // This may be the first request of the transaction; kafkajs does not retry it.
    await onceSettled(() => transaction.sendOffsets(offsets));
  }

  /** After a failed transaction: pause, and run the steps again unless another instance took over. */
  async #recover(error: unknown): Promise<void> {
    const { settings, heartbeat, fail, commitRecords } = this.#context;
    const { signal } = this.#lost;
    if (signal.aborted) return;
    this.#pause();
    commitRecords.failed();
    const failing = this.#failing ??= { times: 0, sinceMs: awakeMs() };
    failing.times++;
    const isTolerated = failing.times < TOLERATED_FAILURES ||
      awakeMs() - failing.sinceMs < settings.timeoutMs;
    if (!isRetriable(error) || !isTolerated) return fail(error);
    if (failing.times === REPORTED_FAILURES) {
      const { message } = explain(error, settings);
      settings.note(`partition ${this.partition}: transactions fail, trying again: ${message}`);
    }
    if (isFenced(error)) {
      // Either the partition has gone to another instance, or the broker has ended a transaction
      // that took too long. Fencing back at once would fence a rightful owner: only a heartbeat
      // that is answered proves that the partition is still ours.
      await Promise.race([heartbeat.next(), aborted(signal)]);
    }
    await this.open();
  }

  /** Applies the delay per record, with heartbeats; `false` when the batch is no longer to be processed. */
  async #throttle(
    recordCount: number,
    { isCurrent, heartbeat }: { isCurrent: () => boolean; heartbeat: () => Promise<void> },
  ): Promise<boolean> {
    const { throttleMs, done } = this.#context;
    if (throttleMs === 0) return true;
    const signal = AbortSignal.any([done, this.#lost.signal]);
    const untilMs = performance.now() + recordCount * throttleMs;
    for (let leftMs; (leftMs = untilMs - performance.now()) > 0;) {
      await delayOrAbort(Math.min(leftMs, HEARTBEAT_MS), signal);
      if (!isCurrent()) return false;
      this.#activeMs = awakeMs();
      try {
        if (leftMs > HEARTBEAT_MS) await heartbeat();
      } catch {
        return false;
      }
    }
    return true;
  }
}

/** Repeats at once what the broker refuses while it is still settling the last transaction. */
function onceSettled<T>(request: () => Promise<T>): Promise<T> {
  return retry(request, {
    minTimeout: 5,
    multiplier: 1,
    jitter: 0,
    limitMs: SETTLING_LIMIT_MS,
    isRetriable: isConcurrentTransaction,
  });
}

/** The index of the first record that is not before the offset. */
function firstAtOrAfter(records: readonly SourceRecord[], offset: bigint): number {
  if (records.length === 0 || BigInt(records[0]!.offset) >= offset) return 0;
  const index = records.findIndex((record) => BigInt(record.offset) >= offset);
  return index === -1 ? records.length : index;
}
