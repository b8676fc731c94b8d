/**
 * Compares the counts that analytics has stored with a second count of the same offsets.
 *
 * @module
 */
import { type Metrics, metricsReport, sumOfMetrics } from "./metrics_report.ts";
import { metricsOf } from "./metrics_table.ts";
import { CompactMinutes } from "./compact_minutes.ts";
import { formatMinute, type Minute, type MinuteCount, minuteOf } from "./minute_window.ts";
import { eachOrder } from "./order.ts";
import type { StateRows } from "./state_rows.ts";

/** Counts orders in memory, partition by partition. */
export class Recount {
  #partitions = new Map<number, Metrics & { minutes: CompactMinutes }>();
  /** The number of orders so far. */
  orders = 0;

  /** Counts records of a partition. */
  add(partition: number, records: Iterable<{ value: Uint8Array | null }>): void {
    const counts = this.partition(partition);
    const { malformed, skipped } = eachOrder(records, (order, timestampMs) => {
      const failed = order.status === "failed" ? 1 : 0;
      counts.minutes.add(minuteOf(timestampMs), { total: 1, failed });
      this.orders++;
    });
    counts.malformed += malformed.length;
    counts.skipped += skipped;
  }

  /** The counts of a partition. */
  partition(partition: number): Metrics & { minutes: CompactMinutes } {
    return this.#partitions.getOrInsertComputed(
      partition,
      () => ({ minutes: new CompactMinutes(), malformed: 0, skipped: 0 }),
    );
  }
}

/** A count that differs. */
export interface Difference {
  /** A minute such as `2026-02-17T14:33Z`, `malformed` or `skipped`. */
  what: string;
  /** The partition of the orders. */
  partition: number;
  /** The stored count. */
  stored: MinuteCount;
  /** The second count. */
  replayed: MinuteCount;
}

/** The comparison of the stored metrics with the second count. */
export interface Comparison {
  /** The digest of the stored metrics. */
  storedDigest: string;
  /** The digest of the second count. */
  replayedDigest: string;
  /** All differences, the oldest minute first. */
  differences: Difference[];
}

/** Compares the counts of each given partition, and one digest of all of them. */
export function compareMetrics(
  stored: StateRows<Minute, MinuteCount>,
  replayed: Recount,
  partitions: readonly number[],
): Comparison {
  const storedOf = (partition: number) => metricsOf(stored.partition(partition));
  const replayedOf = (partition: number) => replayed.partition(partition);
  const digest = (metrics: Metrics[]) => metricsReport(sumOfMetrics(metrics)).digest;
  const differences = partitions.flatMap((partition) =>
    differencesOf(partition, storedOf(partition), replayedOf(partition))
  );
  return {
    storedDigest: digest(partitions.map(storedOf)),
    replayedDigest: digest(partitions.map(replayedOf)),
    // Minutes begin with a digit, and digits come before letters.
    differences: differences.sort((a, b) =>
      a.what < b.what ? -1 : a.what > b.what ? 1 : a.partition - b.partition
    ),
  };
}

const NONE: MinuteCount = { total: 0, failed: 0 };

function differencesOf(partition: number, stored: Metrics, replayed: Metrics): Difference[] {
  const minutes = new Set(stored.minutes.keys()).union(new Set(replayed.minutes.keys()));
  const pairs = [...minutes].map((minute) => ({
    what: formatMinute(minute),
    partition,
    stored: stored.minutes.get(minute) ?? NONE,
    replayed: replayed.minutes.get(minute) ?? NONE,
  }));
  for (const what of ["malformed", "skipped"] as const) {
    pairs.push({
      what,
      partition,
      stored: { total: stored[what], failed: 0 },
      replayed: { total: replayed[what], failed: 0 },
    });
  }
  return pairs.filter(({ stored, replayed }) =>
    stored.total !== replayed.total || stored.failed !== replayed.failed
  );
}

/** Describes a difference in a sentence. */
export function differenceText({ what, partition, stored, replayed }: Difference): string {
  const counts = ({ total, failed }: MinuteCount) =>
    /^\d/.test(what)
      ? `${total} order${total === 1 ? "" : "s"} (${failed} failed)`
      : `${total} ${what} record${total === 1 ? "" : "s"}`;
  const where = /^\d/.test(what) ? `${what}, partition ${partition}` : `partition ${partition}`;
  return `${where}: stored ${counts(stored)}, replayed ${counts(replayed)}`;
}
