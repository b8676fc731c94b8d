/**
 * The rows of a metrics topic: what analytics keeps of each input partition.
 *
 * Partition p of the metrics topic holds, for partition p of the orders, one row per minute
 * (`<p>/<minute>`: how many orders, how many of them failed), one row `<p>/progress` (the offset of
 * the first order that was counted, that of the next, and how many records were not orders) and one
 * row `<p>/barrier` (its writer has seen everything that was written before it once it has read up to
 * its offset). The progress comes last in each transaction.
 *
 * @module
 */
import {
  formatMinute,
  type Minute,
  type MinuteCount,
  type MinuteCounts,
  parseMinute,
} from "./minute_window.ts";
import * as v from "valibot";
import { conform, expected, parseObject, reasonOf, wholeNumber } from "./event_fields.ts";
import { type Metrics, sumOfMetrics } from "./metrics_report.ts";

const OFFSET = expected("digits");

const offset = (description: string) =>
  v.pipe(v.string(OFFSET), v.digits(OFFSET), v.description(description));

const countsSchema = v.object({
  total: wholeNumber(0, "All orders of the minute."),
  failed: wholeNumber(0, "Those that failed."),
});

const progressSchema = v.object({
  start_offset: v.optional(offset("The offset of the first record that was counted.")),
  next_offset: offset("The offset of the next record to count."),
  malformed: wholeNumber(0, "Records so far that were not valid."),
  skipped: wholeNumber(0, "Valid records so far that were not orders."),
});

/** The schemas of the values of a minute's row and of a progress row. */
export const rowSchemas: { minute: v.GenericSchema; progress: v.GenericSchema } = {
  minute: countsSchema,
  progress: progressSchema,
};

/** How far the counting of a partition has come. */
export interface Progress {
  /**
   * The offset of the first record that was counted; `undefined` in rows that were written before
   * this was kept.
   */
  startOffset: bigint | undefined;
  /** The offset of the next record to count. */
  nextOffset: bigint;
  /** Records so far that were not valid. */
  malformed: number;
  /** Valid records so far that were not orders. */
  skipped: number;
}

/** What is known of one input partition. */
export interface PartitionRows {
  /** The counts of each minute. */
  minutes: MinuteCounts;
  /** The progress; `undefined` before the first transaction. */
  progress: Progress | undefined;
}

/** A row as it is written; a `null` value is a tombstone. */
export interface Row {
  /** `<partition>/<minute>`, `<partition>/progress` or `<partition>/barrier`. */
  key: string;
  /** JSON. */
  value: string | null;
}

/** The row of a minute; a tombstone when there is no count. */
export function minuteRow(partition: number, minute: Minute, count: MinuteCount | null): Row {
  return {
    key: `${partition}/${formatMinute(minute)}`,
    value: count === null ? null : `{"total":${count.total},"failed":${count.failed}}`,
  };
}

/** The row that says how far a partition is counted. */
export function progressRow(partition: number, progress: Progress): Row {
  const { startOffset, nextOffset, malformed, skipped } = progress;
  const start = startOffset === undefined ? "" : `"start_offset":"${startOffset}",`;
  return {
    key: `${partition}/progress`,
    value: `{${start}"next_offset":"${nextOffset}","malformed":${malformed},"skipped":${skipped}}`,
  };
}

/** The row that marks a moment in a partition; its offset is all that it says. */
export function barrierRow(partition: number): Row {
  return { key: `${partition}/barrier`, value: "{}" };
}

/** The rows of all partitions, as a reader of the metrics topic builds them up. */
export class MetricsRows {
  #partitions = new Map<number, PartitionRows>();
  /** Counts up with each change of a count or of the progress. */
  version = 0;

  /** Forgets everything. */
  clear(): void {
    this.#partitions.clear();
    this.version++;
  }

  /**
   * Takes in a row. Rows with keys that this version does not know are passed over.
   *
   * @throws {Error} When a row does not hold what analytics writes.
   */
  apply({ key, value }: Row): void {
    const slash = key.indexOf("/");
    const partition = Number(key.slice(0, slash));
    const name = key.slice(slash + 1);
    if (slash < 1 || !Number.isSafeInteger(partition) || name === "barrier") return;
    const rows = this.partition(partition);
    if (name === "progress") {
      const content = value === null ? null : parseValue(key, value, progressSchema);
      rows.progress = content === null ? undefined : {
        startOffset: content.start_offset === undefined ? undefined : BigInt(content.start_offset),
        nextOffset: BigInt(content.next_offset),
        malformed: content.malformed,
        skipped: content.skipped,
      };
    } else {
      const minute = parseMinute(name);
      if (minute === undefined) return;
      const content = value === null ? null : parseValue(key, value, countsSchema);
      if (content === null) rows.minutes.delete(minute);
      else rows.minutes.set(minute, { total: content.total, failed: content.failed });
    }
    this.version++;
  }

  /** What is known of a partition. */
  partition(partition: number): PartitionRows {
    return this.#partitions.getOrInsertComputed(
      partition,
      () => ({ minutes: new Map(), progress: undefined }),
    );
  }

  /** The metrics of all partitions together. */
  metrics(): Metrics {
    return sumOfMetrics([...this.#partitions.values()].map(metricsOf));
  }
}

/** The metrics of one partition. */
export function metricsOf({ minutes, progress }: PartitionRows): Metrics {
  return { minutes, malformed: progress?.malformed ?? 0, skipped: progress?.skipped ?? 0 };
}

function parseValue<T>(key: string, value: string, schema: v.GenericSchema<T>): T {
  try {
    return conform(schema, parseObject(value));
  } catch (error) {
    throw new Error(
      `the metrics row "${key}" holds ${
        JSON.stringify(value)
      }, which is not what analytics writes ` +
        `(${reasonOf(error)}); only its own group may write to a metrics topic`,
    );
  }
}
