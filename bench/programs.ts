/**
 * Measures our own programs alone: memory, several instances, growing topics, start-up.
 *
 * @module
 */
import {
  type BenchContext,
  compare,
  createTopics,
  fill,
  lastLine,
  type Orders,
  produce,
  timeUntilLine,
} from "./jobs.ts";
import { type Memory, type Spread, spreadOf, watchMemory } from "./measure.ts";
import { type Job, JOBS, ORDER_STREAM, program } from "./peers.ts";

/** Resident memory of a program while it processes a topic. */
export interface MemoryResult extends Partial<Memory> {
  /** The job of the program. */
  job: Job;
  /** Number of orders in the topic. */
  orders: number;
}

/** Measures the resident memory of each program at each number of orders. */
export async function measureMemory(
  context: BenchContext,
  counts: readonly number[],
): Promise<MemoryResult[]> {
  const results: MemoryResult[] = [];
  for (const count of counts) {
    const prefix = `${context.prefix}memory-${count}-`;
    await createTopics(context, { prefix });
    for (const job of JOBS) {
      context.note(`memory of ${job} with ${count} orders`);
      const command = ORDER_STREAM.command({
        job,
        orders: count,
        brokers: context.brokers,
        prefix,
        group: job,
        directory: context.directory,
      });
      const process = context.start(command);
      const memory = await watchMemory(process);
      const { exitCode, stderr } = await process.ended;
      context.signal.throwIfAborted();
      if (exitCode !== 0) throw new Error(`${job} with ${count} orders: ${lastLine(stderr)}`);
      results.push({ job, orders: count, ...memory });
    }
  }
  return results;
}

/** Time that several instances need together. */
export interface InstancesResult {
  /** The job of the instances. */
  job: Job;
  /** Number of instances. */
  instances: number;
  /** Number of orders in the topic. */
  orders: number;
  /** From the start of all instances until the last one has exited. */
  seconds: number;
}

/** Measures one, two and three instances that share a topic. */
export async function measureInstances(
  context: BenchContext,
  orders: Orders,
): Promise<InstancesResult[]> {
  const results: InstancesResult[] = [];
  for (const job of ["analytics", "inventory"] as const) {
    for (const instances of [1, 2, 3]) {
      context.note(`${instances} × ${job}, ${orders.count} orders`);
      const group = `${job}-${instances}`;
      await createTopics(context, { prefix: orders.prefix, group, job });
      const startedMs = performance.now();
      const ended = await Promise.all(
        Array.from({ length: instances }, (_, index) => {
          const output = `${context.directory}/report-${index}.txt`;
          const flags = ["--until-end", "--group", group, "--topic-prefix", orders.prefix];
          const own = job === "analytics" ? ["--output", output] : [];
          return context.run(program(`${job}.ts`, context, flags, own));
        }),
      );
      const seconds = (performance.now() - startedMs) / 1_000;
      const failed = ended.find(({ exitCode }) => exitCode !== 0);
      if (failed !== undefined) throw new Error(`${job}: ${lastLine(failed.stderr)}`);
      results.push({ job, instances, orders: orders.count, seconds });
    }
  }
  return results;
}

/** Cost of an order in a topic of a given size. */
export interface GrowthResult {
  /** The job that was measured. */
  job: Job;
  /** Number of orders in the topic. */
  orders: number;
  /** Time of the whole process divided by the number of orders. */
  microsecondsPerOrder: number | undefined;
}

/** Runs each job once on topics of growing size. */
export async function measureGrowth(
  context: BenchContext,
  counts: readonly number[],
): Promise<GrowthResult[]> {
  const results: GrowthResult[] = [];
  for (const count of counts) {
    context.note(`cost of an order among ${count}`);
    const orders = await fill(context, { name: `growth-${count}`, count });
    for (const job of JOBS) {
      const { clients } = await compare(context, { job, orders, pairs: 1, peers: [] });
      const seconds = clients[0]?.seconds?.median;
      const microsecondsPerOrder = seconds === undefined ? undefined : seconds / count * 1e6;
      results.push({ job, orders: count, microsecondsPerOrder });
    }
  }
  return results;
}

/** Time that analytics needs to restart with stored metrics. */
export interface RestoreResult {
  /** Number of minutes that have orders. */
  minutes: number;
  /** Rows in the metrics topic: one for each pair of partition and minute with orders. */
  rows: number;
  /** From its start until it has counted the next order. */
  seconds: number;
}

/** Restarts analytics with stored metrics of growing size. */
export async function measureRestore(
  context: BenchContext,
  spans: readonly { span: string; count: number }[],
): Promise<RestoreResult[]> {
  const results: RestoreResult[] = [];
  for (const { span, count } of spans) {
    context.note(`restart of analytics after ${count} orders over ${span}`);
    const { prefix, minutes, rows } = await fill(context, {
      name: `restore-${span}`,
      count,
      span,
    });
    const output = ["--output", `${context.directory}/report.txt`];
    const flags = ["--topic-prefix", prefix, ...output];
    const first = await context.run(program("analytics.ts", context, flags, ["--until-end"]));
    if (first.exitCode !== 0) throw new Error(`analytics over ${span}: ${lastLine(first.stderr)}`);
    await produce(context, { prefix, count: 1, span });
    const again = program("analytics.ts", context, flags, ["--report-every", "1"]);
    const seconds = await timeUntilLine(context, {
      command: again,
      line: /^1 orders counted/,
    });
    results.push({ minutes, rows, seconds });
  }
  return results;
}

/** Time from the start of a program to an event. */
export interface StartupResult {
  /** File name of the program. */
  script: string;
  /** The event that ends the measurement. */
  until: string;
  /** Milliseconds; `undefined` if there was no run. */
  ms: Spread | undefined;
}

const HELP_RUNS = 10;
const FIRST_RECORD_RUNS = 5;

/** Measures the start of each program: `--help`, and until its first records are processed. */
export async function measureStartup(context: BenchContext): Promise<StartupResult[]> {
  const results: StartupResult[] = [];
  const scripts = ["producer.ts", "inventory.ts", "analytics.ts"] as const;
  for (const script of scripts) {
    context.note(`start of ${script}`);
    const ms: number[] = [];
    for (let run = 0; run < HELP_RUNS; run++) {
      const command = program(script, context, ["--help"]);
      ms.push((await context.run(command)).seconds * 1_000);
    }
    results.push({ script, until: "--help exits", ms: spreadOf(ms) });
  }

  const prefix = `${context.prefix}startup-`;
  await createTopics(context, { prefix });
  const topics = ["--topic-prefix", prefix];
  const output = ["--output", `${context.directory}/report.txt`];
  const lines = [
    {
      until: "1,000 orders are acknowledged",
      command: program("producer.ts", context, topics, ["--count", "1000"]),
      line: /^1000 orders acknowledged/,
    },
    {
      until: "1,000 orders are processed",
      command: program("inventory.ts", context, topics),
      line: /^1000 orders turned/,
    },
    {
      until: "the first order is counted",
      command: program("analytics.ts", context, topics, output, ["--report-every", "1"]),
      line: /^1 orders counted/,
    },
  ];
  for (const [index, { until, command, line }] of lines.entries()) {
    const ms: number[] = [];
    for (let run = 0; run < FIRST_RECORD_RUNS; run++) {
      if (index > 0) await produce(context, { prefix, count: 1_000 });
      ms.push(await timeUntilLine(context, { command, line }) * 1_000);
    }
    results.push({ script: scripts[index]!, until, ms: spreadOf(ms) });
  }
  return results;
}
