/**
 * Counting again what analytics has counted, to compare it with the stored metrics.
 *
 * @module
 */
import { Recount } from "../metrics_comparison.ts";
import { MetricsRows } from "../metrics_rows.ts";
import { adminPool } from "./client_pool.ts";
import { committedOffsets, type LogRange, logRanges } from "./offsets.ts";
import { readTopic } from "./read_topic.ts";
import type { KafkaSettings } from "./settings.ts";

/** The stored metrics of a group, and what of the orders they can be compared with. */
export interface StoredMetrics {
  /** The rows as they stood at one moment. */
  rows: MetricsRows;
  /** What was counted, of each partition that has stored progress and can be read again. */
  ranges: Map<number, LogRange>;
  /** Why the others cannot be counted again, by partition. */
  gone: Map<number, string>;
  /** The group's committed offsets. */
  committed: Map<number, bigint>;
}

/**
 * Reads the stored metrics of a group as they stand now.
 *
 * The moment is the last stable offset of the metrics topic. Each of its partitions has one writer at
 * a time, so no transaction is cut in two there; what analytics adds meanwhile is left out.
 */
export async function readStoredMetrics(
  settings: KafkaSettings,
  { group, topic, metricsTopic, temporaryGroup }: {
    group: string;
    topic: string;
    metricsTopic: string;
    temporaryGroup: string;
  },
  signal: AbortSignal,
): Promise<StoredMetrics> {
  const admin = adminPool(settings);
  try {
    const rows = new MetricsRows();
    await readTopic(settings, {
      topic: metricsTopic,
      group: temporaryGroup,
      onRecord({ key, value }) {
        if (key === null) return;
        rows.apply({ key: key.toString(), value: value === null ? null : value.toString() });
      },
    }, signal);

    const ranges = new Map<number, LogRange>();
    const gone = new Map<number, string>();
    for (const [partition, log] of await admin.use((client) => logRanges(client, topic))) {
      const { progress } = rows.partition(partition);
      if (progress === undefined) continue;
      const start = progress.startOffset ?? log.start;
      const end = progress.nextOffset;
      if (start < log.start && start < end) {
        gone.set(partition, `offsets ${start} to ${log.start - 1n} were deleted by retention`);
      } else if (end > log.end) {
        gone.set(partition, `it ends at ${log.end}, but was counted up to ${end}`);
      } else ranges.set(partition, { start, end });
    }
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    return { rows, ranges, gone, committed };
  } finally {
    await admin.close();
  }
}

/** Counts the orders in the ranges again, in memory. */
export async function recount(
  settings: KafkaSettings,
  { topic, ranges, temporaryGroup }: {
    topic: string;
    ranges: ReadonlyMap<number, LogRange>;
    temporaryGroup: string;
  },
  signal: AbortSignal,
): Promise<Recount> {
  const counted = new Recount();
  await readTopic(settings, {
    topic,
    group: temporaryGroup,
    ranges,
    onRecord: (record, partition) => counted.add(partition, [record]),
  }, signal);
  return counted;
}

/** Deletes a group that is not needed any more; it is no harm when that does not work. */
export async function deleteGroup(settings: KafkaSettings, group: string): Promise<void> {
  const admin = adminPool(settings);
  await admin.use((client) => client.deleteGroups([group])).catch(() => {});
  await admin.close();
}
