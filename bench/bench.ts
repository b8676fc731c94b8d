/**
 * The benchmark: our programs beside the same jobs written with other clients, on one broker.
 *
 * Whole processes with their start, in pairs, every result checked. What is measured, and how to
 * read it, is in bench/README.md.
 *
 * ```sh
 * deno task bench --quick
 * deno task bench
 * deno task bench --jobs memory,limits,scale,startup
 * ```
 *
 * Permissions: `--allow-run` for `sh`, which starts the programs and the peers, for `ps`, and for
 * those of dev_broker/cluster.ts; `--allow-net` for the brokers; `--allow-sys` to describe the machine;
 * `--allow-read` and `--allow-write` for `bench` and `.kafka`; `--allow-env` as the programs have it.
 *
 * @module
 */
import {
  brokerList,
  flag,
  nonEmpty,
  oneOf,
  type Options,
  toggle,
  wholeNumber,
} from "../lib/cli/flags.ts";
import { main } from "../lib/cli/main.ts";
import { describeError, printNote, printResult, printWarning } from "../lib/cli/output.ts";
import { startBroker, stopBroker } from "../dev_broker/cluster.ts";
import { defaultNodes, HOST } from "../dev_broker/config.ts";
import { removeIfThere, ROOT } from "../dev_broker/files.ts";
import { connectAdmin, connectionOf, disconnect } from "../lib/kafka/client.ts";
import { answersKafka } from "../lib/kafka/probe.ts";
import { encodeOrder } from "../lib/order.ts";
import { orderGenerator } from "../lib/order_generator.ts";
import { freeNodes } from "../dev_broker/free_ports.ts";
import { chartSvg } from "./chart.ts";
import { compare, fill, type JobResult, openWorkshop, type Orders, type Workshop } from "./jobs.ts";
import { type Limits, measureLimits, type Share, sharesOf } from "./limits.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type Client, JOBS, type PeerName, PEERS, preparePeer } from "./peers.ts";
import {
  type GrowthResult,
  type InstancesResult,
  measureGrowth,
  measureInstances,
  measureMemory,
  measureRestore,
  measureStartup,
  type MemoryResult,
  type RestoreResult,
  type StartupResult,
} from "./programs.ts";
import * as tables from "./tables.ts";

/** What makes its own topics; `scale` also uses the one with the most orders. */
const ALONE = ["startup", "scale", "memory"] as const;
/** All that `--jobs` takes: what is compared with peers, then what is about our programs alone. */
const ALL_JOBS = [...JOBS, "limits", ...ALONE] as const;

/** The flags of the benchmark. */
export const flags = {
  orders: flag({
    value: "N,…",
    help: "how many orders; each job runs once for each (default 10000,500000)",
  }, listOf(wholeNumber({ min: 1 }))),
  pairs: flag({
    value: "N",
    help: "how often ours and a peer's run follow each other (default 5)",
  }, wholeNumber({ min: 1 })),
  jobs: flag({
    value: "JOB,…",
    default: JOBS.join(","),
    help: `which of ${ALL_JOBS.join(", ")}`,
  }, listOf(oneOf(...ALL_JOBS))),
  peers: flag({
    value: "PEER,…",
    default: PEERS.join(","),
    help: "which peers; none for our programs alone",
  }, (text) => text === "none" ? [] : listOf(oneOf(...PEERS))(text)),
  brokers: flag({
    value: "HOST:PORT,…",
    env: "KAFKA_BROKERS",
    help: "the Kafka brokers (default the one at 127.0.0.1:9092, else one is started for the time)",
  }, brokerList),
  out: flag({
    value: "DIR",
    default: "bench/results",
    help: "where the figures and the chart go",
  }, nonEmpty),
  quick: toggle("10,000 and 50,000 orders, one pair: to see that everything works"),
};

/** The heap of a broker that is started for the benchmark: enough never to be what is measured. */
const BROKER_HEAP = "1g";
/** How many different orders the tool that sends ready-made records chooses from. */
const PAYLOADS = 10_000;
/** The sizes of what is about our programs alone; the last span is a year, a row for a minute. */
const FULL = {
  growth: [100_000, 500_000, 1_000_000, 5_000_000],
  restore: [
    { span: "1d", count: 5_000 },
    { span: "30d", count: 70_000 },
    { span: "365d", count: 700_000 },
  ],
  memory: [100_000, 5_000_000],
};
const QUICK: typeof FULL = {
  growth: [10_000, 50_000],
  restore: [{ span: "1d", count: 2_000 }, { span: "30d", count: 20_000 }],
  memory: [10_000, 50_000],
};

/** What is written as JSON. */
interface Results {
  machine: Machine;
  options: { orders: number[]; pairs: number; jobs: string[] };
  missing: { peer: PeerName; reason: string }[];
  jobs: JobResult[];
  limits?: Limits;
  shares?: Share[];
  instances?: InstancesResult[];
  growth?: GrowthResult[];
  restore?: RestoreResult[];
  startup?: StartupResult[];
  memory?: MemoryResult[];
  /** What could not be measured, and why. */
  failed: string[];
}

/** Measures something and returns its table; when it fails, the rest is measured all the same. */
type Attempt = (what: string, measure: () => Promise<string>) => Promise<void>;

/** What the parts of a run share. */
interface Bench {
  workshop: Workshop;
  results: Results;
  attempt: Attempt;
  sizes: typeof FULL;
}

function attempts({ failed }: Results, signal: AbortSignal): Attempt {
  return async (what, measure) => {
    try {
      printResult("\n" + await measure());
    } catch (error) {
      signal.throwIfAborted();
      printWarning(`${what}: ${describeError(error)}`);
      failed.push(`${what}: ${describeError(error)}`);
    }
  };
}

/** Measures what was asked for, prints tables, writes figures and a chart. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  const orders = options.orders ?? (options.quick ? [10_000, 50_000] : [10_000, 500_000]);
  const pairs = options.pairs ?? (options.quick ? 1 : 5);
  const jobs = options.jobs;

  await Deno.mkdir(`${ROOT}/.kafka`, { recursive: true });
  await Deno.mkdir(options.out, { recursive: true });
  const directory = await Deno.makeTempDir({ dir: `${ROOT}/.kafka`, prefix: "bench-" });
  let workshop: Workshop | undefined;
  let stop = () => Promise.resolve();
  try {
    const broker = await openBroker(options.brokers, { directory, signal });
    stop = broker.stop;
    const connection = connectionOf("order-stream-bench", {
      brokers: broker.brokers,
      timeout: 30_000,
      verbose: false,
    });
    await disconnect(await connectAdmin(connection, signal));
    const prefix = `bench-${crypto.randomUUID().slice(0, 8)}-`;
    workshop = openWorkshop({ connection, directory, prefix, signal, note: printNote });

    const compared = JOBS.filter((job) => jobs.includes(job));
    const { clients, missing } = compared.length === 0
      ? { clients: [], missing: [] }
      : await preparePeers(options.peers, workshop);
    const machine = await describeMachine(broker.kind);
    const results: Results = {
      machine,
      options: { orders, pairs, jobs: [...jobs] },
      missing,
      jobs: [],
      failed: [],
    };
    printResult(machineText(machine) + missing.map(missingText).join(""));

    const bench: Bench = {
      workshop,
      results,
      attempt: attempts(results, signal),
      sizes: options.quick ? QUICK : FULL,
    };

    const shared = jobs.some((job) => job !== "startup" && job !== "memory");
    for (const count of shared ? orders : []) {
      const input = await fill(workshop, { name: `orders-${count}`, count });
      for (const job of compared) {
        await bench.attempt(`${job}, ${count} orders`, async () => {
          const result = await compare(bench.workshop, {
            job,
            orders: input,
            pairs,
            peers: clients,
          });
          results.jobs.push(result);
          return tables.jobTable(result);
        });
      }
      if (count === Math.max(...orders)) await measureOnLargest(bench, input);
    }
    for (const job of ALONE.filter((job) => jobs.includes(job))) {
      await measureAlone(bench, job);
    }
    await write(options.out, results);
    const dropped = results.jobs.some(({ clients }) =>
      clients.some(({ dropped }) => dropped.length > 0)
    );
    return dropped || results.failed.length > 0 ? 1 : 0;
  } finally {
    await workshop?.close().catch((error) => printNote(`topics could not be deleted: ${error}`));
    await stop();
    await removeIfThere(directory);
  }
}

/** What is measured on the topic with the most orders. */
async function measureOnLargest(
  { workshop, results, attempt }: Bench,
  input: Orders,
): Promise<void> {
  const { jobs } = results.options;
  if (jobs.includes("limits")) {
    await attempt("limits", async () => {
      results.limits = await measureLimits(workshop, input);
      const alone: JobResult[] = [];
      for (const job of JOBS.filter((job) => !jobs.includes(job))) {
        alone.push(await compare(workshop, { job, orders: input, pairs: 1, peers: [] }));
      }
      results.shares = sharesOf(results.limits, [...results.jobs, ...alone]);
      return tables.limitsTable(results.limits, results.shares);
    });
  }
  if (jobs.includes("scale")) {
    await attempt("instances", async () => {
      results.instances = await measureInstances(workshop, input);
      return tables.instancesTable(results.instances);
    });
  }
}

/** What makes its own topics. */
async function measureAlone(
  { workshop, results, attempt, sizes }: Bench,
  job: typeof ALONE[number],
): Promise<void> {
  switch (job) {
    case "startup":
      return await attempt("startup", async () => {
        results.startup = await measureStartup(workshop);
        return tables.startupTable(results.startup);
      });
    case "scale":
      await attempt("growth", async () => {
        results.growth = await measureGrowth(workshop, sizes.growth);
        return tables.growthTable(results.growth);
      });
      return await attempt("restart", async () => {
        results.restore = await measureRestore(workshop, sizes.restore);
        return tables.restoreTable(results.restore);
      });
    case "memory":
      return await attempt("memory", async () => {
        results.memory = await measureMemory(workshop, sizes.memory);
        return tables.memoryTable(results.memory);
      });
  }
}

/** The broker that was named, the one that runs, or one that is started and stopped again. */
async function openBroker(
  named: string[] | undefined,
  { directory, signal }: { directory: string; signal: AbortSignal },
): Promise<{ brokers: string[]; kind: "own" | "running"; stop: () => Promise<void> }> {
  const stop = () => Promise.resolve();
  if (named !== undefined) return { brokers: named, kind: "running", stop };
  const { port } = defaultNodes(1)[0]!;
  if (await answersKafka(HOST, port) === "kafka") {
    return { brokers: [`${HOST}:${port}`], kind: "running", stop };
  }
  printNote("no broker answers: starting one for the time");
  const dataDir = `${directory}/broker`;
  const nodes = freeNodes(1);
  const { brokers } = await startBroker(dataDir, {
    nodes,
    heap: BROKER_HEAP,
    signal,
    note: printNote,
  });
  return {
    brokers: [brokers],
    kind: "own",
    stop: async () => {
      await stopBroker(dataDir);
    },
  };
}

async function preparePeers(
  names: readonly PeerName[],
  { directory, signal }: Workshop,
): Promise<{ clients: Client[]; missing: Results["missing"] }> {
  const payloadFile = `${directory}/orders.ndjson`;
  const order = orderGenerator({ seed: 1, failureRate: 0.05, eventTimeMs: Date.now });
  const lines = Array.from({ length: PAYLOADS }, (_, index) => encodeOrder(order(index)));
  await Deno.writeTextFile(payloadFile, lines.join("\n"));
  const clients: Client[] = [];
  const missing: Results["missing"] = [];
  for (const name of names) {
    signal.throwIfAborted();
    try {
      clients.push(await preparePeer(name, { payloadFile, note: printNote }));
    } catch (error) {
      missing.push({ peer: name, reason: describeError(error) });
    }
  }
  return { clients, missing };
}

function machineText({ date, commit, cpu, cores, memoryGb, os, deno, broker, java }: Machine) {
  return [
    `${cpu}, ${cores} cores, ${memoryGb} GB, ${os}`,
    `Deno ${deno}; broker: ${broker}; ${java}`,
    `commit ${commit}, ${date}`,
  ].join("\n");
}

function missingText({ peer, reason }: Results["missing"][number]): string {
  return `\nmissing: ${peer}: ${reason}`;
}

async function write(out: string, results: Results): Promise<void> {
  const { date, cpu, cores, deno } = results.machine;
  const name = `${out}/${date.slice(0, 19).replaceAll(":", "")}`;
  await Deno.writeTextFile(`${name}.json`, JSON.stringify(results, null, 2) + "\n");
  printNote(`\nfigures in ${name}.json`);
  const groups = tables.chartGroups(results.jobs);
  if (groups.length === 0) return;
  const svg = chartSvg(groups, {
    title: "Orders per second, whole processes: more is better",
    subtitle: `${cpu}, ${cores} cores, the broker beside it; Deno ${deno}; ${date.slice(0, 10)}`,
  });
  await Deno.writeTextFile(`${name}.svg`, svg);
  printNote(`chart in ${name}.svg`);
  if (results.missing.length > 0) printWarning("not all peers were there");
}

function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(",").map((part) => parse(part.trim()));
}

if (import.meta.main) {
  main({
    usage: "deno task bench",
    summary: "Measures the programs beside the same jobs written with other clients.",
    flags,
    run,
  });
}
