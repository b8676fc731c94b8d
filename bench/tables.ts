/**
 * Results as text for a terminal: data in, lines out.
 *
 * @module
 */
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

/** Lines up cells; the first column to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** A number without decimals, its digits in groups of three. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function range(spread: Spread | undefined, format: (value: number) => string): string {
  if (spread === undefined) return "–";
  const { median, min, max, count } = spread;
  return count === 1 ? format(median) : `${format(median)} (${format(min)}–${format(max)})`;
}

const fixed = (digits: number) => (value: number) => value.toFixed(digits);

/** What a job is called. */
export const TITLES: Record<Job, string> = {
  produce: "Produce",
  analytics: "Analytics, catching up",
  inventory: "Inventory, exactly once",
};

/** One job at one size: median (min–max). */
export function jobTable({ job, orders, clients }: JobResult): string {
  const rows = clients.map(({ client, ordersPerSecond, seconds, cpuSeconds, ratio }) => [
    client,
    range(ordersPerSecond, whole),
    range(seconds, fixed(2)),
    range(cpuSeconds, fixed(2)),
    range(ratio, fixed(2)),
  ]);
  const remarks = clients.flatMap(({ client, remark, dropped }) => [
    ...(remark === undefined ? [] : [`  ${client}: ${remark}`]),
    ...dropped.map((reason) => `  ${client}: a run was dropped: ${reason}`),
  ]);
  const head = ["", "orders/s", "seconds", "CPU seconds", "its time ÷ ours"];
  return [`${TITLES[job]}: ${whole(orders)} orders`, table(head, rows), ...remarks].join("\n");
}

/** Memory of the programs. */
export function memoryTable(results: readonly MemoryResult[]): string {
  const rows = results.map(({ job, orders, peakMb, steadyMb }) => [
    job,
    whole(orders),
    peakMb === undefined ? "–" : whole(peakMb),
    steadyMb === undefined ? "–" : whole(steadyMb),
  ]);
  return `Memory\n${table(["", "orders", "peak MB", "steady MB"], rows)}`;
}

/** Several instances. */
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

/** Growing topics. */
export function growthTable(results: readonly GrowthResult[]): string {
  const rows = results.map(({ job, orders, microsecondsPerOrder }) => [
    job,
    whole(orders),
    microsecondsPerOrder === undefined ? "–" : microsecondsPerOrder.toFixed(2),
  ]);
  return `Cost of an order\n${table(["", "orders in the topic", "µs per order"], rows)}`;
}

/** Restarts of analytics. */
export function restoreTable(results: readonly RestoreResult[]): string {
  const rows = results.map(({ minutes, rows, seconds }) => [
    whole(minutes),
    whole(rows),
    seconds.toFixed(2),
  ]);
  return `Restart of analytics\n${table(["minutes", "rows", "seconds to next order"], rows)}`;
}

/** Start-up. */
export function startupTable(results: readonly StartupResult[]): string {
  const rows = results.map(({ script, until, ms }) => [script, until, range(ms, whole)]);
  return `Start\n${table(["", "until", "ms"], rows)}`;
}

/** In-process limits, and what share the programs reach. */
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
    "once started",
    "share",
  ];
  return [
    `In one process\n${table(["step", "orders/s"], rows)}`,
    ...(shares.length === 0 ? [] : [table(shareHead, shareRows)]),
  ].join("\n\n");
}
