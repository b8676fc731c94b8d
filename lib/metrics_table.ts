/**
 * The state of analytics: the orders of each minute. Its rows are named `<partition>/<minute>`.
 *
 * @module
 */
import * as v from "valibot";
import { CompactMinutes } from "./compact_minutes.ts";
import { wholeNumber } from "./event_fields.ts";
import { type Metrics, sumOfMetrics } from "./metrics_report.ts";
import { formatMinute, type Minute, type MinuteCount, parseMinute } from "./minute_window.ts";
import type { PartitionRows, StateRows, StateTable } from "./state_rows.ts";

/** The table of minutes. */
export const minuteTable: StateTable<Minute, MinuteCount> = {
  writer: "analytics",
  nameOf: formatMinute,
  keyOf: parseMinute,
  schema: v.object({
    total: wholeNumber(0, "All orders of the minute."),
    failed: wholeNumber(0, "Those that failed."),
  }),
  newCounts: () => new CompactMinutes(),
  add: (a, b) => ({ total: a.total + b.total, failed: a.failed + b.failed }),
};

/** The metrics of one partition. */
export function metricsOf({ counts, progress }: PartitionRows<Minute, MinuteCount>): Metrics {
  return {
    minutes: counts,
    malformed: progress?.malformed ?? 0,
    skipped: progress?.skipped ?? 0,
  };
}

/** The metrics of all partitions together. */
export function allMetrics(rows: StateRows<Minute, MinuteCount>): Metrics {
  return sumOfMetrics(rows.partitions().map(metricsOf));
}
