/**
 * From orders to counts per minute.
 *
 * A window is one minute, aligned to the epoch, `[start, end)`: an order at exactly 14:34:00.000
 * belongs to 14:34. The event time decides, never the clock, so a late order counts in the minute
 * of its event time however late it is, and the order of arrival does not matter.
 *
 * @module
 */
import { CompactMinutes } from "./compact_minutes.ts";
import { formatTimestamp, parseTimestampMs } from "./timestamp.ts";

/** A minute: how many of them after the epoch it starts, in UTC; negative before 1970. */
export type Minute = number;

/** The orders of a minute. */
export interface MinuteCount {
  /** All of them. */
  total: number;
  /** Those that failed. */
  failed: number;
}

/** The counts of the minutes that have orders. */
export type MinuteCounts = Map<Minute, MinuteCount>;

const MINUTE_MS = 60_000;

/** The minute in which a time lies. */
export function minuteOf(timestampMs: number): Minute {
  return Math.floor(timestampMs / MINUTE_MS);
}

/** Counts an order in the minute of its event time. */
export function countOrder(counts: MinuteCounts, timestampMs: number, failed: boolean): void {
  const minute = minuteOf(timestampMs);
  let count = counts.get(minute);
  if (count === undefined) counts.set(minute, count = { total: 0, failed: 0 });
  count.total++;
  if (failed) count.failed++;
}

/** Writes a minute as in `2026-02-17T14:33Z`. */
export function formatMinute(minute: Minute): string {
  return `${formatTimestamp(minute * MINUTE_MS).slice(0, 16)}Z`;
}

/** Reads what {@linkcode formatMinute} writes; `undefined` for any other text. */
export function parseMinute(text: string): Minute | undefined {
  // No other form of a timestamp is as long and ends with Z.
  const ms = text.length === 17 && text.endsWith("Z") ? parseTimestampMs(text) : NaN;
  return Number.isNaN(ms) ? undefined : minuteOf(ms);
}

/** The metrics of orders as they come, in constant time for each. */
export class OrderTally {
  #counts = new CompactMinutes();
  #total = 0;
  #failed = 0;
  #newest = -Infinity;

  /** Counts an order. */
  add(timestampMs: number, failed: boolean): void {
    this.#counts.add(minuteOf(timestampMs), { total: 1, failed: failed ? 1 : 0 });
    this.#total++;
    if (failed) this.#failed++;
    this.#newest = Math.max(this.#newest, minuteOf(timestampMs));
  }

  /** All orders. */
  get total(): number {
    return this.#total;
  }

  /** Those that failed. */
  get failed(): number {
    return this.#failed;
  }

  /** The figures of the line, by their names in the report. */
  figures(): Record<string, number> {
    const percent = this.#total === 0 ? 0 : this.#failed / this.#total * 100;
    return {
      total_orders: this.#total,
      failed_orders: this.#failed,
      failure_rate_percent: Number(percent.toFixed(2)),
      current_orders_per_minute: this.#counts.get(this.#newest)?.total ?? 0,
    };
  }

  /** A line such as `1000 orders counted, 4.9% failed, 500.0 per minute, 498 in 2024-01-15T10:30Z`. */
  toString(): string {
    if (this.#total === 0) return "0 orders counted";
    const percent = (this.#failed / this.#total * 100).toFixed(1);
    const average = (this.#total / this.#counts.size).toFixed(1);
    const current = this.#counts.get(this.#newest)!.total;
    return `${this.#total} orders counted, ${percent}% failed, ${average} per minute, ` +
      `${current} in ${formatMinute(this.#newest)}`;
  }
}
