/**
 * The loop in which a consumer fetches: only what begins at the current position is shown, and nobody
 * waits for the end of a fetch or of a nap that has lost its purpose.
 *
 * @module
 */
import type { FetchedBatch } from "./fetched_batch.ts";

interface TopicPartition {
  topic: string;
  partition: number;
}

/** kafkajs's consumer group, as far as it is used here. */
export interface ConsumerGroup {
  /** The positions; each assignment has a new one. */
  offsetManager: {
    nextOffset(topic: string, partition: number): { toString(): string };
  } | null;
  /** What is assigned, and what of it is paused. */
  subscriptionState: {
    active(): { partitions: number[] }[];
    assigned(): { topic: string; partitions: number[] }[];
  };
  /** How long a fetch may wait for records, in milliseconds. */
  maxWaitTime: number;
  /** Whether a seek waits for the next fetch. */
  hasSeekOffset(of: TopicPartition): boolean;
}

/** `fetch` of kafkajs's consumer group. */
export type Fetch = (
  this: ConsumerGroup,
  nodeId: number,
) => Promise<(FetchedBatch & TopicPartition)[]>;

/** `resume` of kafkajs's consumer group. */
export type Resume = (this: ConsumerGroup, partitions: unknown) => void;

/** `stop` of kafkajs's runner. */
export type Stop = (this: { consumerGroup: ConsumerGroup }) => Promise<void>;

/** `handleBatch` of kafkajs's runner, which calls the user's handler. */
export type HandleBatch = (
  this: { consumerGroup: ConsumerGroup | null },
  batch: FetchedBatch & TopicPartition,
) => Promise<void>;

/** The methods to put in place. */
export interface FetchLoop {
  /** Of the consumer group. */
  fetch: Fetch;
  /** Of the consumer group. */
  resume: Resume;
  /** Of the runner. */
  handleBatch: HandleBatch;
  /** Of the runner. */
  stop: Stop;
}

/** After a resume others often follow: a fetch without them would hold them up. */
const GATHER_MS = 5;

/**
 * Makes the methods of the originals.
 *
 * Batches that do not begin at the current position are left out. With one fetch under way to each
 * broker, a response may come after a seek, after a rejoin or after the leader has moved; the
 * original shows it all the same, and what lies between is passed over. This is looked at again right
 * before the user sees a batch: on its way there another fetch may have led to a rejoin.
 *
 * While everything is paused the original sleeps as long as a fetch may wait; here a resume ends
 * that. And where the original waits for a fetch under way before it stops, its answer is not wanted
 * any more.
 */
export function fetchLoop(original: FetchLoop): FetchLoop {
  const stopped = new WeakSet<ConsumerGroup>();
  const managers = new WeakMap<object, ConsumerGroup["offsetManager"]>();
  const waits = new WeakMap<ConsumerGroup, Set<() => void>>();
  const naps = new WeakMap<ConsumerGroup, Set<(ms: number) => void>>();

  /** The result, or `undefined` as soon as the group stops. */
  async function unlessStopped<T>(
    group: ConsumerGroup,
    result: Promise<T>,
  ): Promise<T | undefined> {
    result.catch(() => {});
    // A promise of its own each time: one that lives on would keep every result that was raced.
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const cut = () => resolve(undefined);
    const ofGroup = waits.get(group) ?? new Set();
    waits.set(group, ofGroup.add(cut));
    if (stopped.has(group)) cut();
    try {
      return await Promise.race([result, promise]);
    } finally {
      ofGroup.delete(cut);
    }
  }

  /** Sleeps, one nap for each broker, until {@linkcode endNaps} or for as long as a fetch waits. */
  function nap(group: ConsumerGroup): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let timer = setTimeout(resolve, group.maxWaitTime);
    const end = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(resolve, ms);
    };
    const ofGroup = naps.get(group) ?? new Set();
    naps.set(group, ofGroup.add(end));
    return promise.finally(() => ofGroup.delete(end));
  }

  function endNaps(group: ConsumerGroup, ms: number): void {
    naps.get(group)?.forEach((end) => end(ms));
  }

  return {
    async fetch(nodeId) {
      const manager = this.offsetManager;
      if (isAsleep(this)) {
        await nap(this);
        return [];
      }
      const batches = await unlessStopped(this, original.fetch.call(this, nodeId));
      if (batches === undefined) return [];
      const current = batches.filter((batch) => isCurrent(this, manager, batch));
      current.forEach((batch) => managers.set(batch, manager));
      return current;
    },
    async handleBatch(batch) {
      const manager = managers.get(batch) ?? null;
      if (isCurrent(this.consumerGroup, manager, batch)) {
        await original.handleBatch.call(this, batch);
      }
    },
    resume(partitions) {
      original.resume.call(this, partitions);
      endNaps(this, GATHER_MS);
    },
    stop() {
      stopped.add(this.consumerGroup);
      waits.get(this.consumerGroup)?.forEach((cut) => cut());
      endNaps(this.consumerGroup, 0);
      return original.stop.call(this);
    },
  };
}

/** Whether a batch that was asked for with this manager's position is what comes next. */
function isCurrent(
  group: ConsumerGroup | null,
  manager: ConsumerGroup["offsetManager"],
  batch: FetchedBatch & TopicPartition,
): boolean {
  return group !== null && manager !== null && manager === group.offsetManager &&
    !group.hasSeekOffset(batch) &&
    manager.nextOffset(batch.topic, batch.partition).toString() === batch.fetchedOffset;
}

/** Whether there is nothing to do: all is paused, and no seek waits, which the original commits. */
function isAsleep(group: ConsumerGroup): boolean {
  const { subscriptionState } = group;
  return subscriptionState.active().every(({ partitions }) => partitions.length === 0) &&
    !subscriptionState.assigned().some(({ topic, partitions }) =>
      partitions.some((partition) => group.hasSeekOffset({ topic, partition }))
    );
}

/** kafkajs's offset manager, as far as it is used here. */
export interface OffsetManager {
  /** The connection to the brokers. */
  cluster: {
    fetchTopicsOffset(topics: { topic: string; partitions: { partition: number }[] }[]): Promise<
      { partitions: { offset: string }[] }[]
    >;
  };
  /** Where a topic is read from without a commit. */
  topicConfigurations: Record<string, { fromBeginning: boolean }>;
  /** The positions. */
  resolvedOffsets: Record<string, Record<number, string>>;
}

/**
 * Called when the next record is gone (`OFFSET_OUT_OF_RANGE`). The original commits −2 or −1, also
 * for a consumer that was told not to commit: a reset that nobody asked for. Here the position moves,
 * and what is committed stays.
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
