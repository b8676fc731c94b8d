/**
 * Consume, process, produce, exactly once: one {@linkcode PartitionSession} for each partition that the
 * group assigns to this instance. The guarantee and the steps that give it are in
 * partition_session.ts.
 *
 * @module
 */
import type { Consumer } from "kafkajs";
import { batched, Pulse } from "../async.ts";
import { AdaptiveSize } from "./adaptive_size.ts";
import { consume } from "./consume.ts";
import { explain } from "./errors.ts";
import { partitionRanges } from "./offsets.ts";
import { PartitionSession, type SessionContext } from "./partition_session.ts";
import type { AssignedPartition, ServiceStatus } from "./service_status.ts";
import { watchTopics } from "./topic_watch.ts";
import { whenEndReached } from "./until_end.ts";

/** How many records a transaction processes: the most is more than a fetch brings. */
const COMMIT_RECORDS = {
  ...{ first: 2_048, min: 16, max: 131_072 },
  // A transaction has 15 seconds, a request of it ten.
  ...{ fastMs: 3_000, slowMs: 6_000 },
};

/** What to process. */
export interface ProcessorOptions extends
  Omit<
    SessionContext,
    | "ranges"
    | "fences"
    | "commitRecords"
    | "heartbeat"
    | "advanced"
    | "onTransaction"
    | "fail"
    | "done"
  > {
  /** Learns how the processing goes. */
  status?: ServiceStatus | undefined;
  /** The topic of the state, if there is one: when it is deleted and created again, the processing ends. */
  stateTopic?: string;
  /** How many partitions the topic has at the start. */
  partitions: number;
  /** Stop once everything that is in the topic now is processed and committed by the group. */
  untilEnd: boolean;
  /** Called when the end is reached and the last transaction has ended, before the group is left. */
  onEnd?: () => void;
}

/**
 * Processes until the signal is aborted, or until the end with `untilEnd`. Finishes the open
 * transaction and leaves the group before it returns.
 *
 * @throws {Error} When an error is final, or the brokers have not answered for the settings'
 * `timeoutMs`.
 */
export async function runProcessor(options: ProcessorOptions, signal: AbortSignal): Promise<void> {
  const { settings, group, topic, partitions, admin, cluster, status } = options;
  const stop = new AbortController();
  let failure: Error | undefined;
  const context: SessionContext = {
    ...options,
    ranges: batched((_: void[]) => admin.use((client) => partitionRanges(client, topic))),
    fences: new Map(),
    commitRecords: new AdaptiveSize(COMMIT_RECORDS),
    heartbeat: new Pulse(),
    advanced: new Pulse(),
    onTransaction: status && ((end) => status.transacted(end)),
    fail(error) {
      failure ??= explain(error, settings);
      stop.abort();
    },
    done: AbortSignal.any([signal, stop.signal]),
  };
  const { done, fail } = context;
  const sessions = new Sessions(context, partitions);
  let isAtEnd = false;
  const consuming = consume({
    settings,
    group,
    topic,
    onAssigned: (consumer, assigned) => sessions.assign(consumer, assigned),
    onBatch: async (payload) => await sessions.get(payload.batch.partition)?.process(payload),
    onHeartbeat: () => context.heartbeat.fire(),
    onRejoining: () => sessions.rejoining(),
    async onStop() {
      await sessions.committing();
      if (isAtEnd) options.onEnd?.();
    },
    onLost: () => sessions.dropAll(),
  }, done);
  status?.follow({ settings, cluster, topic, assigned: () => sessions.assigned() }, done)
    .catch(fail);
  const { stateTopic } = options;
  watchTopics(cluster, stateTopic === undefined ? [topic] : [topic, stateTopic], done).catch(
    fail,
  );
  if (options.untilEnd) {
    whenEndReached({ admin, group, topic, progress: sessions }, done)
      .then(() => {
        isAtEnd = !done.aborted;
        stop.abort();
      }, fail);
  }
  await consuming;
  if (failure !== undefined) throw failure;
}

/** The partitions that are assigned to this instance now. */
class Sessions {
  #context: SessionContext;
  #partitions: number;
  #sessions = new Map<number, PartitionSession>();
  #wasAssigned = false;
  #isMember = false;

  constructor(context: SessionContext, partitions: number) {
    this.#context = context;
    this.#partitions = partitions;
  }

  /** Called synchronously in the join, before anything is fetched. */
  assign(consumer: Consumer, assigned: number[]): void {
    const { topic, settings } = this.#context;
    consumer.pause([{ topic, partitions: assigned }]);
    this.dropAll();
    for (const partition of assigned) {
      const session = new PartitionSession(partition, consumer, this.#context);
      this.#sessions.set(partition, session);
      // Not awaited: the join must go on. What fails for good ends the processor.
      session.open();
    }
    if (this.#wasAssigned || assigned.length < this.#partitions) {
      settings.note(`assigned partitions: ${assigned.join(", ") || "none"}`);
    }
    this.#wasAssigned = true;
    this.#isMember = true;
  }

  /** The group assigns the partitions again; until then they are still this instance's. */
  rejoining(): void {
    this.#isMember = false;
  }

  /** The partitions; `undefined` while this instance is not a member of the group. */
  assigned(): AssignedPartition[] | undefined {
    if (!this.#isMember) return undefined;
    const sessions = [...this.#sessions.values()];
    // The consumer fetches again when all that it has fetched is processed: a partition that is open
    // may have to wait for another one, whose throttle may be long.
    const anyActiveMs = Math.max(...sessions.map(({ activeMs }) => activeMs));
    return sessions.map(({ partition, position, activeMs, isFailing }) => ({
      ...{ partition, position },
      activeMs: position === undefined || isFailing ? activeMs : anyActiveMs,
    }));
  }

  get(partition: number): PartitionSession | undefined {
    return this.#sessions.get(partition);
  }

  dropAll(): void {
    this.#isMember = false;
    for (const session of this.#sessions.values()) session.drop();
    this.#sessions.clear();
  }

  committing(): Promise<unknown> {
    return Promise.all([...this.#sessions.values()].map(({ committing }) => committing));
  }

  positions(): Map<number, bigint | undefined> {
    return new Map([...this.#sessions].map(([partition, { position }]) => [partition, position]));
  }

  wasAssigned(): boolean {
    return this.#wasAssigned;
  }

  get advanced(): Pulse {
    return this.#context.advanced;
  }
}
