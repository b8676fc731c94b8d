/**
 * The state of one input partition, and the rows that change with each batch.
 *
 * @module
 */
import {
  type Counts,
  countsRow,
  type PartitionRows,
  type Progress,
  progressRow,
  type Row,
  type StateTable,
} from "./state_rows.ts";

/** What a batch adds. */
export interface Added<K, C> {
  /** The counts of each key that has some. */
  counts: Map<K, C>;
  /** Records that were not valid. */
  malformed: number;
  /** Valid records that were not orders. */
  skipped: number;
}

/** Counts the records of one partition. */
export interface PartitionState<K, C> {
  /** Whether the stored rows must be corrected even if no record comes. */
  readonly pending: boolean;
  /** The rows that a batch changes; `committed` must be called once their transaction is committed. */
  add(batch: Added<K, C>, nextOffset: bigint): { rows: Row[]; committed(): void };
}

/**
 * Continues the counting of a partition.
 *
 * @param stored The rows that the state topic holds.
 * @param initial The rows that it should hold: the first transaction writes the differences. Its counts
 * are used and changed, not copied: there may be a million.
 * @param pending Whether there is something to commit even without differences.
 */
export function partitionState<K, C extends object>(
  table: StateTable<K, C>,
  partition: number,
  { stored, initial, pending: isPending = false }: {
    stored: PartitionRows<K, C>;
    initial: { counts: Counts<K, C>; progress: Progress };
    pending?: boolean;
  },
): PartitionState<K, C> {
  const { counts } = initial;
  let { progress } = initial;
  let corrections = differences(stored.counts, counts);
  let pending = isPending || corrections.size > 0;

  return {
    get pending() {
      return pending;
    },
    add({ counts: added, malformed, skipped }, nextOffset) {
      const next: Progress = {
        ...progress,
        nextOffset,
        malformed: progress.malformed + malformed,
        skipped: progress.skipped + skipped,
      };
      const changes = new Map(corrections);
      for (const [key, count] of added) {
        const before = counts.get(key);
        changes.set(key, before === undefined ? count : table.add(before, count));
      }
      const rows = [...changes].map(([key, count]) =>
        countsRow(table, partition, { key, counts: count })
      );
      rows.push(progressRow(partition, next));
      return {
        rows,
        committed() {
          for (const [key, count] of changes) if (count !== null) counts.set(key, count);
          progress = next;
          corrections = new Map();
          pending = false;
        },
      };
    },
  };
}

/** What must be written to get from the stored counts to others; `null` where there is nothing left. */
function differences<K, C extends object>(
  stored: Counts<K, C>,
  wanted: Counts<K, C>,
): Map<K, C | null> {
  const changes = new Map<K, C | null>();
  if (stored === wanted) return changes;
  for (const key of stored.keys()) if (wanted.get(key) === undefined) changes.set(key, null);
  for (const [key, count] of wanted) {
    if (JSON.stringify(stored.get(key)) !== JSON.stringify(count)) changes.set(key, count);
  }
  return changes;
}
