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
 * Permissions: the set `analytics` of deno.json, of whose files it keeps the report only.
 *
 * @module
 */
import { COMMON_FLAGS, flag, oneOf, type Options, toggle, wholeNumber } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { openReportFile, reportPath } from "./lib/cli/report_file.ts";
import { serviceFlags } from "./lib/cli/service_flags.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { deadLetter } from "./lib/kafka/dead_letter.ts";
import { MetricsView } from "./lib/kafka/metrics_view.ts";
import { moveToBeginning } from "./lib/kafka/move_offsets.ts";
import type { Assignment, PartitionWork } from "./lib/kafka/partition_session.ts";
import { runProcessor } from "./lib/kafka/processor.ts";
import { ReportKeeper } from "./lib/kafka/report_keeper.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { metricsReport, reportJson, reportText } from "./lib/metrics_report.ts";
import { continueCounting, type PartitionCounter } from "./lib/partition_counter.ts";
import { countOrder, type MinuteCounts, OrderTally } from "./lib/minute_window.ts";
import { eachOrder } from "./lib/order.ts";
import { deadLetters, orderEvents, orderMetrics } from "./lib/topics.ts";

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

/** How long the last report waits for the other instances' open transactions, in milliseconds. */
const LAST_REPORT_LIMIT_MS = 10_000;

/** Runs the service until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const file = await openReportFile(options.output);
  const settings = kafkaSettings("order-stream-analytics", options, printNote);
  const topics = await prepareTopics(options, settings, signal);
  const { group, orders, metrics, partitions } = topics;
  if (options.replay) {
    await moveToBeginning(settings, { group, topic: orders, partitions }, signal);
    printNote(`group ${group} starts again from the beginning of ${orders}`);
  }

  // The view outlives the processing: the last report is read from it.
  const stopView = new AbortController();
  const failure = new AbortController();
  const onFailure = (error: unknown) => failure.abort(error);
  const view = new MetricsView(
    { settings, topic: metrics, group, partitions, onFailure },
    stopView.signal,
  );
  const format = options.format === "json" ? reportJson : reportText;
  const report = new ReportKeeper(
    view,
    (all) => file?.update(format(metricsReport(all))) ?? Promise.resolve(true),
  );
  const stopReport = new AbortController();
  const reportLoop = report.keep(stopReport.signal).catch(onFailure);
  const tally = new OrderTally();
  const startedMs = performance.now();

  const place = options.output === undefined ? "printed at the end" : `in ${options.output}`;
  printNote(`group ${group} counts ${orders}; the report is ${place}`);
  try {
    await runProcessor({
      settings,
      group,
      topic: orders,
      partitions,
      throttleMs: options.throttle,
      untilEnd: options.untilEnd,
      open: (assignment) =>
        openPartition(assignment, { view, topics, tally, reportEvery: options.reportEvery }),
    }, AbortSignal.any([signal, failure.signal]));
    failure.signal.throwIfAborted();
    await report.catchUp(AbortSignal.timeout(LAST_REPORT_LIMIT_MS));
  } finally {
    stopReport.abort();
    await reportLoop;
    const seconds = (performance.now() - startedMs) / 1_000;
    printNote(`${tally.total} orders counted by this instance in ${seconds.toFixed(2)} s`, {
      total_orders: tally.total,
      seconds: Number(seconds.toFixed(3)),
    });
    if (report.isComplete) {
      const last = metricsReport(await report.write());
      printResult((options.json ? reportJson : format)(last).trimEnd());
    } else printWarning(`no report: ${metrics} could not be read to its end`);
    stopView.abort();
    await view.closed;
  }
  await file?.close();
}

/** The topics of the service, all with their prefix, and how many partitions they have. */
interface Topics {
  group: string;
  orders: string;
  metrics: string;
  deadLetterTopic: string;
  partitions: number;
}

/** Creates the topics that are missing. */
function prepareTopics(
  { group: name, topicPrefix }: Options<typeof flags>,
  settings: KafkaSettings,
  signal: AbortSignal,
): Promise<Topics> {
  const group = topicPrefix + name;
  const orders = orderEvents(topicPrefix);
  const deadLetterTopic = deadLetters(topicPrefix);
  return withAdmin(settings, signal, async (admin) => {
    const partitionCounts = await createMissingTopics(admin, [orders, deadLetterTopic], printNote);
    const partitions = partitionCounts.get(orders.name)!;
    const metrics = orderMetrics(group, partitions);
    const metricsPartitions = (await createMissingTopics(admin, [metrics], printNote))
      .get(metrics.name)!;
    if (metricsPartitions !== partitions) {
      throw new Error(
        `topic ${metrics.name} has ${metricsPartitions} partitions and ${orders.name} has ` +
          `${partitions}: the partition counts must match; delete ${metrics.name}, then count again ` +
          `with "deno task analytics --replay"`,
      );
    }
    return {
      group,
      orders: orders.name,
      metrics: metrics.name,
      deadLetterTopic: deadLetterTopic.name,
      partitions,
    };
  });
}

/** What the counting of a partition needs. */
interface CountingContext {
  view: MetricsView;
  topics: Topics;
  tally: OrderTally;
  reportEvery: number;
}

/** Restores the counts of a partition as they were committed. */
async function openPartition(
  { partition, committed, start, signal }: Assignment,
  context: CountingContext,
): Promise<PartitionWork> {
  const { view } = context;
  const counter = await view.readUpToBarrier(
    [partition],
    signal,
    () => continueCounting(partition, view.rows.partition(partition), { committed, start }),
  );
  return countingWork(partition, counter, context);
}

/** Counts orders: changed rows and dead letters are written, then the counts change. */
function countingWork(
  partition: number,
  counter: PartitionCounter,
  { topics, tally, reportEvery }: CountingContext,
): PartitionWork {
  const { group, orders, metrics, deadLetterTopic } = topics;
  return {
    get pending() {
      return counter.pending;
    },
    step(records, nextOffset) {
      const minutes: MinuteCounts = new Map();
      const counted: { timestampMs: number; failed: boolean }[] = [];
      const { skipped, malformed } = eachOrder(records, ({ status }, timestampMs) => {
        const failed = status === "failed";
        countOrder(minutes, timestampMs, failed);
        counted.push({ timestampMs, failed });
      });
      const { rows, committed } = counter.count(
        { minutes, malformed: malformed.length, skipped },
        nextOffset,
      );
      const dead = malformed.map(({ record, reason }) =>
        deadLetter(record, deadLetterTopic, { topic: orders, partition, group, reason })
      );
      return {
        outputs: [...rows.map((row) => ({ ...row, topic: metrics, partition })), ...dead],
        committed() {
          committed();
          for (const { timestampMs, failed } of counted) {
            tally.add(timestampMs, failed);
            if (tally.total % reportEvery === 0) printNote(String(tally), tally.figures());
          }
        },
      };
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
