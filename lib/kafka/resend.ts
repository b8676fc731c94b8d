/**
 * Sending dead letters back to where they came from, once each.
 *
 * The dead letters are processed like orders: what is sent back and the offset of the next dead letter
 * are committed in one transaction. A record that several groups could not read has several dead
 * letters; it is sent back once.
 *
 * @module
 */
import { adminPool } from "./client_pool.ts";
import { originOf, resent } from "./dead_letter.ts";
import { committedOffsets, logRanges, resolveOffset } from "./offsets.ts";
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
  /** Records of the topic that are not dead letters of the orders. */
  foreign: number;
}

/** The topic of dead letters has one partition. */
const PARTITION = 0;

/** Decides about dead letters, in their order. */
class Resender {
  readonly #ordersTopic: string;
  /** The origins of the dead letters so far. */
  readonly seen: Set<string>;
  readonly counts: ResendCounts = { resent: 0, duplicates: 0, foreign: 0 };

  constructor(ordersTopic: string, seen: Iterable<string>) {
    this.#ordersTopic = ordersTopic;
    this.seen = new Set(seen);
  }

  /** The origin to send the record back to; `undefined` when it stays. */
  take(record: SourceRecord): ReturnType<typeof originOf> {
    const origin = originOf(record);
    if (origin?.topic !== this.#ordersTopic) {
      this.counts.foreign++;
      return undefined;
    }
    const id = originId(origin);
    if (this.seen.has(id)) {
      this.counts.duplicates++;
      return undefined;
    }
    this.seen.add(id);
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
  { topic, ordersTopic, group }: ResendOptions,
  onRecord: (record: SourceRecord) => void,
  signal: AbortSignal,
): Promise<ResendCounts> {
  const admin = adminPool(settings);
  try {
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    const range = (await admin.use((client) => logRanges(client, topic))).get(PARTITION)!;
    const next = resolveOffset(committed.get(PARTITION), range);
    const resender = new Resender(
      ordersTopic,
      await originsBefore(settings, { topic, group }, next, signal),
    );
    await readTopic(settings, {
      topic,
      group: `${group}-${crypto.randomUUID()}`,
      ranges: new Map([[PARTITION, { ...range, start: next }]]),
      onRecord: (record) => {
        if (resender.take(record) !== undefined) onRecord(record);
      },
    }, signal);
    return resender.counts;
  } finally {
    await admin.close();
  }
}

/**
 * Sends back all dead letters that are in the topic now and were not sent back before.
 *
 * @throws {Error} As {@linkcode runProcessor}.
 */
export async function resendDeadLetters(
  settings: KafkaSettings,
  { topic, ordersTopic, group }: ResendOptions,
  signal: AbortSignal,
): Promise<ResendCounts> {
  const counts: ResendCounts = { resent: 0, duplicates: 0, foreign: 0 };
  await runProcessor({
    settings,
    group,
    topic,
    partitions: 1,
    throttleMs: 0,
    untilEnd: true,
    async open({ committed, range, signal: lost }) {
      const start = resolveOffset(committed?.offset, range);
      let seen: Iterable<string> = await originsBefore(settings, { topic, group }, start, lost);
      return {
        pending: false,
        step(records) {
          const resender = new Resender(ordersTopic, seen);
          const outputs = records.flatMap((record) => {
            const origin = resender.take(record);
            return origin === undefined ? [] : [resent(record, origin)];
          });
          return {
            outputs,
            committed() {
              seen = resender.seen;
              counts.resent += resender.counts.resent;
              counts.duplicates += resender.counts.duplicates;
              counts.foreign += resender.counts.foreign;
            },
          };
        },
      };
    },
  }, signal);
  return counts;
}

/** The origins of the dead letters before an offset. */
async function originsBefore(
  settings: KafkaSettings,
  { topic, group }: Pick<ResendOptions, "topic" | "group">,
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
