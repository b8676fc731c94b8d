/**
 * Publishes the figures of a run: docs/bench.json is a copy of its results; the chart in
 * docs/bench.svg and the text and table in README.md are made from it.
 *
 * ```sh
 * deno run --allow-read --allow-write=docs,README.md bench/publish.ts bench/results/FILE.json
 * deno fmt README.md docs
 * ```
 *
 * @module
 */
import { ROOT } from "../dev_broker/files.ts";
import { type ChartGroup, chartSvg } from "./chart.ts";
import type { Machine } from "./machine.ts";
import type { Spread } from "./measure.ts";
import { type Job, JOBS } from "./peers.ts";
import { TITLES, whole } from "./tables.ts";

/** The part of a run's results that is published. */
export interface Figures {
  /** Date, hardware and versions. */
  machine: Pick<Machine, "date" | "cpu" | "cores" | "deno" | "broker">;
  /** How often each pair of clients ran. */
  options: { pairs: number };
  /** Each job at each number of orders. */
  jobs: readonly JobFigures[];
  /** The services on orders of other writers. */
  foreign?: readonly JobFigures[];
}

/** The published figures of one job at one number of orders. */
export interface JobFigures {
  /** The job that was measured. */
  job: Job;
  /** Number of orders in the topic. */
  orders: number;
  /** Order Stream first, then its peers. */
  clients: readonly ClientFigures[];
}

/** The published figures of one client in one job. */
export interface ClientFigures {
  /** Name and version. */
  client: string;
  /** Why its figures are not directly comparable. */
  remark?: string | undefined;
  /** Throughput of the whole process. */
  ordersPerSecond?: Pick<Spread, "median" | "min" | "max"> | undefined;
  /** Its time divided by that of Order Stream. */
  ratio?: Pick<Spread, "median"> | undefined;
}

/** Lines of README.md; the published text stands between them. */
const START = "<!-- from docs/bench.json -->";
const END = "<!-- end of docs/bench.json -->";

/**
 * README.md with the text and the table of these figures.
 *
 * @throws {Error} When a job has no figure for Order Stream, or README.md has no place for the text.
 */
export function withFigures(readme: string, figures: Figures): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start === -1 || end < start) {
    throw new Error(`expected "${START}" and "${END}" in README.md`);
  }
  return [readme.slice(0, start + START.length), speedText(figures), readme.slice(end)]
    .join("\n\n");
}

function speedText({ machine, options, jobs, foreign = [] }: Figures): string {
  const results = largest(jobs);
  const missing = JOBS.filter((name) =>
    results.find(({ job }) => job === name)?.clients[0]?.ordersPerSecond === undefined
  );
  if (missing.length > 0) throw new Error(`no figures for ${missing.join(", ")}`);
  const { orders } = results[0]!;
  return [
    `Whole processes including their start, ${whole(orders)} orders, medians of ${options.pairs} ` +
    `runs in pairs. "Times" is the other client's time divided by ours. Measured on ` +
    `${machineText(machine)}. The data is in [docs/bench.json](docs/bench.json).`,
    speedTable(results),
    ...foreignText(foreign),
    ...shortRunText(jobs.filter((result) => result.orders < orders)),
  ].join("\n\n");
}

/** One line per client that does every job; yardsticks are only in the chart. */
function speedTable(results: readonly JobFigures[]): string {
  const names = results[0]!.clients.map(({ client }) => client).filter((name) =>
    results.every(({ clients }) => clients.some(({ client }) => client === name))
  );
  const rows = names.map((name) => [
    // GitHub would link a name that starts with "@" to a user.
    name.startsWith("@") ? `\`${name}\`` : name,
    ...results.map(({ clients }) => rateText(clients.find(({ client }) => client === name))),
  ]);
  const head = ["client", ...results.map(({ job }) => TITLES[job].toLowerCase())];
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function rateText(figures: ClientFigures | undefined): string {
  const rate = figures?.ordersPerSecond?.median;
  const ratio = figures?.ratio?.median;
  return [
    ...(rate === undefined ? [] : [`${whole(Math.round(rate / 1_000) * 1_000)}/s`]),
    ...(ratio === undefined ? [] : [`${ratioText(ratio)} times`]),
  ].join(", ") || "–";
}

/** One decimal, and two where ours is slower: 0.14 and 0.06 are not both 0.1. */
function ratioText(ratio: number): string {
  return ratio < 1 ? String(Number(ratio.toFixed(2))) : ratio.toFixed(1);
}

function foreignText(results: readonly JobFigures[]): string[] {
  if (results.length === 0) return [];
  return [
    "Orders as Python's `json.dumps(order, sort_keys=True)` writes them, with spaces, other order " +
    "of fields and escapes:",
    speedTable(results),
  ];
}

/** The smallest runs. */
function shortRunText(jobs: readonly JobFigures[]): string[] {
  if (jobs.length === 0) return [];
  const fewest = Math.min(...jobs.map(({ orders }) => orders));
  return [
    `With ${whole(fewest)} orders the start dominates:`,
    speedTable(jobs.filter(({ orders }) => orders === fewest)),
  ];
}

function machineText({ date, cpu, cores, deno, broker }: Figures["machine"]): string {
  return `${date.slice(0, 10)}: ${cpu}, ${cores} cores; Deno ${deno}; ${broker}`;
}

/** The chart of each job at its largest number of orders; `undefined` when there are no figures. */
export function speedChart(
  { machine, jobs }: Pick<Figures, "machine" | "jobs">,
): string | undefined {
  const groups = chartGroups(jobs);
  if (groups.length === 0) return undefined;
  return chartSvg(groups, {
    title: "Orders per second, whole processes: more is better",
    subtitle: machineText(machine),
  });
}

function chartGroups(jobs: readonly JobFigures[]): ChartGroup[] {
  return largest(jobs).map(({ job, orders, clients }) => ({
    title: `${TITLES[job]}: ${whole(orders)} orders`,
    bars: clients.flatMap(({ client, ordersPerSecond, remark }, index) =>
      ordersPerSecond === undefined ? [] : [{
        label: client,
        value: ordersPerSecond,
        ours: index === 0,
        note: remark?.replace(/^yardstick: /, ""),
      }]
    ),
  }));
}

function largest(jobs: readonly JobFigures[]): JobFigures[] {
  return JOBS.flatMap((name) =>
    jobs.filter(({ job }) => job === name).sort((a, b) => b.orders - a.orders).slice(0, 1)
  );
}

async function publish([file]: string[]): Promise<void> {
  if (file === undefined) throw new Error("expected a file of bench/results as argument");
  const text = await Deno.readTextFile(file);
  const figures: Figures = JSON.parse(text);
  const readme = `${ROOT}/README.md`;
  const updated = withFigures(await Deno.readTextFile(readme), figures);
  await Deno.writeTextFile(readme, updated);
  await Deno.writeTextFile(`${ROOT}/docs/bench.svg`, speedChart(figures)!);
  await Deno.writeTextFile(`${ROOT}/docs/bench.json`, text);
}

if (import.meta.main) publish(Deno.args);
