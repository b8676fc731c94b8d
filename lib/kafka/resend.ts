/**
 * Sending dead letters back to where they came from, once each.
 *
 * The dead letters are processed like orders: what is sent back, the offset of the next dead letter and
 * a row with the same progress are committed in one transaction. The row counts when the group's offset
 * has expired (resumption.ts). A record that several groups could not read has several dead letters; it
 * is sent back once. A dead letter that was truncated stays: its record is where it came from.
 *
 * @module
 */
import * as v from "valibot";
import {
  commitMark,
  type CommittedOffset,
  RecreatedTopicError,
  resume,
  type Resumption,
} from "../resumption.ts";
import { type Progress, progressRow, StateRows, type StateTable } from "../state_rows.ts";
import { resendProgress } from "../topics.ts";
import { withAdmin } from "./client.ts";
import { type AdminPool, adminPool } from "./client_pool.ts";
import { createMissingTopics } from "./create_topics.ts";
import { isTruncated, originOf, resent } from "./dead_letter.ts";
import { type ClusterReader, clusterReader } from "./kafkajs/cluster.ts";
import { type LogRange, logRanges, partitionRanges } from "./offsets.ts";
import { runProcessor } from "./processor.ts";
import { readTopic } from "./read_topic.ts";
import type { SourceRecord } from "./records.ts";
import type { KafkaSettings } from "./settings.ts";
import { rangesFrom } from "./start_offsets.ts";

/** Which dead letters are sent back. */
export interface ResendOptions {
  /** The topic of the dead letters, prefix included. */
  topic: string;
  /** The only topic that records are sent back to: a header could name any. */
  ordersTopic: string;
  /** The consumer group whose offset says which dead letters have been sent back. */
  group: string;
}

/** What became of the dead letters that were not sent back yet. */
export interface ResendCounts {
  /** Records sent back, or to be sent back. */
  resent: number;
  /** Further dead letters of records that are sent back once. */
  duplicates: number;
  /** Dead letters that are not the whole record. */
  truncated: number;
  /** Records of the topic that are not dead letters of a partition of the orders. */
  foreign: number;
}

/** The topic of dead letters has one partition. */
const PARTITION = 0;

function noCounts(): ResendCounts {
  return { resent: 0, duplicates: 0, truncated: 0, foreign: 0 };
}

/** Decides about dead letters, in their order. */
class Resender {
  readonly #ordersTopic: string;
  readonly #partitions: number;
  /** The origins of the dead letters so far. */
  readonly seen: Set<string>;
  readonly counts = noCounts();

  /** @param options.partitions How many the topic has: a header could name any. */
  constructor(
    { ordersTopic, partitions }: { ordersTopic: string; partitions: number },
    seen: Iterable<string>,
  ) {
    this.#ordersTopic = ordersTopic;
    this.#partitions = partitions;
    this.seen = new Set(seen);
  }

  /** The origin to send the record back to; `undefined` when it stays. */
  take(record: SourceRecord): ReturnType<typeof originOf> {
    const origin = originOf(record);
    if (origin?.topic !== this.#ordersTopic || origin.partition >= this.#partitions) {
      this.counts.foreign++;
      return undefined;
    }
    const id = originId(origin);
    if (this.seen.has(id)) {
      this.counts.duplicates++;
      return undefined;
    }
    this.seen.add(id);
    if (isTruncated(record)) {
      this.counts.truncated++;
      return undefined;
    }
    this.counts.resent++;
    return origin;
  }
}

function originId(
  { topic, partition, offset }: { topic: string; partition: number; offset: string },
): string {
  return `${topic}/${partition}/${offset}`;
}

/** Shows the dead letters that {@linkcode resendDeadLetters} would send back; changes nothing. */
export async function planResend(
  settings: KafkaSettings,
  options: ResendOptions,
  onRecord: (record: SourceRecord) => void,
  signal: AbortSignal,
): Promise<ResendCounts> {
  const { topic, ordersTopic, group } = options;
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    const committed = await cluster.stableOffset(group, topic, PARTITION);
    const range = (await admin.use((client) => logRanges(client, topic))).get(PARTITION)!;
    const topics = await admin.use((client) => client.listTopics());
    const { start } = await standing(settings, options, {
      ...{ committed, range, cluster, signal },
      hasProgress: topics.includes(resendProgress(group).name),
    });
    const resender = new Resender(
      { ordersTopic, partitions: await partitionsOf(admin, ordersTopic) },
      await originsBefore(settings, options, start, signal),
    );
    await readTopic(settings, {
      topic,
      group: `${group}-${crypto.randomUUID()}`,
      ranges: new Map([[PARTITION, { ...range, start }]]),
      onRecord: (record) => {
        if (resender.take(record) !== undefined) onRecord(record);
      },
    }, signal);
    return resender.counts;
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}

/**
 * Sends back all dead letters that are in the topic now and were not sent back before.
 *
 * @throws {Error} As {@linkcode runProcessor}.
 */
export async function resendDeadLetters(
  settings: KafkaSettings,
  options: ResendOptions,
  signal: AbortSignal,
): Promise<ResendCounts> {
  const { topic, ordersTopic, group } = options;
  const progressTopic = resendProgress(group);
  await withAdmin(
    settings,
    signal,
    (admin) => createMissingTopics(admin, [progressTopic], settings.note),
  );
  const counts = noCounts();
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    await runProcessor({
      admin,
      cluster,
      outputs: [ordersTopic, progressTopic.name],
      maxMessageBytes: new Map(),
      settings,
      group,
      topic,
      stateTopic: progressTopic.name,
      partitions: 1,
      throttleMs: 0,
      untilEnd: true,
      async open({ committed, range, signal: lost }) {
        const { start, progress, hasMoved } = await standing(settings, options, {
          ...{ committed, range, cluster, signal: lost },
          hasProgress: true,
        });
        const partitions = await partitionsOf(admin, ordersTopic);
        let seen: Iterable<string> = await originsBefore(settings, options, start, lost);
        let pending = hasMoved;
        return {
          start,
          offsetMetadata: commitMark(progress.topicId),
          get pending() {
            return pending;
          },
          step(records, { outputs, nextOffset }) {
            const resender = new Resender({ ordersTopic, partitions }, seen);
            for (const record of records) {
              const origin = resender.take(record);
              if (origin !== undefined) outputs.add(resent(record, origin));
            }
            const row = progressRow(PARTITION, { ...progress, nextOffset });
            outputs.add({ ...row, topic: progressTopic.name, partition: PARTITION });
            return {
              committed() {
                pending = false;
                seen = resender.seen;
                counts.resent += resender.counts.resent;
                counts.duplicates += resender.counts.duplicates;
                counts.truncated += resender.counts.truncated;
                counts.foreign += resender.counts.foreign;
              },
            };
          },
        };
      },
    }, signal);
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
  return counts;
}

/** The progress has no counts. */
const PROGRESS_ONLY: StateTable<string, object> = {
  writer: "show",
  nameOf: (name) => name,
  keyOf: () => undefined,
  schema: v.object({}),
  add: (a) => a,
};

/** How many partitions a topic has; all there could be when there is none to send to yet. */
async function partitionsOf(admin: AdminPool, topic: string): Promise<number> {
  return await admin.use(async (client) => {
    const isThere = (await client.listTopics()).includes(topic);
    return isThere ? (await partitionRanges(client, topic)).size : Infinity;
  });
}

/** Where the sending continues: at the committed offset, or at the stored progress without one. */
async function standing(
  settings: KafkaSettings,
  { topic, group }: ResendOptions,
  { committed, range, hasProgress, cluster, signal }: {
    committed: CommittedOffset | undefined;
    range: LogRange;
    /** Whether the topic of the progress exists. */
    hasProgress: boolean;
    cluster: ClusterReader;
    signal: AbortSignal;
  },
): Promise<{ start: bigint; progress: Progress; hasMoved: boolean }> {
  const { name } = resendProgress(group);
  const ids = await cluster.topicIds([topic, name]);
  const [topicId, stateTopicId] = [ids?.get(topic), ids?.get(name)];
  const rows = new StateRows(PROGRESS_ONLY);
  if (hasProgress) {
    await readTopic(settings, {
      topic: name,
      group: `${group}-${crypto.randomUUID()}`,
      onRecord({ key, value }) {
        if (key !== null) rows.apply({ key: String(key), value: value && String(value) });
      },
    }, signal);
  }
  const { progress } = rows.partition(PARTITION);
  const { start, counts, notes } = resumeOrStartOver({
    ...{ group, topic, partition: PARTITION, range, committed, progress, topicId, stateTopicId },
  });
  // There are no counts to lose.
  if (progress !== undefined && counts !== "recount") notes.forEach(settings.note);
  return {
    start,
    progress: {
      ...{ startOffset: start, nextOffset: start, malformed: 0, skipped: 0 },
      ...{ topicId, stateTopicId },
    },
    hasMoved: progress !== undefined && committed?.offset !== start,
  };
}

/** The dead letters of a topic that was deleted are gone: those of the new one have not been sent back. */
function resumeOrStartOver(standing: Parameters<typeof resume>[0]): Resumption {
  try {
    return resume(standing);
  } catch (error) {
    if (!(error instanceof RecreatedTopicError)) throw error;
    const note = `topic ${standing.topic} was deleted and created again: starting at its beginning`;
    return { counts: "drop", start: standing.range.start, notes: [note] };
  }
}

/** The origins of the dead letters before an offset. */
async function originsBefore(
  settings: KafkaSettings,
  { topic, group }: ResendOptions,
  end: bigint,
  signal: AbortSignal,
): Promise<string[]> {
  const { start } = (await rangesFrom(settings, topic, { kind: "earliest" }, signal)).get(
    PARTITION,
  )!;
  const origins: string[] = [];
  await readTopic(settings, {
    topic,
    group: `${group}-${crypto.randomUUID()}`,
    ranges: new Map([[PARTITION, { start, end }]]),
    onRecord(record) {
      const origin = originOf(record);
      if (origin !== undefined) origins.push(originId(origin));
    },
  }, signal);
  return origins;
}
