/**
 * The three jobs, client against client: on the same broker, with the same orders, in turn.
 *
 * Topics, orders and an empty topic for results are created before a run. A run with wrong results
 * gives no figure; the reason is reported instead.
 *
 * @module
 */
import { type AdminPool, adminPool } from "../lib/kafka/client_pool.ts";
import { createMissingTopics } from "../lib/kafka/create_topics.ts";
import type { KafkaSettings } from "../lib/kafka/settings.ts";
import { committedOffsets, logRanges } from "../lib/kafka/offsets.ts";
import { readTopic } from "../lib/kafka/read_topic.ts";
import { minuteOf } from "../lib/minute_window.ts";
import { parseOrder } from "../lib/order.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
} from "../lib/topics.ts";
import {
  type Command,
  type Measurement,
  type Running,
  type Spread,
  spreadOf,
  start,
} from "./measure.ts";
import { writeForeignOrders } from "./other_writers.ts";
import {
  type Client,
  type Job,
  ORDER_STREAM,
  PLAIN,
  program,
  type Report,
  type Work,
} from "./peers.ts";

/** The context that all measurements share. */
export interface BenchContext {
  /** How to reach the brokers. */
  settings: KafkaSettings;
  /** The brokers in the form of `--brokers`. */
  brokers: string;
  /** Prefix of all topics and groups of this run. */
  prefix: string;
  /** Directory for temporary files. */
  directory: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Prints a line of progress. */
  note(line: string): void;
  /** Admin clients, for topics and offsets. */
  admin: AdminPool;
  /** Starts a process; it is stopped on Ctrl-C and by `close`. */
  start(command: Command, onLine?: (line: string) => void): Running;
  /** Runs a process and waits until it exits. */
  run(command: Command): Promise<Measurement>;
  /** Stops running processes and deletes all topics and groups of this run. */
  close(): Promise<void>;
}

/** Opens a context; the brokers must be reachable. */
export function openContext(
  { settings, directory, prefix, signal, note }: Pick<
    BenchContext,
    "settings" | "directory" | "prefix" | "signal" | "note"
  >,
): BenchContext {
  const admin = adminPool(settings);
  const running = new Set<Running>();
  const context: BenchContext = {
    settings,
    brokers: settings.brokers.join(","),
    prefix,
    directory,
    signal,
    note,
    admin,
    start(command, onLine) {
      signal.throwIfAborted();
      const process = start(command, onLine);
      running.add(process);
      process.ended.finally(() => running.delete(process));
      return process;
    },
    async run(command) {
      const measurement = await context.start(command).ended;
      signal.throwIfAborted();
      return measurement;
    },
    async close() {
      signal.removeEventListener("abort", stopAll);
      stopAll();
      await Promise.all([...running].map(({ ended }) => ended));
      await deleteAll(admin, prefix);
      await admin.close();
    },
  };
  const stopAll = () => running.forEach((process) => process.stop());
  signal.addEventListener("abort", stopAll);
  return context;
}

/** Deletes the topics and groups that begin with the prefix. */
async function deleteAll(admin: AdminPool, prefix: string): Promise<void> {
  await admin.use(async (client) => {
    const topics = (await client.listTopics()).filter((topic) => topic.startsWith(prefix));
    if (topics.length > 0) await client.deleteTopics({ topics });
    const { groups } = await client.listGroups();
    const ours = groups.map(({ groupId }) => groupId).filter((group) => group.startsWith(prefix));
    // Kafka refuses while a group still has a killed member, and removes an empty group itself later.
    if (ours.length > 0) await client.deleteGroups(ours).catch(() => {});
  });
}

/** A topic of orders, and the totals that its contents must lead to. */
export interface Orders {
  /** Prefix of its topics. */
  prefix: string;
  /** Number of orders. */
  count: number;
  /** Number of orders with status `failed`. */
  failed: number;
  /** Number of stock movements that follow from the orders. */
  movements: number;
  /** Number of different minutes of event time. */
  minutes: number;
  /** Number of pairs of partition and minute that have orders. */
  rows: number;
}

/** Creates the missing topics of a job, or those of all jobs. */
export async function createTopics(
  { admin }: BenchContext,
  { prefix, group = "analytics", job }: { prefix: string; group?: string; job?: Job },
): Promise<void> {
  const isFor = (name: Job) => job === undefined || job === name;
  const specs = [
    orderEvents(prefix),
    ...(job === "produce" ? [] : [deadLetters(prefix)]),
    ...(isFor("inventory") ? [inventoryEvents(prefix), stockLevels(prefix + group)] : []),
    ...(isFor("analytics") ? [orderMetrics(prefix + group)] : []),
  ];
  await admin.use((client) => createMissingTopics(client, specs));
}

/**
 * Creates a topic, fills it with producer.ts and reads it once.
 *
 * @param span Duration over which the event times are spread, as `--span` takes it.
 */
export async function fill(
  context: BenchContext,
  { name, count, span = "1h" }: { name: string; count: number; span?: string },
): Promise<Orders> {
  const prefix = `${context.prefix}${name}-`;
  await createTopics(context, { prefix });
  await produce(context, { prefix, count, span });
  return await readOrders(context, prefix);
}

/** As {@linkcode fill}, with orders of other writers. */
export async function fillForeign(
  context: BenchContext,
  { name, count }: { name: string; count: number },
): Promise<Orders> {
  const prefix = `${context.prefix}${name}-`;
  await createTopics(context, { prefix });
  const path = `${context.directory}/${name}.ndjson`;
  await writeForeignOrders(path, count);
  await publish(context, prefix, ["--from", path]);
  await Deno.remove(path);
  return await readOrders(context, prefix);
}

/** Adds orders to a topic with producer.ts. */
export async function produce(
  context: BenchContext,
  { prefix, count, span = "1h" }: { prefix: string; count: number; span?: string },
): Promise<void> {
  await publish(context, prefix, ["--count", String(count), "--span", span]);
}

async function publish(context: BenchContext, prefix: string, flags: string[]): Promise<void> {
  const command = program("producer.ts", context, ["--topic-prefix", prefix], flags, PLAIN);
  const { exitCode, stderr } = await context.run(command);
  if (exitCode !== 0) throw new Error(`\`produce ${flags.join(" ")}\` failed: ${lastLine(stderr)}`);
}

/** Reads all orders of a topic; throws when a record is not an order. */
async function readOrders(context: BenchContext, prefix: string): Promise<Orders> {
  const orders: Orders = { prefix, count: 0, failed: 0, movements: 0, minutes: 0, rows: 0 };
  const minutes = new Set<number>();
  const rows = new Set<string>();
  await readTopic(context.settings, {
    topic: orderEvents(prefix).name,
    group: `${prefix}check`,
    onRecord({ value, offset }, partition) {
      const parsed = value === null ? undefined : parseOrder(value);
      if (parsed?.kind !== "order") {
        throw new Error(`the record at ${partition}/${offset} is not an order`);
      }
      orders.count++;
      orders.movements += parsed.order.items.length;
      if (parsed.order.status === "failed") orders.failed++;
      const minute = minuteOf(parsed.timestampMs);
      minutes.add(minute);
      rows.add(`${partition}/${minute}`);
    },
  }, context.signal);
  return { ...orders, minutes: minutes.size, rows: rows.size };
}

/** One client's figures in one job. */
export interface ClientResult {
  /** Name and version. */
  client: string;
  /** Why its figures are not directly comparable. */
  remark?: string | undefined;
  /** Throughput of the whole process, including its start. */
  ordersPerSecond: Spread | undefined;
  /** Wall-clock time of the whole process, including its start. */
  seconds: Spread | undefined;
  /** Throughput after start-up, by the program's own clock; `undefined` if it does not report it. */
  workingOrdersPerSecond: Spread | undefined;
  /** User and system time of the whole process. */
  cpuSeconds: Spread | undefined;
  /** Its time divided by ours, pair by pair; above 1 ours is faster. */
  ratio: Spread | undefined;
  /** A reason for each run without a figure. */
  dropped: string[];
}

/** The results of one job at one number of orders. */
export interface JobResult {
  /** The job that was measured. */
  job: Job;
  /** Number of orders in the topic. */
  orders: number;
  /** Ours first, with the runs of all pairs; then each peer. */
  clients: ClientResult[];
}

/** Runs ours and each peer in pairs: ours, peer, ours, peer, … */
export async function compare(
  context: BenchContext,
  { job, orders, pairs, peers }: { job: Job; orders: Orders; pairs: number; peers: Client[] },
): Promise<JobResult> {
  const ours = newFigures();
  const clients: ClientResult[] = [];
  // Not counted: warms up the broker and the file cache.
  await runOnce(context, { client: ORDER_STREAM, job, orders });
  for (const peer of peers) {
    const theirs = newFigures();
    const ratios: number[] = [];
    for (let pair = 1; pair <= pairs; pair++) {
      context.note(`${job}, ${orders.count} orders: pair ${pair} of ${pairs} with ${peer.name}`);
      const a = keep(ours, await runOnce(context, { client: ORDER_STREAM, job, orders }));
      const b = keep(theirs, await runOnce(context, { client: peer, job, orders }));
      if (a !== undefined && b !== undefined) ratios.push(b.seconds / a.seconds);
    }
    clients.push(resultOf(peer, { job, orders: orders.count, figures: theirs, ratios }));
  }
  for (let run = 0; run < (peers.length === 0 ? pairs : 0); run++) {
    keep(ours, await runOnce(context, { client: ORDER_STREAM, job, orders }));
  }
  const first = resultOf(ORDER_STREAM, { job, orders: orders.count, figures: ours, ratios: [] });
  return { job, orders: orders.count, clients: [first, ...clients] };
}

interface Figures {
  runs: Run[];
  dropped: string[];
}

function newFigures(): Figures {
  return { runs: [], dropped: [] };
}

/** A run with correct results. */
interface Run extends Measurement {
  workingSeconds: number | undefined;
}

/** A run, or the reason why it has no figure. */
type Outcome = Run | { problem: string };

function keep(figures: Figures, outcome: Outcome): Run | undefined {
  if ("problem" in outcome) {
    figures.dropped.push(outcome.problem);
    return undefined;
  }
  figures.runs.push(outcome);
  return outcome;
}

function resultOf(
  client: Client,
  { job, orders, figures, ratios }: {
    job: Job;
    orders: number;
    figures: Figures;
    ratios: number[];
  },
): ClientResult {
  const { runs, dropped } = figures;
  return {
    client: client.name,
    remark: client.remarks[job],
    ordersPerSecond: spreadOf(runs.map(({ seconds }) => orders / seconds)),
    seconds: spreadOf(runs.map(({ seconds }) => seconds)),
    workingOrdersPerSecond: spreadOf(
      runs.flatMap(({ workingSeconds }) =>
        workingSeconds === undefined ? [] : [orders / workingSeconds]
      ),
    ),
    cpuSeconds: spreadOf(runs.map(({ cpuSeconds }) => cpuSeconds)),
    ratio: spreadOf(ratios),
    dropped,
  };
}

let runNumber = 0;

async function runOnce(
  context: BenchContext,
  { client, job, orders }: { client: Client; job: Job; orders: Orders },
): Promise<Outcome> {
  const group = `run-${++runNumber}`;
  const prefix = job === "produce" ? `${context.prefix}${group}-` : orders.prefix;
  const work: Work = {
    job,
    orders: orders.count,
    brokers: context.brokers,
    prefix,
    group,
    directory: context.directory,
  };
  await createTopics(context, { prefix, group, job });
  if (job === "inventory") await empty(context, inventoryEvents(prefix).name);
  const measurement = await context.run(client.command(work));
  const report = reportOf(measurement, { client, job });
  const problem = "problem" in report
    ? undefined
    : await problemOf(context, { work, orders, report });
  if (job === "produce") await deleteAll(context.admin, prefix);
  if ("problem" in report) return report;
  if (problem !== undefined) return { problem };
  return { ...measurement, workingSeconds: report.workingSeconds };
}

function reportOf(
  measurement: Measurement,
  { client, job }: { client: Client; job: Job },
): Report | { problem: string } {
  const { exitCode, stdout, stderr } = measurement;
  if (exitCode !== 0) return { problem: `exit code ${exitCode}: ${lastLine(stderr + stdout)}` };
  try {
    return client.report(job, measurement);
  } catch {
    return { problem: `printed an unreadable report: ${lastLine(stdout)}` };
  }
}

/** Deletes all records of a topic. */
async function empty({ admin }: BenchContext, topic: string): Promise<void> {
  await admin.use(async (client) => {
    const partitions = (await client.fetchTopicOffsets(topic))
      .filter(({ low, high }) => low !== high)
      .map(({ partition }) => ({ partition, offset: "-1" }));
    if (partitions.length > 0) await client.deleteTopicRecords({ topic, partitions });
  });
}

/** Describes what is wrong with the results of a run; `undefined` if they are correct. */
async function problemOf(
  context: BenchContext,
  { work, orders, report }: { work: Work; orders: Orders; report: Report },
): Promise<string | undefined> {
  if (report.orders !== orders.count) {
    return `reported ${report.orders} orders instead of ${orders.count}`;
  }
  switch (work.job) {
    case "produce": {
      const { count } = await readOrders(context, work.prefix);
      return count === orders.count ? undefined : `stored ${count} orders, not ${orders.count}`;
    }
    case "analytics":
      return report.failed === undefined || report.failed === orders.failed
        ? undefined
        : `counted ${report.failed} failed orders instead of ${orders.failed}`;
    case "inventory": {
      const left = await lag(context, work);
      if (left !== 0n) return `its group has not committed ${left} orders`;
      const events = await countRecords(context, inventoryEvents(work.prefix).name);
      return events === orders.movements
        ? undefined
        : `wrote ${events} committed stock movements instead of ${orders.movements}`;
    }
  }
}

async function lag({ admin }: BenchContext, { prefix, group }: Work): Promise<bigint> {
  const topic = orderEvents(prefix).name;
  return await admin.use(async (client) => {
    const committed = await committedOffsets(client, prefix + group, topic);
    const ranges = await logRanges(client, topic);
    return [...ranges].reduce(
      (sum, [partition, { start, end }]) => sum + end - (committed.get(partition) ?? start),
      0n,
    );
  });
}

async function countRecords(context: BenchContext, topic: string): Promise<number> {
  let records = 0;
  const group = `${context.prefix}check-${++runNumber}`;
  await readTopic(
    context.settings,
    { topic, group, onRecord: () => records++ },
    context.signal,
  );
  return records;
}

/** The last line of a program's output that is not blank. */
export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}

/**
 * Starts a program, waits for a line on its stderr and stops the program.
 *
 * @returns The seconds from start to line.
 * @throws {Error} When the program exits before it prints the line.
 */
export async function timeUntilLine(
  context: BenchContext,
  { command, line }: { command: Command; line: RegExp },
): Promise<number> {
  const startedMs = performance.now();
  const seen = Promise.withResolvers<number>();
  const process = context.start(command, (text) => {
    if (line.test(text)) seen.resolve((performance.now() - startedMs) / 1_000);
  });
  process.ended.then(({ stderr }) =>
    seen.reject(new Error(`${command.args.at(-1)} ended before ${line}: ${lastLine(stderr)}`))
  );
  const seconds = await seen.promise;
  process.stop();
  await process.ended;
  context.signal.throwIfAborted();
  return seconds;
}
