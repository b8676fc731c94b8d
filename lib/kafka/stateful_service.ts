/**
 * A service that keeps counts of the orders: consume, count, produce, exactly once, and a report of
 * what all instances of the group have counted.
 *
 * The counts of each partition are rows of a state topic. They are committed with the offset and the
 * outputs in one transaction (partition_session.ts). When a partition is opened, the rows are read up
 * to a barrier (state_view.ts), and resumption.ts compares them with the committed offset: they are
 * kept, dropped, or counted again from the orders that the topic still holds.
 *
 * @module
 */
import { aborted, deadline } from "../async.ts";
import type { Compression } from "../compression.ts";
import { formatSeconds } from "../duration.ts";
import type { NotOrders } from "../order.ts";
import { type PartitionState, partitionState } from "../partition_state.ts";
import { commitMark, RecreatedTopicError, resume, type Resumption } from "../resumption.ts";
import { newCounts, type PartitionRows, type StateRows, type StateTable } from "../state_rows.ts";
import { adminPool } from "./client_pool.ts";
import { deadLetter, DeadLetterNotes, type DeadLetterTopic } from "./dead_letter.ts";
import { explain, FinalError, retryWhileRetriable } from "./errors.ts";
import { type ClusterReader, clusterReader } from "./kafkajs/cluster.ts";
import { DEFAULT_LIMIT, messageLimits } from "./message_limits.ts";
import type { Assignment, PartitionWork, Step } from "./partition_session.ts";
import { runProcessor } from "./processor.ts";
import { readTopic } from "./read_topic.ts";
import type { Outputs } from "./outputs.ts";
import type { SourceRecord } from "./records.ts";
import { ReportKeeper } from "./report_keeper.ts";
import type { ServiceStatus } from "./service_status.ts";
import { addStatePartitions, type ServiceTopics } from "./service_topics.ts";
import type { KafkaSettings } from "./settings.ts";
import { StateView } from "./state_view.ts";

/** What records amount to. */
export interface Processed<K, C> extends NotOrders<SourceRecord> {
  /** What they add to the state. */
  counts: Map<K, C>;
  /** Called once all of it is committed. */
  committed(): void;
}

/** The service, and the topics that it works on, all with their prefix. */
export interface StatefulService<K, C extends object> {
  /** Where the brokers are. */
  settings: KafkaSettings;
  /** The consumer group. */
  group: string;
  topics: ServiceTopics;
  /** The delay per record, in milliseconds; 0 for none. */
  throttleMs: number;
  /** Stop once everything that is in the topic now is processed and committed by the group. */
  untilEnd: boolean;
  /**
   * How everything that is written is compressed.
   *
   * @default "none"
   */
  compression?: Compression;
  /** The kind of state. */
  table: StateTable<K, C>;
  /**
   * Must not change anything but the outputs: what comes of it may be dropped.
   *
   * @param outputs Takes what is written, apart from the state and the dead letters; `undefined` when
   * the records are only counted.
   */
  process(records: readonly SourceRecord[], outputs?: Outputs): Processed<K, C>;
  /**
   * Keeps the report of the whole group up to date; called with each change, once a second at most.
   * Returns whether it is written; if not, it is called again.
   */
  report(rows: StateRows<K, C>): Promise<boolean>;
  /** Learns how the processing goes; without it nothing of it is counted. */
  status?: ServiceStatus | undefined;
  /** Called at the end, whether the service has failed or not; without rows when they are incomplete. */
  finish(rows: StateRows<K, C> | undefined): void;
}

/** How long the last report waits for the other instances' open transactions, in milliseconds. */
const LAST_REPORT_LIMIT_MS = 10_000;
/** How long the brokers may take to show that they answer, when the service is to stop, in milliseconds. */
const ANSWER_LIMIT_MS = 1_500;

/**
 * Runs the service until the signal is aborted, or until the end with `untilEnd`.
 *
 * @throws {Error} When an error is final, or the brokers have not answered for the settings'
 * `timeoutMs`.
 */
export async function runService<K, C extends object>(
  service: StatefulService<K, C>,
  signal: AbortSignal,
): Promise<void> {
  const { settings, group, topics, table } = service;
  // The view outlives the processing: the last report is read from it.
  const stopView = new AbortController();
  const failure = new AbortController();
  const onFailure = (error: unknown) => failure.abort(error);
  const view = new StateView(
    { settings, topic: topics.state, group, partitions: topics.partitions, table, onFailure },
    stopView.signal,
  );
  const report = new ReportKeeper(view, () => service.report(view.rows));
  const stopReport = new AbortController();
  const reportLoop = report.keep(stopReport.signal).catch(onFailure);
  const cluster = clusterReader(settings);
  const admin = adminPool(settings);
  const notes = new DeadLetterNotes(settings.note);
  const answering = aborted(signal)
    .then(() => deadline(cluster.topicIds([topics.state]), ANSWER_LIMIT_MS))
    .then(() => true, () => false);
  const stop = AbortSignal.any([signal, failure.signal]);
  const maxMessageBytes = new Map<string, number>();
  // Read while the group assigns the partitions.
  const deadLetters = retryWhileRetriable(
    () => messageLimits(admin, topics.outputs),
    settings,
    { signal: stop },
  ).then((limits): DeadLetterTopic => {
    limits.forEach((limit, topic) => maxMessageBytes.set(topic, limit.maxMessageBytes));
    return { topic: topics.deadLetters, ...DEFAULT_LIMIT, ...limits.get(topics.deadLetters) };
  });
  deadLetters.catch((error) => {
    // The last report is made even if the service is stopped right at its start.
    if (!signal.aborted) onFailure(explain(error, settings));
  });
  // The group is left meanwhile.
  let catchingUp: Promise<void> | undefined;
  const catchUp = () => catchingUp ??= report.catchUp(stopReport.signal);
  try {
    await runProcessor({
      ...{ settings, group, admin, cluster, maxMessageBytes },
      topic: topics.orders,
      stateTopic: topics.state,
      outputs: topics.outputs,
      partitions: topics.partitions,
      throttleMs: service.throttleMs,
      untilEnd: service.untilEnd,
      compression: service.compression ?? "none",
      status: service.status,
      open: async (assignment) =>
        openPartition(service, {
          ...{ assignment, view, cluster, notes },
          deadLetters: await deadLetters,
        }),
      onEnd: () => catchUp().catch(() => {}),
    }, stop);
    failure.signal.throwIfAborted();
    if (signal.aborted && !await answering) throw lastReportError("the brokers do not answer");
    await deadline(catchUp(), LAST_REPORT_LIMIT_MS).catch((error) => {
      if ((error as Error).name !== "TimeoutError") throw error;
      throw lastReportError(
        `topic ${topics.state} was not read to its end within ${
          formatSeconds(LAST_REPORT_LIMIT_MS)
        }`,
      );
    });
  } finally {
    stopReport.abort();
    await reportLoop;
    notes.close();
    try {
      if (report.isComplete) await report.write();
    } finally {
      service.finish(report.isComplete ? view.rows : undefined);
      stopView.abort();
      await Promise.all([view.closed, cluster.close(), admin.close()]);
    }
  }
}

function lastReportError(reason: string): Error {
  return new Error(`${reason}: the last report may lack what was counted last`);
}

/** Restores the state of a partition as it was committed. */
async function openPartition<K, C extends object>(
  service: StatefulService<K, C>,
  { assignment, view, cluster, deadLetters, notes }: {
    assignment: Assignment;
    view: StateView<K, C>;
    cluster: ClusterReader;
    deadLetters: DeadLetterTopic;
    notes: DeadLetterNotes;
  },
): Promise<PartitionWork> {
  const { settings, group, topics: { orders, state } } = service;
  const { partition, committed, range, active, signal } = assignment;
  await addStatePartitions(settings, { topics: service.topics, partition }, signal);
  const ids = await cluster.topicIds([orders, state]);
  const [topicId, stateTopicId] = [ids?.get(orders), ids?.get(state)];
  const stored = await view.readUpToBarrier([partition], signal, () => {
    const { counts, progress } = view.rows.partition(partition);
    return { counts: newCounts(service.table, counts), progress };
  }, active);
  const { counts, start, notes: warnings } = resumeOrRefuse({
    ...{ group, topic: orders, partition, committed, range, topicId, stateTopicId },
    progress: stored.progress,
  });
  warnings.forEach(settings.note);

  const fresh = { startOffset: start, nextOffset: start, malformed: 0, skipped: 0 };
  const kept = counts === "keep" ? stored : undefined;
  const recounted = counts === "recount"
    ? await recount(service, { partition, start: range.start, end: start, active }, signal)
    : undefined;
  const initial = kept ?? recounted ??
    { counts: newCounts(service.table), progress: undefined };
  const stateOfPartition = partitionState(service.table, partition, {
    stored,
    initial: {
      counts: initial.counts,
      progress: { ...fresh, ...initial.progress, topicId, stateTopicId },
    },
    // A first start has nothing to correct.
    pending: counts === "keep"
      ? committed?.offset !== start
      : committed !== undefined || stored.progress !== undefined,
  });
  return {
    start,
    offsetMetadata: commitMark(topicId),
    get pending() {
      return stateOfPartition.pending;
    },
    step: (records, { outputs, nextOffset }) =>
      stepOf(service, service.process(records, outputs), {
        ...{ partition, state: stateOfPartition, outputs, nextOffset, deadLetters, notes },
      }),
  };
}

/** One transaction: what the service writes, its dead letters, and the rows that change. */
function stepOf<K, C extends object>(
  { group, topics, status }: StatefulService<K, C>,
  { counts, skipped, malformed, committed }: Processed<K, C>,
  { partition, state, outputs, nextOffset, deadLetters, notes }: {
    partition: number;
    state: PartitionState<K, C>;
    outputs: Outputs;
    nextOffset: bigint;
    deadLetters: DeadLetterTopic;
    notes: DeadLetterNotes;
  },
): Step {
  const change = state.add({ counts, skipped, malformed: malformed.length }, nextOffset);
  const letters = malformed.map(({ record, reason }) => ({
    record,
    origin: { topic: topics.orders, partition, group, reason },
  }));
  for (const { record, origin } of letters) outputs.add(deadLetter(record, deadLetters, origin));
  for (const row of change.rows) outputs.add({ ...row, topic: topics.state, partition });
  return {
    committed() {
      change.committed();
      committed();
      if (status !== undefined) {
        status.notOrders.skipped += skipped;
        status.notOrders.deadLetters += malformed.length;
      }
      for (const { record, origin } of letters) notes.add(record.offset, origin);
    },
  };
}

function resumeOrRefuse(standing: Parameters<typeof resume>[0]): Resumption {
  try {
    return resume(standing);
  } catch (error) {
    throw error instanceof RecreatedTopicError ? new FinalError(error.message) : error;
  }
}

/** Counts records of the partition that were processed before; what else comes of them is dropped. */
async function recount<K, C extends object>(
  { settings, group, topics, table, process }: StatefulService<K, C>,
  { partition, start, end, active }: {
    partition: number;
    start: bigint;
    end: bigint;
    active: () => void;
  },
  signal: AbortSignal,
): Promise<PartitionRows<K, C>> {
  const counts = newCounts(table);
  let malformed = 0;
  let skipped = 0;
  await readTopic(settings, {
    topic: topics.orders,
    group: `${group}-recount-${crypto.randomUUID()}`,
    ranges: new Map([[partition, { start, end }]]),
    onRecord(record) {
      active();
      const added = process([record]);
      for (const [key, count] of added.counts) {
        const before = counts.get(key);
        counts.set(key, before === undefined ? count : table.add(before, count));
      }
      malformed += added.malformed.length;
      skipped += added.skipped;
    },
  }, signal);
  return {
    counts,
    progress: {
      ...{ startOffset: start, nextOffset: end, malformed, skipped },
      ...{ topicId: undefined, stateTopicId: undefined },
    },
  };
}
