/**
 * Orders by minute as a series that can be drawn: sorted, and thinned to a number of points.
 *
 * @module
 */
import { type Metrics, orderRates } from "./metrics_report.ts";
import type { Minute } from "./minute_window.ts";

/** The minutes that have orders, oldest first, with their counts. */
export interface MinuteSeries {
  /** The minutes. */
  minutes: Float64Array;
  /** Orders of each minute that were placed. */
  placed: Float64Array;
  /** Orders of each minute that failed. */
  failed: Float64Array;
}

/** Points of a chart: buckets of one length, those without orders left out. */
export interface ThinnedSeries {
  /** How many minutes a bucket has. */
  bucket_minutes: number;
  /** The start of each bucket, in seconds since the epoch. */
  start: number[];
  /** Orders of each bucket that were placed. */
  placed: number[];
  /** Orders of each bucket that failed. */
  failed: number[];
}

/** What a report says in few numbers, with the names that it has in JSON. */
export interface MetricsSummary {
  /** All orders. */
  total_orders: number;
  /** Those that failed. */
  failed_orders: number;
  /** Failed ÷ total × 100, rounded to two decimals; 0 without orders. */
  failure_rate_percent: number;
  /** Total ÷ number of minutes that have orders, rounded to two decimals; 0 without orders. */
  average_orders_per_minute: number;
  /** Orders in the newest minute. */
  current_orders_per_minute: number;
  /** The start of the newest minute, in seconds since the epoch; `null` without orders. */
  current_minute: number | null;
}

/** Lengths of buckets that people can read, in minutes. */
const BUCKET_MINUTES = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720],
  ...[1, 2, 7, 14, 28, 56, 112, 364].map((days) => days * 1_440),
];

/** Sorts what was counted. */
export function minuteSeries({ minutes: counts }: Pick<Metrics, "minutes">): MinuteSeries {
  const minutes = Float64Array.from(counts.keys()).sort();
  const placed = new Float64Array(minutes.length);
  const failed = new Float64Array(minutes.length);
  let length = 0;
  for (const minute of minutes) {
    const count = counts.get(minute)!;
    if (count.total === 0) continue;
    minutes[length] = minute;
    placed[length] = count.total - count.failed;
    failed[length++] = count.failed;
  }
  return {
    minutes: minutes.subarray(0, length),
    placed: placed.subarray(0, length),
    failed: failed.subarray(0, length),
  };
}

/** The numbers of a report; they are those of `metricsReport`. */
export function metricsSummary({ minutes, placed, failed }: MinuteSeries): MetricsSummary {
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const failedOrders = sum(failed);
  const totalOrders = sum(placed) + failedOrders;
  const last = minutes.length - 1;
  return {
    total_orders: totalOrders,
    failed_orders: failedOrders,
    ...orderRates({ totalOrders, failedOrders, minuteCount: minutes.length }),
    current_orders_per_minute: last < 0 ? 0 : placed[last]! + failed[last]!,
    current_minute: last < 0 ? null : minutes[last]! * 60,
  };
}

/**
 * Adds up minutes to buckets, so that no more than a number of them are left.
 *
 * Buckets are aligned to the epoch: a newer minute changes none but the last.
 *
 * @param range.from The first minute, inclusive.
 * @param range.to The last minute, inclusive.
 * @param range.points At most how many buckets, at least 2.
 */
export function thinned(
  { minutes, placed, failed }: MinuteSeries,
  { from, to, points }: { from: Minute; to: Minute; points: number },
): ThinnedSeries {
  const wanted = (to - from + 1) / (points - 1);
  const bucket = BUCKET_MINUTES.find((length) => length >= wanted) ?? Math.ceil(wanted);
  const result: ThinnedSeries = { bucket_minutes: bucket, start: [], placed: [], failed: [] };
  for (let index = firstAtOrAfter(minutes, from); index < minutes.length; index++) {
    if (minutes[index]! > to) break;
    const start = Math.floor(minutes[index]! / bucket) * bucket * 60;
    if (result.start.at(-1) !== start) {
      result.start.push(start);
      result.placed.push(0);
      result.failed.push(0);
    }
    const last = result.start.length - 1;
    result.placed[last]! += placed[index]!;
    result.failed[last]! += failed[index]!;
  }
  return result;
}

function firstAtOrAfter(minutes: Float64Array, minute: Minute): number {
  let low = 0;
  let high = minutes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (minutes[middle]! < minute) low = middle + 1;
    else high = middle;
  }
  return low;
}
