/**
 * Verifies the stored metrics of a group: counts the same orders again in memory and compares.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { compareMetrics, type Comparison, Recount } from "../metrics_comparison.ts";
import { minuteTable } from "../metrics_table.ts";
import type { Minute, MinuteCount } from "../minute_window.ts";
import { StateRows } from "../state_rows.ts";
import { adminPool } from "./client_pool.ts";
import { retryWhileRetriable } from "./errors.ts";
import { committedOffsets, type LogRange, logRanges } from "./offsets.ts";
import { readTopic } from "./read_topic.ts";
import type { KafkaSettings } from "./settings.ts";

/** The result of a verification. */
export interface Verification extends Comparison {
  /** The offsets that were counted again, by partition in ascending order. */
  ranges: Map<number, LogRange>;
  /** The partitions that cannot be counted again, with the reason. */
  notVerified: Map<number, string>;
  /** The number of orders counted again. */
  orders: number;
  /** Whether the group's committed offsets are those of the stored metrics. */
  isCommitted: boolean;
}

interface StoredMetrics {
  rows: StateRows<Minute, MinuteCount>;
  /** The offsets that were counted, of each partition that can still be read. */
  ranges: Map<number, LogRange>;
  notVerified: Map<number, string>;
  /** The group's committed offsets. */
  committed: Map<number, bigint>;
}

/** The group whose metrics are verified, its topics, and a group for reading them. */
interface Source {
  group: string;
  topic: string;
  metricsTopic: string;
  temporaryGroup: string;
}

/**
 * Compares the stored metrics of a group with a second count of the same orders.
 *
 * @throws {Error} When the group has not counted anything yet.
 */
export async function verifyMetrics(
  settings: KafkaSettings,
  { group, topic, metricsTopic }: { group: string; topic: string; metricsTopic: string },
  signal: AbortSignal,
): Promise<Verification> {
  const temporaryGroup = `${group}-verify-${crypto.randomUUID()}`;
  const source = { group, topic, metricsTopic, temporaryGroup };
  try {
    const { rows, ranges, notVerified, committed } = await readStored(settings, source, signal);
    if (ranges.size + notVerified.size === 0) {
      throw new Error(`group ${group} has not counted anything yet`);
    }
    const recount = await countAgain(settings, { ...source, ranges }, signal);
    return {
      ...compareMetrics(rows, recount, [...ranges.keys()]),
      ranges,
      notVerified,
      orders: recount.orders,
      isCommitted: [...ranges].every(([partition, { end }]) => committed.get(partition) === end),
    };
  } finally {
    await deleteGroup(settings, temporaryGroup);
  }
}

/**
 * Reads the stored metrics up to the current last stable offset of the metrics topic.
 *
 * Each of its partitions has one writer at a time, so this offset never cuts a transaction in two.
 * What analytics adds meanwhile is left out.
 */
async function readStored(
  settings: KafkaSettings,
  { group, topic, metricsTopic, temporaryGroup }: Source,
  signal: AbortSignal,
): Promise<StoredMetrics> {
  const admin = adminPool(settings);
  const patient = <T>(run: (client: Admin) => Promise<T>) =>
    retryWhileRetriable(() => admin.use(run), settings, { signal });
  try {
    const rows = new StateRows(minuteTable);
    await readTopic(settings, {
      topic: metricsTopic,
      group: temporaryGroup,
      onRecord({ key, value }) {
        if (key === null) return;
        rows.apply({ key: key.toString(), value: value === null ? null : value.toString() });
      },
    }, signal);

    const ranges = new Map<number, LogRange>();
    const notVerified = new Map<number, string>();
    const logs = [...await patient((client) => logRanges(client, topic))];
    for (const [partition, log] of logs.sort(([a], [b]) => a - b)) {
      const { progress } = rows.partition(partition);
      if (progress === undefined) continue;
      const start = progress.startOffset ?? log.start;
      const end = progress.nextOffset;
      if (start < log.start && start < end) {
        notVerified.set(
          partition,
          `offsets ${start} to ${log.start - 1n} were deleted by retention`,
        );
      } else if (end > log.end) {
        notVerified.set(partition, `it ends at ${log.end}, but was counted up to ${end}`);
      } else ranges.set(partition, { start, end });
    }
    const committed = await patient((client) => committedOffsets(client, group, topic));
    return { rows, ranges, notVerified, committed };
  } finally {
    await admin.close();
  }
}

async function countAgain(
  settings: KafkaSettings,
  { topic, ranges, temporaryGroup }: Source & { ranges: ReadonlyMap<number, LogRange> },
  signal: AbortSignal,
): Promise<Recount> {
  const recount = new Recount();
  await readTopic(settings, {
    topic,
    group: temporaryGroup,
    ranges,
    onRecord: (record, partition) => recount.add(partition, [record]),
  }, signal);
  return recount;
}

/** Deletes the temporary group; a failure does no harm, since such groups are never shown. */
async function deleteGroup(settings: KafkaSettings, group: string): Promise<void> {
  const admin = adminPool(settings);
  await admin.use((client) => client.deleteGroups([group])).catch(() => {});
  await admin.close();
}
