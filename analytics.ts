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
 * Permissions: the set `analytics` of deno.json, `--allow-net` for the brokers, `--allow-read` and
 * `--allow-write` for the directory of the report.
 *
 * @module
 */
import {
  COMMON_FLAGS,
  flag,
  nonEmpty,
  oneOf,
  type Options,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { requireWritable, writeWhole } from "./lib/cli/report_file.ts";
import { serviceFlags } from "./lib/cli/service_flags.ts";
import { userPath } from "./lib/cli/user_path.ts";
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
    help: "print a line of metrics for every N orders that this instance has counted",
  }, wholeNumber({ min: 1 })),
  output: flag({
    value: "FILE",
    default: "metrics_output.txt",
    help: "where the report is kept up to date, relative to the current directory",
  }, nonEmpty),
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
  const output = userPath(options.output);
  await requireWritable(output);
  const settings = kafkaSettings("order-stream-analytics", options, printNote);
  const group = options.topicPrefix + options.group;
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
  const tally = new OrderTally();
  const startedMs = performance.now();
  printNote(`group ${group} counts ${topics.orders}; the report is in ${options.output}`);
  await runService({
    settings,
    group,
    topics,
    throttleMs: options.throttle,
    untilEnd: options.untilEnd,
    table: minuteTable,
    process: (records) => countOrders(records, { tally, reportEvery: options.reportEvery }),
    report: (rows) => writeWhole(output, format(metricsReport(allMetrics(rows)))),
    finish(rows) {
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(2);
      printNote(`${tally.total} orders counted by this instance in ${seconds} s`);
      if (rows === undefined) {
        printNote(`no report: ${topics.state} could not be read to its end`);
      } else {
        const report = metricsReport(allMetrics(rows));
        printResult((options.json ? reportJson : format)(report).trimEnd());
      }
    },
  }, signal);
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
  const counted: { timestampMs: number; failed: boolean }[] = [];
  const { skipped, malformed } = eachOrder(records, ({ status }, timestampMs) => {
    const failed = status === "failed";
    countOrder(counts, timestampMs, failed);
    counted.push({ timestampMs, failed });
  });
  return {
    ...{ counts, skipped, malformed, outputs: [] },
    committed() {
      for (const { timestampMs, failed } of counted) {
        tally.add(timestampMs, failed);
        if (tally.total % reportEvery === 0) printNote(String(tally));
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
    run,
  });
}
