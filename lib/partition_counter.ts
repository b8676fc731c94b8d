/**
 * Counting the orders of one input partition, and the metrics rows that change with each batch.
 *
 * @module
 */
import type { Metrics } from "./metrics_report.ts";
import {
  minuteRow,
  type PartitionRows,
  type Progress,
  progressRow,
  type Row,
} from "./metrics_rows.ts";
import type { MinuteCounts } from "./minute_window.ts";

/** Counts the orders of one partition. */
export interface PartitionCounter {
  /** Whether the stored rows must be corrected even if no record comes. */
  readonly pending: boolean;
  /** The rows that a batch changes; `committed` must be called once their transaction is committed. */
  count(batch: Metrics, nextOffset: bigint): { rows: Row[]; committed(): void };
}

/**
 * Continues the counting of a partition.
 *
 * The stored rows are valid for the offset in their progress. If the group has committed another
 * offset, it was moved: the rows are deleted with the first transaction, and the counting starts from
 * zero at the committed offset.
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
        .map((minute) => minuteRow(partition, minute, null));
      const changes: MinuteCounts = new Map();
      for (const [minute, { total, failed }] of added) {
        const before = minutes.get(minute);
        const after = {
          total: total + (before?.total ?? 0),
          failed: failed + (before?.failed ?? 0),
        };
        changes.set(minute, after);
        rows.push(minuteRow(partition, minute, after));
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
