/**
 * Formats the lag of groups: a table that fits the terminal, and JSON.
 *
 * @module
 */
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import { cutMiddle, durationText, grouped, table } from "../cli/text.ts";
import {
  behindBy,
  type GroupStatus,
  type LagStatus,
  type PartitionStatus,
  type Verdict,
} from "./verdict.ts";

/** The status of all groups at one moment. */
export interface LagReport {
  /** The moment, in milliseconds since the epoch. */
  timeMs: number;
  /** The topic that the groups read. */
  topic: string;
  /** The groups. */
  groups: readonly GroupStatus[];
}

/** How the table looks. */
export interface TableLayout {
  /** The width that it may have, in characters. */
  columns: number;
  /** Whether to draw the history of the lag. */
  history: boolean;
}

/** Explains verdicts, columns and exit codes in `--help`. */
export const LAG_HELP =
  `Verdicts follow Burrow's rules. A group has the worst verdict of its partitions:
  OK         the lag is 0, was 0 within the window, or decreased in it
  no commit  no offset is committed yet; the services of this project start at
             the beginning
  WARN       the offset moves, but the lag has not decreased in the window
  STALL      a consumer is assigned, but the offset has not moved in the window
  STOP       there is lag and no consumer
  REWIND     the offset moved backwards in the window: it was reset
  OFFLINE    the partition has no leader: the brokers that hold it are down

The window is the last ten samples with --watch, otherwise two samples one
--interval apart. Burrow sees only commits; here STOP depends on the members of
the group, so it shows at once.

Lag is counted in offsets, up to the last record that a read_committed consumer
can see: transaction markers and aborted records at the end do not count. It is
never negative; "–" means no commit. Rates are per second over the window. The
time to drain is lag ÷ (out − in).

Exit codes: 0 no group is behind by more than --fail-above, 3 a group is,
1 an error, 2 wrong usage. The records of partitions without a commit count as
behind.`;

const BARS = "▁▂▃▄▅▆▇█";

/** Draws values from 0 to their maximum, the newest on the right. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const max = Math.max(1, ...shown);
  return shown.map((value) =>
    // Only 0 gets the lowest bar: a lag of one record must be visible.
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
  const title = [name, verdictText(group.verdict), lag, ...unread].join("  ");
  const room = Math.min(60, columns - title.length - 2);
  const spark = history && room >= 5 ? `  ${cyan(sparkline(group.history, room))}` : "";
  return [
    [bold(name), painted(group.verdict), bold(lag), ...unread].join("  ") + spark,
    ...wrapped(facts.filter((fact) => fact !== ""), columns),
    partitionTable(group.partitions, columns),
    ...group.partitions.filter(({ note }) => note !== undefined)
      .map(({ partition, note }) => `  ${yellow("!")} partition ${partition}: ${note}`),
  ];
}

function stateText({ state, members }: GroupStatus): string {
  if (members === undefined) return "members unknown (group protocol of Kafka 4)";
  if (members === 0) return `${state}, no members`;
  return `${state}, ${members} member${members === 1 ? "" : "s"}`;
}

function drainText({ drainSeconds, lag, verdict }: GroupStatus): string {
  if (drainSeconds === undefined || lag === 0) return "";
  if (drainSeconds < Infinity) return `drains in ${durationText(drainSeconds)}`;
  // A consumer that keeps pace with the producer always has some records in progress.
  return verdict === "OK" ? "keeps pace" : "does not drain";
}

/** Joins the facts into indented lines of at most the given width. */
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
  /** Shown on wide terminals only. */
  wide?: boolean;
  text(row: PartitionStatus): string;
}

const COLUMNS: readonly Column[] = [
  { title: "P", text: (row) => String(row.partition) },
  { title: "START", wide: true, text: (row) => offsetText(row, row.logStart) },
  { title: "COMMITTED", text: (row) => committedText(row) },
  { title: "END", text: (row) => offsetText(row, row.end) },
  { title: "LAG", text: (row) => row.lag === undefined ? "–" : String(row.lag) },
  { title: "IN/S", wide: true, text: (row) => rateText(row.producePerSecond, "") },
  { title: "OUT/S", wide: true, text: (row) => rateText(row.consumePerSecond, "") },
  { title: "DRAINS", wide: true, text: (row) => durationText(row.drainSeconds) },
  { title: "VERDICT", text: (row) => verdictText(row.verdict) },
  { title: "HOST", text: (row) => row.owner?.host ?? "–" },
];

const WIDE_COLUMNS = 110;
const MIN_MEMBER_WIDTH = 8;

/** The last column, the member, gets the width that the others leave. */
function partitionTable(rows: readonly PartitionStatus[], columns: number): string {
  const shown = COLUMNS.filter(({ wide }) => wide !== true || columns >= WIDE_COLUMNS);
  const heading = shown.map(({ title }) => title);
  const cells = rows.map((row) => shown.map(({ text }) => text(row)));
  const usedWidth = table(heading, cells, { indent: 2 }).split("\n")[0]!.length;
  const memberWidth = Math.max(MIN_MEMBER_WIDTH, columns - usedWidth - 2);
  const members = rows.map(({ owner }) => cutMiddle(owner?.id ?? "–", memberWidth));
  const verdict = heading.indexOf("VERDICT");
  return table([...heading, "MEMBER"], cells.map((row, index) => [...row, members[index]!]), {
    indent: 2,
    left: [verdict, verdict + 1, verdict + 2],
    paint(text, { row, column }) {
      if (row === -1) return dim(text);
      return column === verdict ? painted(rows[row]!.verdict, text) : text;
    },
  });
}

function verdictText(verdict: Verdict): string {
  return verdict === "NO_COMMIT" ? "no commit" : verdict;
}

function painted(verdict: Verdict, text: string = verdictText(verdict)): string {
  if (verdict === "OK") return green(text);
  return verdict === "NO_COMMIT" || verdict === "WARN" ? yellow(text) : red(text);
}

function rateText(perSecond: number | undefined, unit = "/s"): string {
  if (perSecond === undefined) return "–";
  const text = perSecond < 10 ? perSecond.toFixed(1) : grouped(Math.round(perSecond));
  return `${text === "0.0" ? "0" : text}${unit}`;
}

/** One sample as a line of JSON. */
export function lagJson({ timeMs, topic, groups }: LagReport): string {
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
        log_start: offsetJson(row, row.logStart),
        committed: isCommitted(row) ? Number(row.committed) : null,
        end: offsetJson(row, row.end),
        readable_end: offsetJson(row, row.readableEnd),
        lag: row.lag ?? null,
        ...ratesJson(row),
        verdict: row.verdict,
        member: row.owner?.id ?? null,
        client: row.owner?.clientId ?? null,
        host: row.owner?.host ?? null,
        note: row.note ?? null,
      })),
    })),
  });
}

function isCommitted({ lag, committed, isLeaderless }: PartitionStatus): boolean {
  return lag !== undefined || isLeaderless === true && committed !== undefined;
}

function committedText(row: PartitionStatus): string {
  return isCommitted(row) ? String(row.committed) : "–";
}

/** An offset that is known only while the partition has a leader. */
function offsetText({ isLeaderless }: PartitionStatus, offset: bigint): string {
  return isLeaderless ? "–" : String(offset);
}

function offsetJson({ isLeaderless }: PartitionStatus, offset: bigint): number | null {
  return isLeaderless ? null : Number(offset);
}

function ratesJson({ producePerSecond, consumePerSecond, drainSeconds }: LagStatus) {
  return {
    produced_per_second: rounded(producePerSecond),
    consumed_per_second: rounded(consumePerSecond),
    drain_seconds: drainSeconds === Infinity ? null : rounded(drainSeconds),
  };
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(1));
}
