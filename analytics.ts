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
 * Permissions: `--allow-net` for the brokers, `--allow-env` for `KAFKA_BROKERS`, `TOPIC_PREFIX`,
 * `NODE_ENV` and `KAFKAJS_*`, `--allow-read` and `--allow-write` for the directory of the report.
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
  wholeNumber,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { connectAdmin, connectionOf, disconnect } from "./lib/kafka/client.ts";
import { sleep } from "./lib/async.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { deadLetter } from "./lib/kafka/dead_letter.ts";
import { openMetricsView } from "./lib/kafka/metrics_view.ts";
import { resetToBeginning } from "./lib/kafka/offsets.ts";
import { type PartitionWork, runProcessor } from "./lib/kafka/processor.ts";
import { metricsReport, reportJson, reportText } from "./lib/metrics_report.ts";
import { continueCounting } from "./lib/partition_counter.ts";
import { countOrder, type MinuteCounts, OrderTally } from "./lib/minute_window.ts";
import { eachOrder } from "./lib/order.ts";
import { requireWritable, writeWhole } from "./lib/cli/report_file.ts";
import { serviceFlags } from "./lib/cli/service_flags.ts";
import { deadLetters, orderEvents, orderMetrics } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  ...serviceFlags("analytics"),
  reportEvery: flag({
    value: "N",
    default: "1000",
    help: "a line of metrics after each N orders that this instance has counted",
  }, wholeNumber({ min: 1 })),
  output: flag({
    value: "FILE",
    default: "metrics_output.txt",
    help: "where the report is kept up to date",
  }, nonEmpty),
  format: flag({
    value: "text|json",
    default: "text",
    help: "the form of the report",
  }, oneOf("text", "json")),
  replay: toggle("count again from the first order: resets this group's offsets"),
  ...COMMON_FLAGS,
};

/** How often the report file is written at most, in milliseconds. */
const FILE_INTERVAL_MS = 1_000;
/** How long the last report waits for the other instances' open transactions, in milliseconds. */
const LAST_REPORT_LIMIT_MS = 10_000;

/** Runs the service until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  await requireWritable(options.output);
  const connection = connectionOf("order-stream-analytics", options);
  const group = options.topicPrefix + options.group;
  const orders = orderEvents(options.topicPrefix);
  const letters = deadLetters(options.topicPrefix);

  const admin = await connectAdmin(connection, signal);
  const created = await createMissingTopics(admin, [orders, letters]);
  const partitions = created.get(orders.name)!;
  const metrics = orderMetrics(group, partitions);
  const metricsPartitions = (await createMissingTopics(admin, [metrics])).get(metrics.name)!;
  if (metricsPartitions !== partitions) {
    throw new Error(
      `topic ${metrics.name} has ${metricsPartitions} partitions and ${orders.name} has ` +
        `${partitions}: they must have as many; delete ${metrics.name} to have it made anew`,
    );
  }
  if (options.replay) {
    await resetToBeginning(connection, admin, { group, topic: orders.name });
    printNote(`group ${group} starts again from the beginning of ${orders.name}`);
  }
  await disconnect(admin);

  // The view outlives the processing: the last report is read from it.
  const viewEnd = new AbortController();
  const reportEnd = new AbortController();
  const stopped = new AbortController();
  const view = openMetricsView({
    connection,
    topic: metrics.name,
    group,
    partitions,
    onFailure: (error) => stopped.abort(error),
  }, viewEnd.signal);

  const report = () => metricsReport(view.rows.metrics());
  const formatted = () => (options.format === "json" ? reportJson : reportText)(report());
  let writtenVersion = -1;
  async function writeReport(): Promise<void> {
    if (view.rows.version === writtenVersion) return;
    writtenVersion = view.rows.version;
    await writeWhole(options.output, formatted());
  }

  /** As of which reading of the metrics topic the view was whole; a report of less is no report. */
  let wholeReading = -1;
  function catchUp(until: AbortSignal): Promise<number> {
    return view.readWhole(view.allPartitions, until, () => wholeReading = view.reading);
  }

  /** Writes each change to the file, at most once a second and a tenth of the time. */
  async function keepReport(): Promise<void> {
    for (let tookMs = 0; !reportEnd.signal.aborted;) {
      await sleep(Math.max(FILE_INTERVAL_MS, 10 * tookMs), reportEnd.signal);
      if (reportEnd.signal.aborted) return;
      const beganMs = performance.now();
      if (wholeReading !== view.reading) await catchUp(reportEnd.signal);
      if (wholeReading === view.reading) await writeReport();
      tookMs = performance.now() - beganMs;
    }
  }

  const tally = new OrderTally();
  const startedMs = performance.now();

  async function open(
    { partition, committed, start, signal: lost }: Parameters<
      Parameters<typeof runProcessor>[0]["open"]
    >[0],
  ): Promise<PartitionWork> {
    const counter = await view.readWhole(
      [partition],
      lost,
      () => continueCounting(partition, view.rows.partition(partition), { committed, start }),
    );
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
        const { rows, committed: apply } = counter.count(
          { minutes, malformed: malformed.length, skipped },
          nextOffset,
        );
        const dead = malformed.map(({ record, reason }) =>
          deadLetter(record, letters.name, { topic: orders.name, partition, group, reason })
        );
        return {
          outputs: [...rows.map((row) => ({ ...row, topic: metrics.name, partition })), ...dead],
          committed() {
            apply();
            for (const { timestampMs, failed } of counted) {
              tally.add(timestampMs, failed);
              if (tally.total % options.reportEvery === 0) printNote(String(tally));
            }
          },
        };
      },
    };
  }

  printNote(`group ${group} counts ${orders.name}; the report is in ${options.output}`);
  const keepingUp = keepReport().catch((error) => {
    if (error !== reportEnd.signal.reason) stopped.abort(error);
  });
  try {
    await runProcessor({
      connection,
      group,
      topic: orders.name,
      partitions,
      throttleMs: options.throttle,
      untilEnd: options.untilEnd,
      open,
    }, AbortSignal.any([signal, stopped.signal]));
    if (stopped.signal.aborted) throw stopped.signal.reason;
    await catchUp(AbortSignal.timeout(LAST_REPORT_LIMIT_MS));
  } finally {
    reportEnd.abort();
    await keepingUp;
    printNote(
      `${tally.total} orders counted by this instance in ${
        ((performance.now() - startedMs) / 1_000).toFixed(2)
      } s`,
    );
    if (wholeReading === view.reading) {
      const result = (options.json ? reportJson(report()) : formatted()).trimEnd();
      writtenVersion = -1;
      await writeReport();
      printResult(result);
    } else printNote(`no report: ${metrics.name} could not be read to its end`);
    viewEnd.abort();
    await view.closed;
  }
}

if (import.meta.main) {
  main({
    usage: "deno task analytics",
    summary:
      "Counts orders per minute and failures, exactly once, and keeps a report of the whole.",
    flags,
    run,
  });
}
