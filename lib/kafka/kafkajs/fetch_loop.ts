/**
 * The loop in which a consumer fetches: it shows only what begins at the current position, no longer
 * waits for a fetch or a delay that has lost its purpose, fetches no more than the link carries, and
 * stays a member of its group however long a fetch or a batch takes.
 *
 * @module
 */
import { AdaptiveSize } from "../adaptive_size.ts";
import type { FetchedBatch } from "./fetched_batch.ts";
import { type FetchedSize, fetchedSizeOf } from "./fetched_records.ts";
import { LargeBatch } from "./large_batch.ts";

interface TopicPartition {
  topic: string;
  partition: number;
}

/** kafkajs's consumer group, as far as it is used here. */
interface ConsumerGroup {
  /** The positions; each assignment has a new manager. */
  offsetManager: {
    nextOffset(topic: string, partition: number): { toString(): string };
  } | null;
  subscriptionState: {
    /** Assigned and not paused. */
    active(): { partitions: number[] }[];
    assigned(): { topic: string; partitions: number[] }[];
  };
  /** How long a fetch may wait for records, in milliseconds. */
  maxWaitTime: number;
  /** The most that a fetch brings of all partitions together, in bytes. */
  maxBytes: number;
  /** The most that a fetch brings of a partition, in bytes. */
  maxBytesPerPartition: number;
  /** Sends a heartbeat, unless the last one is less than this many milliseconds ago. */
  heartbeat(options: { interval: number }): Promise<void>;
  /** Whether the next fetch has to move the position first. */
  hasSeekOffset(of: TopicPartition): boolean;
}

/** The methods of kafkajs that are replaced. */
export interface FetchLoop {
  /** Of the consumer group. */
  fetch(this: ConsumerGroup, nodeId: number): Promise<(FetchedBatch & TopicPartition)[]>;
  /** Of the consumer group. */
  resume(this: ConsumerGroup, partitions: unknown): void;
  /** Of the runner; calls that of the consumer group. */
  fetchOfRunner(this: { running: boolean }, nodeId: number): Promise<unknown[]>;
  /** Of the runner; calls the user's handler. */
  handleBatch(
    this: { consumerGroup: ConsumerGroup | null },
    batch: FetchedBatch & TopicPartition,
  ): Promise<void>;
  /** Of the runner. */
  stop(this: { consumerGroup: ConsumerGroup }): Promise<void>;
}

/** Several partitions are often resumed together; the next fetch should have all of them. */
const RESUME_DELAY_MS = 5;
/** What a fetch brings of all partitions together. More is not faster and takes more memory. */
const FETCH_BYTES = {
  ...{ first: 1_048_576, min: 16_384, max: 3_145_728 },
  // Half of the session, and a third of the time that requests have.
  ...{ fastMs: 1_000, slowMs: 3_000 },
};
/** The time between heartbeats during a fetch, a batch, or the reading of a large batch, in milliseconds. */
const HEARTBEAT_MS = 1_000;

/** Records that cannot be read; the message says which, why, and how to go on. */
export class UnreadableRecordsError extends Error {
  /** Its name in messages and logs. */
  override name = "UnreadableRecordsError";
}

/**
 * Creates the methods from the originals.
 *
 * Batches that do not begin at the current position are left out. A response may come after a seek,
 * after a rejoin or after the leader has moved; the original shows it, and the records between are
 * lost. The position is compared again right before the user sees a batch, because another fetch may
 * have led to a rejoin in the meantime.
 *
 * While everything is paused the original sleeps as long as a fetch may wait; here a resume ends that.
 * The original also waits for the fetches under way before it stops; here their answers are dropped.
 *
 * The original sends heartbeats between fetches and batches only: a fetch that takes longer than the
 * session, over a slow link, makes it lose its partitions, and so does every fetch after it.
 *
 * When the brokers of the cluster change, the original replaces its fetchers, even if it is stopped at
 * that moment. The new ones ask for batches and get none at once, without end: no timer, no signal and
 * no network has its turn again. Here the first of these fetches fails, which ends them.
 */
export function fetchLoop(original: FetchLoop): FetchLoop {
  const managers = new WeakMap<object, ConsumerGroup["offsetManager"]>();
  const interrupts = new WeakMap<ConsumerGroup, Interrupts>();
  const larges = new WeakMap<ConsumerGroup, LargeBatches>();
  const sizes = new WeakMap<ConsumerGroup, FetchSize>();

  function interruptsOf(group: ConsumerGroup): Interrupts {
    let found = interrupts.get(group);
    if (found === undefined) interrupts.set(group, found = new Interrupts());
    return found;
  }

  return {
    async fetch(nodeId) {
      const manager = this.offsetManager;
      if (isPaused(this)) {
        await interruptsOf(this).sleep(this.maxWaitTime);
        return [];
      }
      const size = sizes.getOrInsertComputed(this, () => new FetchSize(this));
      const took = size.limit(this);
      const fetched = withHeartbeats(this, original.fetch.call(this, nodeId));
      fetched.catch(() => size.failed());
      const batches = await interruptsOf(this).unlessStopped(fetched);
      if (batches === undefined) return [];
      took(batches);
      for (const batch of batches) {
        if (batch.large === undefined || !isCurrent(this, manager, batch)) continue;
        const large = larges.getOrInsertComputed(this, () => new LargeBatches(this));
        await interruptsOf(this).unlessStopped(large.read(batch, batch.large));
      }
      const current = batches.filter((batch) => isCurrent(this, manager, batch));
      current.forEach((batch) => managers.set(batch, manager));
      return current;
    },
    async fetchOfRunner(nodeId) {
      if (!this.running) throw new Error("fetching for a consumer that is stopped");
      return await original.fetchOfRunner.call(this, nodeId);
    },
    async handleBatch(batch) {
      const group = this.consumerGroup;
      const manager = managers.get(batch) ?? null;
      if (group === null || !isCurrent(group, manager, batch)) return;
      // When the group rebalances meanwhile, the heartbeat that follows the batch finds out, too.
      const beating = setInterval(() => beat(group).catch(() => {}), HEARTBEAT_MS);
      try {
        await original.handleBatch.call(this, batch);
      } finally {
        clearInterval(beating);
      }
    },
    resume(partitions) {
      original.resume.call(this, partitions);
      interruptsOf(this).wakeAfter(RESUME_DELAY_MS);
    },
    stop() {
      interruptsOf(this.consumerGroup).stop();
      return original.stop.call(this);
    },
  };
}

/**
 * How much a consumer group fetches: as much as the link carries in time, and no more than should be in
 * memory at once, where it has the size that it has without compression.
 */
class FetchSize {
  readonly #bytes = new AdaptiveSize(FETCH_BYTES);
  readonly #maxBytesPerPartition: number;
  /** How many times larger the last fetch became when it was expanded. */
  #ratio = 1;

  constructor({ maxBytesPerPartition }: ConsumerGroup) {
    this.#maxBytesPerPartition = maxBytesPerPartition;
  }

  /** Limits the next fetch; returns a function that takes what it has brought. */
  limit(group: ConsumerGroup): (fetched: FetchedBatch[]) => void {
    const limit = this.#bytes.value;
    group.maxBytes = Math.min(limit, Math.ceil(FETCH_BYTES.max / this.#ratio));
    group.maxBytesPerPartition = Math.ceil(this.#maxBytesPerPartition / this.#ratio);
    const startedMs = performance.now();
    return (fetched) => {
      const sizes = fetched.map(({ rawMessages }) => fetchedSizeOf(rawMessages));
      const sum = (of: keyof FetchedSize) => sizes.reduce((sum, size) => sum + size[of], 0);
      this.#bytes.took(sum("bytes"), performance.now() - startedMs, limit);
      if (sum("decodedBytes") > 0) this.#ratio = sum("expandedBytes") / sum("decodedBytes");
    };
  }

  failed(): void {
    this.#bytes.failed();
  }
}

/** The result of a fetch, unless a heartbeat fails meanwhile: then its error. */
async function withHeartbeats<T>(group: ConsumerGroup, fetched: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const beating = setInterval(() => beat(group).catch(reject), HEARTBEAT_MS);
  fetched.catch(() => {});
  try {
    return await Promise.race([fetched, promise]);
  } finally {
    clearInterval(beating);
  }
}

function beat(group: ConsumerGroup): Promise<void> {
  return group.heartbeat({ interval: HEARTBEAT_MS });
}

/** Ends early what the fetches of a consumer group wait for; there is one fetch for each broker. */
class Interrupts {
  #isStopped = false;
  readonly #onStop = new Set<() => void>();
  readonly #sleepers = new Set<(ms: number) => void>();

  /** The result, or `undefined` as soon as the group stops. */
  async unlessStopped<T>(result: Promise<T>): Promise<T | undefined> {
    result.catch(() => {});
    // A new promise each time: one that lives on would keep every result that it was raced with.
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const stop = () => resolve(undefined);
    this.#onStop.add(stop);
    if (this.#isStopped) stop();
    try {
      return await Promise.race([result, promise]);
    } finally {
      this.#onStop.delete(stop);
    }
  }

  /** Sleeps for a time or until {@linkcode wakeAfter}. */
  sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let timer = setTimeout(resolve, ms);
    const wakeAfter = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(resolve, ms);
    };
    this.#sleepers.add(wakeAfter);
    return promise.finally(() => this.#sleepers.delete(wakeAfter));
  }

  wakeAfter(ms: number): void {
    this.#sleepers.forEach((wakeAfter) => wakeAfter(ms));
  }

  stop(): void {
    this.#isStopped = true;
    this.#onStop.forEach((stop) => stop());
    this.wakeAfter(0);
  }
}

/** The large batches that a consumer group is reading, one of each partition at most. */
class LargeBatches {
  readonly #group: ConsumerGroup;
  readonly #readers = new Map<string, LargeBatch>();

  constructor(group: ConsumerGroup) {
    this.#group = group;
  }

  /**
   * Shows the next piece.
   *
   * @throws {UnreadableRecordsError} When it cannot be decoded.
   */
  async read(fetched: FetchedBatch & TopicPartition, batch: Buffer): Promise<void> {
    const { topic, partition, fetchedOffset } = fetched;
    const id = `${topic}/${partition}`;
    const offset = BigInt(fetchedOffset);
    let reader = this.#readers.get(id);
    if (reader?.continuesAt(offset, batch) !== true) {
      await reader?.close();
      // A rebalance shows here; kafkajs finds out by itself.
      reader = new LargeBatch(
        batch,
        () => this.#group.heartbeat({ interval: HEARTBEAT_MS }).catch(() => {}),
      );
      this.#readers.set(id, reader);
    }
    try {
      fetched.show(await reader.read(offset));
    } catch (error) {
      this.#readers.delete(id);
      throw new UnreadableRecordsError(
        `partition ${partition} of ${topic} cannot be read at offset ${offset}: ` +
          `${(error as Error).message}; to go on, move the group past it: "deno task replay ` +
          `--partition ${partition} --to OFFSET --execute" with its --group`,
      );
    }
  }
}

/** Whether a batch that was fetched at a position of this manager is what comes next. */
function isCurrent(
  group: ConsumerGroup,
  manager: ConsumerGroup["offsetManager"],
  batch: FetchedBatch & TopicPartition,
): boolean {
  return manager !== null && manager === group.offsetManager &&
    !group.hasSeekOffset(batch) &&
    manager.nextOffset(batch.topic, batch.partition).toString() === batch.fetchedOffset;
}

/** Whether there is nothing to fetch: all is paused, and the original has no seek to carry out. */
function isPaused(group: ConsumerGroup): boolean {
  const { subscriptionState } = group;
  return subscriptionState.active().every(({ partitions }) => partitions.length === 0) &&
    !subscriptionState.assigned().some(({ topic, partitions }) =>
      partitions.some((partition) => group.hasSeekOffset({ topic, partition }))
    );
}

/** kafkajs's offset manager, as far as it is used here. */
interface OffsetManager {
  cluster: {
    fetchTopicsOffset(topics: { topic: string; partitions: { partition: number }[] }[]): Promise<
      { partitions: { offset: string }[] }[]
    >;
  };
  /** Where to begin without a committed offset, by topic. */
  topicConfigurations: Record<string, { fromBeginning: boolean }>;
  /** The positions, by topic and partition. */
  resolvedOffsets: Record<string, Record<number, string>>;
}

/**
 * Called when the record at the position is gone (`OFFSET_OUT_OF_RANGE`). The original commits -2 or
 * -1, even for a consumer that must not commit: an offset reset that nobody asked for. Here only the
 * position moves.
 */
export async function setDefaultOffset(
  this: OffsetManager,
  { topic, partition }: TopicPartition,
): Promise<void> {
  const [found] = await this.cluster.fetchTopicsOffset([
    { topic, partitions: [{ partition }], ...this.topicConfigurations[topic] },
  ]);
  this.resolvedOffsets[topic]![partition] = found!.partitions[0]!.offset;
}
