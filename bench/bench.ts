/**
 * The benchmark: compares our programs with the same jobs written with other clients, on one broker.
 *
 * It measures whole processes including their start, in pairs, and checks every result.
 * bench/README.md explains what is measured and how to read it.
 *
 * ```sh
 * deno task bench --quick
 * deno task bench
 * deno task bench --jobs memory,limits,scale,startup
 * ```
 *
 * Permissions: the set `bench` of deno.json, and `--allow-run` as the
 * task has it: `sh` starts the programs and the peers.
 *
 * @module
 */
import {
  brokerList,
  flag,
  oneOf,
  type Options,
  type Parser,
  toggle,
  UsageError,
  wholeNumber,
} from "../lib/cli/flags.ts";
import { main } from "../lib/cli/main.ts";
import { describeError, printNote, printResult, printWarning } from "../lib/cli/output.ts";
import { startBroker, stopBroker } from "../dev_broker/cluster.ts";
import { defaultNodes, HOST } from "../dev_broker/config.ts";
import { removeIfThere, ROOT } from "../dev_broker/files.ts";
import { requireBrokers } from "../lib/kafka/client.ts";
import { kafkaSettings } from "../lib/kafka/settings.ts";
import { answersKafka } from "../lib/kafka/probe.ts";
import { freeNodes } from "../dev_broker/free_ports.ts";
import {
  type BenchContext,
  compare,
  fill,
  fillForeign,
  type JobResult,
  openContext,
  type Orders,
} from "./jobs.ts";
import { type Limits, measureLimits, type Share, sharesOf } from "./limits.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type Client, FOREIGN_JOBS, JOBS, type PeerName, PEERS, preparePeer } from "./peers.ts";
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
import { speedChart } from "./publish.ts";
import * as tables from "./tables.ts";
import { type SecuredListener, securedListener } from "./tls.ts";

/** Measurements that create their own topics; `scale` also uses the one with the most orders. */
const ALONE = ["startup", "scale", "memory"] as const;
/** The jobs compared with peers; `foreign` is both services on orders of other writers. */
const COMPARED = [...JOBS, "foreign"] as const;
/** The values of `--jobs`: the jobs compared with peers, then those about our programs alone. */
const ALL_JOBS = [...COMPARED, "tls", "limits", ...ALONE] as const;

/** The flags of the benchmark. */
export const flags = {
  orders: flag({
    value: "N,…",
    example: "10000,500000",
    help: "numbers of orders; each job is measured at each of them (default 10000,500000)",
  }, listOf(wholeNumber({ min: 1 }))),
  pairs: flag({
    value: "N",
    example: "5",
    help: "runs of ours and of each peer, in turn (default 5)",
  }, wholeNumber({ min: 1 })),
  jobs: flag({
    value: "JOB,…",
    default: COMPARED.join(","),
    help: `jobs to measure: ${ALL_JOBS.join(", ")}`,
  }, listOf(oneOf(...ALL_JOBS))),
  peers: flag({
    value: "PEER,…",
    default: "all",
    help: `peers to compare with: all, none, or some of ${PEERS.join(", ")}`,
  }, parsePeers),
  brokers: flag({
    value: "HOST:PORT,…",
    example: "127.0.0.1:9092",
    env: "KAFKA_BROKERS",
    help: "the Kafka brokers (default 127.0.0.1:9092; if none answers there, one is started)",
  }, brokerList),
  quick: toggle("10,000 and 50,000 orders, one pair: checks that everything works"),
};

const RESULTS_DIR = `${ROOT}/bench/results`;
/** Heap of a broker started for the benchmark: large enough not to affect the results. */
const BROKER_HEAP = "1g";
/** Sizes for the jobs about our programs alone; 365 days have up to 525,600 minutes. */
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

/** The content of a results file. */
interface Results {
  machine: Machine;
  options: { orders: number[]; pairs: number; jobs: string[] };
  missing: { peer: PeerName; reason: string }[];
  jobs: JobResult[];
  /** The services on orders of other writers, at the largest number of orders. */
  foreign?: JobResult[];
  /** Our programs over TLS beside them in plaintext. */
  tls?: JobResult[];
  limits?: Limits;
  shares?: Share[];
  instances?: InstancesResult[];
  growth?: GrowthResult[];
  restore?: RestoreResult[];
  startup?: StartupResult[];
  memory?: MemoryResult[];
  /** Measurements that failed, with the reason. */
  failed: string[];
}

/** Runs a measurement and prints the table it returns; an error is recorded and does not propagate. */
type Attempt = (what: string, measure: () => Promise<string>) => Promise<void>;

/** Passed to every measurement of a run. */
interface BenchRun {
  context: BenchContext;
  /** Our programs over TLS, when that is measured. */
  secured: Client | undefined;
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

/** Measures the chosen jobs, prints tables, writes the results file and the chart. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  await Deno.mkdir(`${ROOT}/.kafka`, { recursive: true });
  await Deno.mkdir(RESULTS_DIR, { recursive: true });
  const directory = await Deno.makeTempDir({ dir: `${ROOT}/.kafka`, prefix: "bench-" });
  let context: BenchContext | undefined;
  let stop = () => Promise.resolve();
  try {
    const broker = await openBroker(options, { directory, signal });
    stop = broker.stop;
    const settings = kafkaSettings("order-stream-bench", {
      brokers: broker.brokers,
      timeout: 30_000,
      verbose: false,
      clientId: "order-stream-bench",
    }, () => {});
    await requireBrokers(settings, signal);
    const prefix = `bench-${crypto.randomUUID().slice(0, 8)}-`;
    context = openContext({ settings, directory, prefix, signal, note: printNote });
    const results = await measure(context, {
      options,
      secured: await broker.listener?.client(settings),
      machine: await describeMachine(broker.kind),
    });
    await write(results);
    const { jobs, foreign = [], tls = [] } = results;
    const dropped = [...jobs, ...foreign, ...tls].some(({ clients }) =>
      clients.some(({ dropped }) => dropped.length > 0)
    );
    return dropped || results.failed.length > 0 ? 1 : 0;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    await context?.close().catch((error) =>
      printWarning(`the benchmark's topics were not deleted: ${describeError(error)}`)
    );
    await stop();
    await removeIfThere(directory);
  }
}

async function measure(
  context: BenchContext,
  { options, secured, machine }: {
    options: Options<typeof flags>;
    secured: Client | undefined;
    machine: Machine;
  },
): Promise<Results> {
  const { jobs, quick } = options;
  const orders = options.orders ?? (quick ? [10_000, 50_000] : [10_000, 500_000]);
  const pairs = options.pairs ?? (quick ? 1 : 5);
  const compared = JOBS.filter((job) => jobs.includes(job));
  const { clients, missing } = await preparePeers(
    COMPARED.some((job) => jobs.includes(job)) ? options.peers : [],
    context,
  );
  const results: Results = {
    machine,
    options: { orders, pairs, jobs },
    missing,
    jobs: [],
    failed: [],
  };
  printResult(machineText(machine) + missing.map(missingText).join(""));

  const attempt = attempts(results, context.signal);
  const bench: BenchRun = {
    context,
    secured,
    results,
    attempt,
    sizes: quick ? QUICK : FULL,
  };
  const needsOrders = jobs.some((job) => job !== "startup" && job !== "memory");
  for (const count of needsOrders ? orders : []) {
    const input = await fill(context, { name: `orders-${count}`, count });
    for (const job of compared) {
      await attempt(`${job}, ${count} orders`, async () => {
        const result = await compare(context, { job, orders: input, pairs, peers: clients });
        results.jobs.push(result);
        return tables.jobTable(result);
      });
    }
    await compareTls(bench, { orders: input, pairs });
    if (count !== Math.max(...orders)) continue;
    if (jobs.includes("foreign")) await compareForeign(bench, { count, pairs, peers: clients });
    await measureOnLargest(bench, input);
  }
  for (const job of ALONE.filter((job) => jobs.includes(job))) await measureAlone(bench, job);
  return results;
}

/** Compares our programs over TLS with themselves in plaintext. */
async function compareTls(
  { context, secured, results, attempt }: BenchRun,
  { orders, pairs }: { orders: Orders; pairs: number },
): Promise<void> {
  if (secured === undefined) return;
  for (const job of JOBS) {
    await attempt(`${job} over TLS, ${orders.count} orders`, async () => {
      const result = await compare(context, { job, orders, pairs, peers: [secured] });
      (results.tls ??= []).push(result);
      return tables.tlsTable(result);
    });
  }
}

/** Compares the services on as many orders of other writers. */
async function compareForeign(
  { context, results, attempt }: BenchRun,
  { count, pairs, peers }: { count: number; pairs: number; peers: Client[] },
): Promise<void> {
  const foreign: JobResult[] = results.foreign = [];
  await attempt("orders of other writers", async () => {
    const orders = await fillForeign(context, { name: `foreign-${count}`, count });
    for (const job of FOREIGN_JOBS) {
      foreign.push(await compare(context, { job, orders, pairs, peers }));
    }
    return foreign.map(tables.foreignTable).join("\n\n");
  });
}

/** Measurements on the topic with the most orders. */
async function measureOnLargest(
  { context, results, attempt }: BenchRun,
  input: Orders,
): Promise<void> {
  const { jobs } = results.options;
  if (jobs.includes("limits")) {
    await attempt("limits", async () => {
      results.limits = await measureLimits(context, input);
      const alone: JobResult[] = [];
      for (const job of JOBS.filter((job) => !jobs.includes(job))) {
        alone.push(await compare(context, { job, orders: input, pairs: 1, peers: [] }));
      }
      results.shares = sharesOf(results.limits, [...results.jobs, ...alone]);
      return tables.limitsTable(results.limits, results.shares);
    });
  }
  if (jobs.includes("scale")) {
    await attempt("instances", async () => {
      results.instances = await measureInstances(context, input);
      return tables.instancesTable(results.instances);
    });
  }
}

async function measureAlone(
  { context, results, attempt, sizes }: BenchRun,
  job: typeof ALONE[number],
): Promise<void> {
  switch (job) {
    case "startup":
      return await attempt("startup", async () => {
        results.startup = await measureStartup(context);
        return tables.startupTable(results.startup);
      });
    case "scale":
      await attempt("growth", async () => {
        results.growth = await measureGrowth(context, sizes.growth);
        return tables.growthTable(results.growth);
      });
      return await attempt("restart", async () => {
        results.restore = await measureRestore(context, sizes.restore);
        return tables.restoreTable(results.restore);
      });
    case "memory":
      return await attempt("memory", async () => {
        results.memory = await measureMemory(context, sizes.memory);
        return tables.memoryTable(results.memory);
      });
  }
}

/** The broker of a run. */
interface Broker {
  brokers: string[];
  kind: "own" | "running";
  listener?: SecuredListener | undefined;
  stop: () => Promise<void>;
}

/**
 * Uses the given brokers, else the running development broker, else starts one for this run. The job
 * `tls` needs one with a listener for it.
 */
async function openBroker(
  { brokers: named, jobs }: Options<typeof flags>,
  { directory, signal }: { directory: string; signal: AbortSignal },
): Promise<Broker> {
  const isSecured = jobs.includes("tls");
  const stop = () => Promise.resolve();
  if (named !== undefined) {
    if (isSecured) throw new UsageError("the job tls uses a broker that it starts, not --brokers");
    return { brokers: named, kind: "running", stop };
  }
  const { port } = defaultNodes(1)[0]!;
  if (!isSecured && await answersKafka(HOST, port) === "kafka") {
    return { brokers: [`${HOST}:${port}`], kind: "running", stop };
  }
  printNote(isSecured ? "starting a broker" : "no broker answers: starting one for this run");
  const dataDir = `${directory}/broker`;
  const nodes = freeNodes(1);
  const listener = isSecured ? await securedListener(nodes[0]!, { directory }) : undefined;
  const { brokers } = await startBroker(dataDir, {
    nodes,
    heap: BROKER_HEAP,
    signal,
    note: printNote,
    ...listener && { settings: listener.settings, javaFlags: listener.javaFlags },
  });
  return {
    brokers: [brokers],
    kind: "own",
    listener,
    stop: async () => {
      await stopBroker(dataDir);
    },
  };
}

async function preparePeers(
  names: readonly PeerName[],
  { signal }: BenchContext,
): Promise<{ clients: Client[]; missing: Results["missing"] }> {
  const clients: Client[] = [];
  const missing: Results["missing"] = [];
  for (const name of names) {
    signal.throwIfAborted();
    try {
      clients.push(await preparePeer(name, printNote));
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

async function write(results: Results): Promise<void> {
  const name = `${RESULTS_DIR}/${results.machine.date.slice(0, 19).replaceAll(":", "")}`;
  await Deno.writeTextFile(`${name}.json`, JSON.stringify(results, null, 2) + "\n");
  printNote(`figures in ${name}.json; bench/README.md describes how to publish them`);
  if (results.missing.length > 0) printWarning("some peers are missing");
  const svg = speedChart(results);
  if (svg === undefined) return;
  await Deno.writeTextFile(`${name}.svg`, svg);
  printNote(`chart in ${name}.svg`);
}

function parsePeers(text: string): readonly PeerName[] {
  if (text === "all") return PEERS;
  return text === "none" ? [] : listOf(oneOf(...PEERS))(text);
}

function listOf<T>(parse: Parser<T>): Parser<T[]> {
  const parseList = (text: string) => text.split(",").map((part) => parse(part.trim()));
  return parse.choices === undefined
    ? parseList
    : Object.assign(parseList, { choices: parse.choices });
}

if (import.meta.main) {
  main({
    usage: "deno task bench",
    summary: "Compares the programs with the same jobs written with other clients.",
    flags,
    examples: [
      "deno task bench --quick",
      "deno task bench --jobs memory,limits,scale,startup",
    ],
    run,
  });
}
