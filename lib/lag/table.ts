/**
 * Lag as people and programs read it: a table that fits the terminal, and JSON.
 *
 * @module
 */
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import {
  behindBy,
  type GroupStatus,
  type Member,
  type PartitionStatus,
  type Verdict,
} from "./verdict.ts";

/** How the table is to look. */
export interface TableLayout {
  /** The width that it may take, in characters. */
  columns: number;
  /** Whether the history of the lag is drawn. */
  history: boolean;
}

const VERDICT_TEXT: Record<Verdict, string> = {
  OK: "OK",
  NO_COMMIT: "no commit",
  WARN: "WARN",
  STALL: "STALL",
  STOP: "STOP",
  REWIND: "REWIND",
};

/** What the verdicts and columns mean, for `--help`. */
export const LAG_HELP = `Verdicts, after Burrow's rules; that of a group is its worst:
  OK         the lag is 0, was 0 within the window, or shrank in it
  no commit  nothing is committed yet; a service of this project starts at the beginning
  WARN       the offset moves, but the lag did not shrink once in the window
  STALL      there is a consumer, but its offset has not moved in the window
  STOP       there is lag and nobody is consuming
  REWIND     the offset went back within the window: somebody has reset it

The window is the last ten samples with --watch, else two samples that are one --interval apart.
Unlike Burrow, which knows commits only, STOP is told by the members of the group, at once.

Lag is counted in offsets up to the last record that a read_committed consumer can see: transaction
markers and aborted records at the end are not lag. It is never below 0, and "–" without a commit.
Rates are per second over the window; a group drains in lag ÷ (out − in), or never.

Exit codes: 0 no group is behind, 3 one is, by more than --fail-above; 1 failed, 2 used wrongly.
Records in partitions without a commit count as behind.`;

const BARS = "▁▂▃▄▅▆▇█";

/** Draws values from 0 to their maximum, the newest at the right. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const max = Math.max(1, ...shown);
  return shown.map((value) =>
    // Only 0 gets the lowest bar: what is behind, be it by one record, must be seen.
    value <= 0 ? BARS[0] : BARS[Math.max(1, Math.ceil(value / max * (BARS.length - 1)))]
  ).join("");
}

/** The table of all groups, without a newline at the end. */
export function lagTable(groups: readonly GroupStatus[], layout: TableLayout): string {
  return groups.map((group) => groupLines(group, layout).join("\n")).join("\n\n");
}

function groupLines(group: GroupStatus, { columns, history }: TableLayout): string[] {
  const lag = group.lag === undefined ? "lag –" : `lag ${grouped(group.lag)}`;
  const unread = group.unread === 0 ? [] : [`${grouped(group.unread)} without a commit`];
  const facts = [
    stateText(group),
    `in ${rateText(group.producePerSecond)}`,
    `out ${rateText(group.consumePerSecond)}`,
    drainText(group),
  ];
  const name = cutMiddle(group.group, Math.max(20, columns - 40));
  const title = [name, VERDICT_TEXT[group.verdict], lag, ...unread].join("  ");
  const room = Math.min(60, columns - title.length - 2);
  const spark = history && room >= 5 ? `  ${cyan(sparkline(group.history, room))}` : "";
  return [
    [bold(name), painted(group.verdict), bold(lag), ...unread].join("  ") + spark,
    ...wrapped(facts.filter((fact) => fact !== ""), columns),
    ...partitionTable(group.partitions, columns),
    ...group.partitions.filter(({ note }) => note !== undefined)
      .map(({ partition, note }) => `  ${yellow("!")} partition ${partition}: ${note}`),
  ];
}

function stateText({ state, members }: GroupStatus): string {
  if (members === undefined) return "members unknown: the group protocol of Kafka 4";
  if (members === 0) return `${state}: nobody is consuming`;
  return `${state}, ${members} member${members === 1 ? "" : "s"}`;
}

function drainText({ drainSeconds, lag, verdict }: GroupStatus): string {
  if (drainSeconds === undefined || lag === 0) return "";
  if (drainSeconds < Infinity) return `drains in ${durationText(drainSeconds)}`;
  // What a consumer has in hand while it keeps pace with the producer.
  return verdict === "OK" ? "keeps pace" : "does not drain";
}

/** Joins the facts, on as many indented lines as it takes. */
function wrapped(facts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 3 + fact.length <= columns) {
      lines[lines.length - 1] = `${line} · ${fact}`;
    } else lines.push(`  ${fact}`);
  }
  return lines;
}

interface Column {
  title: string;
  left?: boolean;
  /** Shown on wide terminals only. */
  wide?: boolean;
  /** Takes what room is left, and is cut in the middle. */
  flexible?: boolean;
  text(row: PartitionStatus): string;
}

const COLUMNS: readonly Column[] = [
  { title: "P", text: (row) => String(row.partition) },
  { title: "START", wide: true, text: (row) => String(row.logStart) },
  { title: "COMMITTED", text: (row) => row.lag === undefined ? "–" : String(row.committed) },
  { title: "END", text: (row) => String(row.end) },
  { title: "LAG", text: (row) => row.lag === undefined ? "–" : String(row.lag) },
  { title: "IN/S", wide: true, text: (row) => rateText(row.producePerSecond, "") },
  { title: "OUT/S", wide: true, text: (row) => rateText(row.consumePerSecond, "") },
  { title: "DRAINS", wide: true, text: (row) => durationText(row.drainSeconds) },
  { title: "VERDICT", left: true, text: (row) => VERDICT_TEXT[row.verdict] },
  { title: "HOST", left: true, text: (row) => row.owner?.host ?? "–" },
  { title: "MEMBER", left: true, flexible: true, text: (row) => row.owner?.id ?? "–" },
];

const WIDE_COLUMNS = 110;

function partitionTable(rows: readonly PartitionStatus[], columns: number): string[] {
  const shown = COLUMNS.filter(({ wide }) => wide !== true || columns >= WIDE_COLUMNS);
  const widths = shown.map(({ title, text }) =>
    Math.max(title.length, ...rows.map((row) => text(row).length))
  );
  const fixed = shown.reduce(
    (sum, { flexible }, index) => sum + 2 + (flexible === true ? 0 : widths[index]!),
    0,
  );
  const line = (cell: (column: Column) => string, paint: (text: string, of: Column) => string) =>
    shown.map((column, index) => {
      const room = column.flexible === true
        ? Math.min(widths[index]!, Math.max(8, columns - fixed))
        : widths[index]!;
      const text = cutMiddle(cell(column), room);
      const padded = column.left === true
        ? (index === shown.length - 1 ? text : text.padEnd(room))
        : text.padStart(room);
      return "  " + paint(padded, column);
    }).join("");
  return [
    line(({ title }) => title, (text) => dim(text)),
    ...rows.map((row) =>
      line(
        ({ text }) => text(row),
        (text, { title }) => title === "VERDICT" ? painted(row.verdict, text) : text,
      )
    ),
  ];
}

function painted(verdict: Verdict, text: string = VERDICT_TEXT[verdict]): string {
  switch (verdict) {
    case "OK":
      return green(text);
    case "NO_COMMIT":
    case "WARN":
      return yellow(text);
    default:
      return red(text);
  }
}

/** Cuts a text that is too long in its middle: ids differ at the end. */
export function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${tail === 0 ? "" : text.slice(-tail)}`;
}

/** `1234567` as `1,234,567`. */
export function grouped(number: number | bigint): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

function rateText(perSecond: number | undefined, unit = "/s"): string {
  if (perSecond === undefined) return "–";
  const text = perSecond < 10 ? perSecond.toFixed(1) : grouped(Math.round(perSecond));
  return `${text === "0.0" ? "0" : text}${unit}`;
}

/** `0.4 s`, `12 s`, `3 min`, `2.5 h`, `4 d`; `never` for infinity and `–` when it is not known. */
export function durationText(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds === Infinity) return "never";
  const in3 = (value: number) => value < 9.95 ? String(Number(value.toFixed(1))) : value.toFixed(0);
  if (seconds < 90) return `${in3(seconds)} s`;
  if (seconds < 90 * 60) return `${in3(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${in3(seconds / 3600)} h`;
  return `${in3(seconds / 86_400)} d`;
}

/** One sample as a line of JSON. */
export function lagJson(
  { timeMs, topic, groups }: { timeMs: number; topic: string; groups: readonly GroupStatus[] },
): string {
  return JSON.stringify({
    time: new Date(timeMs).toISOString(),
    topic,
    groups: groups.map((group) => ({
      group: group.group,
      state: group.state,
      members: group.members ?? null,
      verdict: group.verdict,
      lag: group.lag ?? null,
      without_commit: group.unread,
      behind: behindBy(group),
      ...ratesJson(group),
      partitions: group.partitions.map((row) => ({
        partition: row.partition,
        log_start: Number(row.logStart),
        committed: row.lag === undefined ? null : Number(row.committed),
        end: Number(row.end),
        readable_end: Number(row.readableEnd),
        lag: row.lag ?? null,
        ...ratesJson(row),
        verdict: row.verdict,
        ...memberJson(row.owner),
        note: row.note ?? null,
      })),
    })),
  });
}

function ratesJson(
  { producePerSecond, consumePerSecond, drainSeconds }: Pick<
    GroupStatus,
    "producePerSecond" | "consumePerSecond" | "drainSeconds"
  >,
) {
  return {
    produced_per_second: rounded(producePerSecond),
    consumed_per_second: rounded(consumePerSecond),
    drain_seconds: drainSeconds === Infinity ? null : rounded(drainSeconds),
  };
}

function memberJson(owner: Member | undefined) {
  return {
    member: owner?.id ?? null,
    client: owner?.clientId ?? null,
    host: owner?.host ?? null,
  };
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(1));
}
