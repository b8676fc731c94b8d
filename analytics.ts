/**
 * The analytics service: orders per minute and failure rate, durable and exactly once.
 *
 * Reads `order-events` and keeps the counts of each minute in `<group>-order-metrics`, in the same
 * transactions as its offsets: it can be killed at any moment and loses or repeats nothing. Start it
 * again in another terminal and Kafka splits the partitions; every instance reports the whole.
 *
 * ```sh
 * deno task analytics
 * deno task analytics --replay --until-end --format json
 * ```
 *
 * Permissions: the set `service` of deno.json, of whose files it keeps the report only.
 *
 * @module
 */
import {
  COMMON_FLAGS,
  flag,
  oneOf,
  type Options,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { openReportFile, reportPath } from "./lib/cli/report_file.ts";
import { serviceFlags } from "./lib/cli/service_flags.ts";
import { observeService } from "./lib/http/observe_service.ts";
import { moveToBeginning } from "./lib/kafka/move_offsets.ts";
import type { SourceRecord } from "./lib/kafka/records.ts";
import { GroupConflictError, prepareServiceTopics } from "./lib/kafka/service_topics.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { type Processed, runService } from "./lib/kafka/stateful_service.ts";
import { metricsReport, reportJson, reportText } from "./lib/metrics_report.ts";
import { allMetrics, minuteTable } from "./lib/metrics_table.ts";
import {
  countOrder,
  type Minute,
  type MinuteCount,
  type MinuteCounts,
  OrderTally,
} from "./lib/minute_window.ts";
import { eachOrder } from "./lib/order.ts";
import { orderMetrics } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  ...serviceFlags("analytics"),
  reportEvery: flag({
    value: "N",
    default: "1000",
    help: "print a line of metrics for every N orders of this instance, at least 1",
  }, wholeNumber({ min: 1 })),
  output: flag({
    value: "FILE|-|none",
    default: "metrics_output.txt",
    help: "where the report is kept up to date; - or none: no file, stdout only, at the end",
  }, reportPath),
  format: flag({
    value: "text|json",
    default: "text",
    help: "the form of the report",
  }, oneOf("text", "json")),
  replay: toggle("count again from the first order: resets this group's offsets"),
  ...COMMON_FLAGS,
};

/** Runs the service until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const secured = { ...options, ...readSecurity(options) };
  const settings = kafkaSettings("order-stream-analytics", secured, printNote);
  const file = await openReportFile(options.output);
  const group = options.topicPrefix + options.group;
  const tally = new OrderTally();
  await using observed = await observeService({
    listen: options.listen,
    allowedHosts: options.allowHost,
    group,
    orders: () => ({ placed: tally.total - tally.failed, failed: tally.failed }),
    note: printNote,
  });
  const topics = await prepareServiceTopics(settings, {
    topicPrefix: options.topicPrefix,
    group,
    state: (partitions) => orderMetrics(group, partitions),
  }, signal).catch(refuseConflict);
  if (options.replay) {
    const { orders: topic, partitions } = topics;
    await moveToBeginning(settings, { group, topic, partitions }, signal);
    printNote(`group ${group} starts again from the beginning of ${topic}`);
  }

  const format = options.format === "json" ? reportJson : reportText;
  const startedMs = performance.now();
  const place = options.output === undefined ? "printed at the end" : `in ${options.output}`;
  printNote(`group ${group} counts ${topics.orders}; the report is ${place}`);
  await runService({
    settings,
    group,
    topics,
    throttleMs: options.throttle,
    untilEnd: options.untilEnd,
    compression: options.compression,
    status: observed.status,
    table: minuteTable,
    process: (records) => countOrders(records, { tally, reportEvery: options.reportEvery }),
    report: (rows) =>
      file?.update(format(metricsReport(allMetrics(rows)))) ?? Promise.resolve(true),
    finish(rows) {
      const seconds = (performance.now() - startedMs) / 1_000;
      printNote(`${tally.total} orders counted by this instance in ${seconds.toFixed(2)} s`, {
        total_orders: tally.total,
        seconds: Number(seconds.toFixed(3)),
      });
      if (rows === undefined) {
        printWarning(`no report: ${topics.state} could not be read to its end`);
      } else {
        const report = metricsReport(allMetrics(rows));
        printResult((options.json ? reportJson : format)(report).trimEnd());
      }
    },
  }, signal);
  await file?.close();
}

function refuseConflict(error: unknown): never {
  throw error instanceof GroupConflictError ? new UsageError(error.message) : error;
}

/** Counts orders by minute; the tally grows once they are committed. */
function countOrders(
  records: readonly SourceRecord[],
  { tally, reportEvery }: { tally: OrderTally; reportEvery: number },
): Processed<Minute, MinuteCount> {
  const counts: MinuteCounts = new Map();
  const timesMs: number[] = [];
  const failures: boolean[] = [];
  const { skipped, malformed } = eachOrder(records, ({ status }, timestampMs) => {
    const failed = status === "failed";
    countOrder(counts, timestampMs, failed);
    timesMs.push(timestampMs);
    failures.push(failed);
  });
  return {
    ...{ counts, skipped, malformed },
    committed() {
      for (const [index, timestampMs] of timesMs.entries()) {
        tally.add(timestampMs, failures[index]!);
        if (tally.total % reportEvery === 0) printNote(String(tally), tally.figures());
      }
    },
  };
}

if (import.meta.main) {
  main({
    usage: "deno task analytics",
    summary:
      "Counts orders per minute and failures, exactly once, and keeps a report of all partitions.",
    flags,
    examples: [
      "deno task analytics --replay --until-end",
      "deno task analytics --format json --output metrics.json",
    ],
    run,
  });
}
