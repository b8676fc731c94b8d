/**
 * The rows of a metrics topic: what analytics keeps of each input partition, and how it changes.
 *
 * Partition p of the metrics topic holds, for partition p of the orders, one row per minute
 * (`<p>/<minute>`: how many orders, how many of them failed), one row `<p>/progress` (the offset of
 * the first order that was counted, that of the next, and how many records were no orders) and one
 * row `<p>/barrier` (whoever has written it and has read up to its offset has seen everything that
 * was written before). The progress comes last in each transaction.
 *
 * @module
 */
import { formatMinute, type Minute, type MinuteCounts, parseMinute } from "./minute_window.ts";
import type { Metrics } from "./metrics_report.ts";

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
  /** Records so far that were valid, but no orders. */
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

/** The row of a minute. */
export function minuteRow(partition: number, minute: Minute, total: number, failed: number): Row {
  return {
    key: `${partition}/${formatMinute(minute)}`,
    value: `{"total":${total},"failed":${failed}}`,
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
      const content = value === null ? null : parseValue(key, value, isProgress);
      rows.progress = content === null ? undefined : {
        startOffset: content.start_offset === undefined ? undefined : BigInt(content.start_offset),
        nextOffset: BigInt(content.next_offset),
        malformed: content.malformed,
        skipped: content.skipped,
      };
    } else {
      const minute = parseMinute(name);
      if (minute === undefined) return;
      const content = value === null ? null : parseValue(key, value, isCounts);
      if (content === null) rows.minutes.delete(minute);
      else rows.minutes.set(minute, { total: content.total, failed: content.failed });
    }
    this.version++;
  }

  /** What is known of a partition. */
  partition(partition: number): PartitionRows {
    let rows = this.#partitions.get(partition);
    if (rows === undefined) {
      rows = { minutes: new Map(), progress: undefined };
      this.#partitions.set(partition, rows);
    }
    return rows;
  }

  /** The metrics of all partitions together. */
  metrics(): Metrics {
    const minutes: MinuteCounts = new Map();
    let malformed = 0;
    let skipped = 0;
    for (const rows of this.#partitions.values()) {
      for (const [minute, { total, failed }] of rows.minutes) {
        const sum = minutes.get(minute);
        if (sum === undefined) minutes.set(minute, { total, failed });
        else {
          sum.total += total;
          sum.failed += failed;
        }
      }
      malformed += rows.progress?.malformed ?? 0;
      skipped += rows.progress?.skipped ?? 0;
    }
    return { minutes, malformed, skipped };
  }
}

/** The value of a progress row. */
interface ProgressValue {
  start_offset?: string;
  next_offset: string;
  malformed: number;
  skipped: number;
}

/** The value of a minute's row. */
interface CountsValue {
  total: number;
  failed: number;
}

function isProgress({ start_offset, next_offset, malformed, skipped }: ProgressValue): boolean {
  return isOffset(next_offset) && (start_offset === undefined || isOffset(start_offset)) &&
    isCount(malformed) && isCount(skipped);
}

function isCounts({ total, failed }: CountsValue): boolean {
  return isCount(total) && isCount(failed);
}

function isOffset(value: unknown): boolean {
  return typeof value === "string" && /^\d+$/.test(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseValue<T>(key: string, value: string, isValid: (content: T) => boolean): T {
  try {
    const content: T = JSON.parse(value);
    if (isValid(content)) return content;
  } catch {
    // Said below.
  }
  throw new Error(
    `the metrics row "${key}" holds ${
      JSON.stringify(value)
    }, which is not what analytics writes: ` +
      "the metrics topic belongs to its group alone",
  );
}

/** The counting of one partition, from the offset at which it was assigned. */
export interface PartitionCounter {
  /** Whether rows have to be written even though no record has come. */
  readonly pending: boolean;
  /**
   * The rows that change with what a batch holds; `committed` must be called once they are written.
   */
  count(batch: Metrics, nextOffset: bigint): { rows: Row[]; committed(): void };
}

/**
 * Continues the counting of a partition.
 *
 * The stored rows hold for the offset in their progress. When the group's committed offset is
 * another one, somebody has moved the group: the rows no longer hold, they are deleted with the
 * first transaction, and the counting starts from zero at the committed offset.
 *
 * @param committed The group's committed offset, if there is one.
 * @param start The offset of the first record that will be counted.
 */
export function continueCounting(
  partition: number,
  stored: PartitionRows,
  { committed, start }: { committed: bigint | undefined; start: bigint },
): PartitionCounter {
  const holds = stored.progress?.nextOffset === committed;
  const minutes: MinuteCounts = new Map();
  if (holds) stored.minutes.forEach((count, minute) => minutes.set(minute, { ...count }));
  let progress: Progress = holds && stored.progress !== undefined
    ? stored.progress
    : { startOffset: start, nextOffset: start, malformed: 0, skipped: 0 };
  let stale = holds ? [] : [...stored.minutes.keys()];
  let pending = !holds || (committed !== undefined && committed !== start);

  return {
    get pending() {
      return pending;
    },
    count({ minutes: added, malformed, skipped }, nextOffset) {
      const next: Progress = {
        startOffset: progress.startOffset,
        nextOffset,
        malformed: progress.malformed + malformed,
        skipped: progress.skipped + skipped,
      };
      const rows: Row[] = stale.filter((minute) => !added.has(minute))
        .map((minute) => ({ key: `${partition}/${formatMinute(minute)}`, value: null }));
      const changes: MinuteCounts = new Map();
      for (const [minute, { total, failed }] of added) {
        const before = minutes.get(minute);
        const after = {
          total: total + (before?.total ?? 0),
          failed: failed + (before?.failed ?? 0),
        };
        changes.set(minute, after);
        rows.push(minuteRow(partition, minute, after.total, after.failed));
      }
      rows.push(progressRow(partition, next));
      return {
        rows,
        committed() {
          changes.forEach((count, minute) => minutes.set(minute, count));
          progress = next;
          stale = [];
          pending = false;
        },
      };
    },
  };
}
