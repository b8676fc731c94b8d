/**
 * Formats results as text for a terminal.
 *
 * @module
 */
import { grouped, table as textTable } from "../lib/cli/text.ts";
import type { JobResult } from "./jobs.ts";
import type { Limits, Share } from "./limits.ts";
import type { Spread } from "./measure.ts";
import type { Job } from "./peers.ts";
import type {
  GrowthResult,
  InstancesResult,
  MemoryResult,
  RestoreResult,
  StartupResult,
} from "./programs.ts";

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return textTable(heading, rows, { left: [0] });
}

/** Formats a number without decimals and with thousands separators. */
export function whole(value: number): string {
  return grouped(Math.round(value));
}

function range(spread: Spread | undefined, format: (value: number) => string): string {
  if (spread === undefined) return "–";
  const { median, min, max, count } = spread;
  return count === 1 ? format(median) : `${format(median)} (${format(min)}–${format(max)})`;
}

const fixed = (digits: number) => (value: number) => value.toFixed(digits);

/** Headings of the jobs. */
export const TITLES: Record<Job, string> = {
  produce: "Produce",
  analytics: "Analytics, catching up",
  inventory: "Inventory, exactly once",
};

/** One job at one number of orders; each figure as median (min–max). */
export function jobTable(result: JobResult): string {
  return comparison(result, TITLES[result.job]);
}

/** As {@linkcode jobTable}, for orders of other writers. */
export function foreignTable(result: JobResult): string {
  return comparison(result, `${TITLES[result.job]}, from other writers`);
}

/** As {@linkcode jobTable}, for our programs over TLS beside them in plaintext. */
export function tlsTable(result: JobResult): string {
  return comparison(result, `${TITLES[result.job]}, over TLS`, "its time ÷ plaintext");
}

function comparison(
  { orders, clients }: JobResult,
  title: string,
  ratioHead = "its time ÷ ours",
): string {
  const rows = clients.map(({ client, ordersPerSecond, seconds, cpuSeconds, ratio }) => [
    client,
    range(ordersPerSecond, whole),
    range(seconds, fixed(2)),
    range(cpuSeconds, fixed(2)),
    range(ratio, fixed(2)),
  ]);
  const remarks = clients.flatMap(({ client, remark, dropped }) => [
    ...(remark === undefined ? [] : [`  ${client}: ${remark}`]),
    ...dropped.map((reason) => `  ${client}: a run gave no figure: ${reason}`),
  ]);
  const head = ["", "orders/s", "seconds", "CPU seconds", ratioHead];
  return [`${title}: ${whole(orders)} orders`, table(head, rows), ...remarks].join("\n");
}

/** The resident memory of each program at each number of orders. */
export function memoryTable(results: readonly MemoryResult[]): string {
  const rows = results.map(({ job, orders, peakMb, steadyMb }) => [
    job,
    whole(orders),
    peakMb === undefined ? "–" : whole(peakMb),
    steadyMb === undefined ? "–" : whole(steadyMb),
  ]);
  return `Memory\n${table(["", "orders", "peak MB", "steady MB"], rows)}`;
}

/** The throughput of one, two and three instances. */
export function instancesTable(results: readonly InstancesResult[]): string {
  const rows = results.map(({ job, instances, orders, seconds }) => [
    job,
    String(instances),
    whole(orders),
    seconds.toFixed(2),
    whole(orders / seconds),
  ]);
  return `Instances\n${table(["", "instances", "orders", "seconds", "orders/s"], rows)}`;
}

/** The cost of an order by the size of the topic. */
export function growthTable(results: readonly GrowthResult[]): string {
  const rows = results.map(({ job, orders, microsecondsPerOrder }) => [
    job,
    whole(orders),
    microsecondsPerOrder === undefined ? "–" : microsecondsPerOrder.toFixed(2),
  ]);
  return `Cost of an order\n${table(["", "orders in the topic", "µs per order"], rows)}`;
}

/** The restart time of analytics by the number of stored rows. */
export function restoreTable(results: readonly RestoreResult[]): string {
  const rows = results.map(({ minutes, rows, seconds }) => [
    whole(minutes),
    whole(rows),
    seconds.toFixed(2),
  ]);
  return `Restart of analytics\n${
    table(["minutes", "rows", "seconds until the next order is counted"], rows)
  }`;
}

/** The start-up time of each program. */
export function startupTable(results: readonly StartupResult[]): string {
  const rows = results.map(({ script, until, ms }) => [script, until, range(ms, whole)]);
  return `Start-up\n${table(["", "until", "ms"], rows)}`;
}

/** The in-process limits, and the share of them that the programs reach. */
export function limitsTable(limits: Limits, shares: readonly Share[]): string {
  const rows = Object.entries(limits).map(([step, perSecond]) => [step, whole(perSecond)]);
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const shareRows = shares.map((share) => [
    share.job,
    share.steps.join(" + "),
    whole(share.limit),
    whole(share.whole),
    percent(share.whole / share.limit),
    whole(share.working),
    percent(share.working / share.limit),
  ]);
  const shareHead = [
    "",
    "in series",
    "orders/s",
    "whole process",
    "share",
    "after start-up",
    "share",
  ];
  return [
    `In one process\n${table(["step", "orders/s"], rows)}`,
    ...(shares.length === 0 ? [] : [table(shareHead, shareRows)]),
  ].join("\n\n");
}
