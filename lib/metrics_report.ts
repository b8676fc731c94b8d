/**
 * From counts per minute to the report: as text, as JSON, and as one word to compare.
 *
 * The report is a function of the counts alone. "Current" means the newest minute that has orders.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Counts } from "./state_rows.ts";
import { CompactMinutes } from "./compact_minutes.ts";
import { formatMinute, type Minute, type MinuteCount } from "./minute_window.ts";

/** What was counted. */
export interface Metrics {
  /** The orders of each minute; a minute without orders is the same as no minute. */
  minutes: Counts<Minute, MinuteCount>;
  /** Records that could not be read as an order. */
  malformed: number;
  /** Valid records that were not orders. */
  skipped: number;
}

/** Adds up the metrics of several partitions. */
export function sumOfMetrics(parts: Iterable<Metrics>): Metrics {
  const sum = { minutes: new CompactMinutes(), malformed: 0, skipped: 0 };
  for (const { minutes, malformed, skipped } of parts) {
    for (const [minute, count] of minutes) sum.minutes.add(minute, count);
    sum.malformed += malformed;
    sum.skipped += skipped;
  }
  return sum;
}

/** The report, with the names that it has in JSON. */
export interface MetricsReport {
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
  /** Orders by minute, such as `2026-02-17T14:33:00Z`, oldest first. */
  orders_by_minute: Record<string, number>;
  /** Failed orders of the same minutes. */
  failed_orders_by_minute: Record<string, number>;
  /** Records that could not be read as an order. */
  malformed_events: number;
  /** Valid records that were not orders. */
  skipped_events: number;
  /**
   * SHA-256 in hex of the canonical report. That is, in UTF-8 and with a line feed after each line:
   * for each minute that has orders, oldest first, `<minute> <total> <failed>`, then
   * `malformed <number>`, then `skipped <number>`. For example:
   *
   * ```
   * 2026-02-17T14:33Z 1000 49
   * malformed 0
   * skipped 0
   * ```
   */
  digest: string;
}

/** How much of the canonical report is hashed at once. */
const HASHED_CHARACTERS = 65_536;

/** Makes the report of what was counted. */
export function metricsReport({ minutes, malformed, skipped }: Metrics): MetricsReport {
  const ordersByMinute: Record<string, number> = {};
  const failedByMinute: Record<string, number> = {};
  const hash = createHash("sha256");
  let lines = "";
  let minuteCount = 0;
  let totalOrders = 0;
  let failedOrders = 0;
  let current = 0;
  // There may be a million minutes: nothing is made of each that is not needed in the end.
  for (const minute of Float64Array.from(minutes.keys()).sort()) {
    const { total, failed } = minutes.get(minute)!;
    if (total === 0) continue;
    const key = formatMinute(minute);
    const time = key.replace("Z", ":00Z");
    ordersByMinute[time] = total;
    failedByMinute[time] = failed;
    lines += `${key} ${total} ${failed}\n`;
    if (lines.length > HASHED_CHARACTERS) {
      hash.update(lines);
      lines = "";
    }
    minuteCount++;
    totalOrders += total;
    failedOrders += failed;
    current = total;
  }
  hash.update(`${lines}malformed ${malformed}\nskipped ${skipped}\n`);

  return {
    total_orders: totalOrders,
    failed_orders: failedOrders,
    ...orderRates({ totalOrders, failedOrders, minuteCount }),
    current_orders_per_minute: current,
    orders_by_minute: ordersByMinute,
    failed_orders_by_minute: failedByMinute,
    malformed_events: malformed,
    skipped_events: skipped,
    digest: hash.digest("hex"),
  };
}

/** The rates of a report, from its numbers of orders and of minutes that have some. */
export function orderRates(
  { totalOrders, failedOrders, minuteCount }: {
    totalOrders: number;
    failedOrders: number;
    minuteCount: number;
  },
): Pick<MetricsReport, "failure_rate_percent" | "average_orders_per_minute"> {
  const isEmpty = totalOrders === 0;
  return {
    failure_rate_percent: isEmpty ? 0 : roundHalfEven2((failedOrders / totalOrders) * 100),
    average_orders_per_minute: isEmpty ? 0 : roundHalfEven2(totalOrders / minuteCount),
  };
}

/**
 * The report as other programs read it, ending with a newline. There is a line for dead letters only if
 * there are any.
 */
export function reportText(report: MetricsReport): string {
  const line = "=".repeat(50);
  return [
    "ANALYTICS METRICS REPORT",
    line,
    `Total Orders: ${report.total_orders}`,
    `Failed Orders: ${report.failed_orders}`,
    `Failure Rate: ${pythonFloat(report.failure_rate_percent)}%`,
    `Average Orders per Minute: ${pythonFloat(report.average_orders_per_minute)}`,
    `Current Orders per Minute: ${report.current_orders_per_minute}`,
    ...(report.malformed_events > 0 ? [`Dead Letters: ${report.malformed_events}`] : []),
    "",
    "Orders by Minute:",
    `${minuteLines(report)}${line}`,
    "",
  ].join("\n");
}

function minuteLines({ orders_by_minute: orders }: MetricsReport): string {
  let lines = "";
  for (const minute of Object.keys(orders)) {
    lines += `  ${minute.replace("T", " ").replace("Z", "")}: ${orders[minute]} orders\n`;
  }
  return lines;
}

/** The report as one line of JSON, ending with a newline. */
export function reportJson(report: MetricsReport): string {
  return JSON.stringify(report) + "\n";
}

/** What Python's `round(x, 2)` gives: the nearer hundredth, and of two as near the even one. */
export function roundHalfEven2(x: number): number {
  // toFixed goes by the exact value of the double, as Python does, but rounds halves up. Only odd
  // multiples of 1/8 are exact halves: .125 and .625 go down, .375 and .875 go up either way.
  const fraction = Math.abs(x % 1);
  const isHalfAboveEven = fraction === 0.125 || fraction === 0.625;
  return Number(isHalfAboveEven ? x.toFixed(3).slice(0, -1) : x.toFixed(2));
}

/** What Python prints for a float with few decimals, below 10¹⁶: `4.9`, `0.0`, `1000.0`. */
export function pythonFloat(x: number): string {
  return Number.isInteger(x) ? `${x}.0` : `${x}`;
}
