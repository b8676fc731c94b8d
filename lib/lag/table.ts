/**
 * Formats the lag of groups: a table that fits the terminal, and JSON.
 *
 * @module
 */
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import {
  cutMiddle,
  displayWidth,
  durationText,
  filled,
  grouped,
  table,
  wrapped,
} from "../cli/text.ts";
import { visible } from "../visible_text.ts";
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
  /** How many groups are not shown, because only our own readers have them. */
  hidden: number;
}

/** How the table looks. */
export interface TableLayout {
  /** The width that it may have, in characters; `Infinity` when nothing is to be cut. */
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
  STOP       there is lag, no consumer, and no offset of the group moves
  REWIND     the offset moved backwards in the window: it was reset
  OFFLINE    the partition has no leader: the brokers that hold it are down

The window is the last ten samples with --watch, otherwise two samples one
--interval apart. Burrow sees only commits; here STOP depends on the members of
the group, so it shows at once.

Lag is counted in offsets, up to the last record that a read_committed consumer
can see: transaction markers and aborted records at the end do not count. It is
never negative; "–" means no commit. BEHIND is the age of the oldest record that
is not committed yet, by the time at which it was sent. Rates are per second
over the window. The time to drain is lag ÷ (out − in).

On a narrow terminal ids are cut in their middle, and columns are left out in
this order: START, IN/S, OUT/S and DRAINS together, then HOST, MEMBER, END,
COMMITTED, BEHIND, VERDICT. Output to a pipe or a file is complete; so is
--json.

Exit codes: 0 no group is behind by more than --fail-above, or, with --fail-at,
has that verdict or a worse one; 3 a group is or has; 1 an error, 2 wrong usage.
The records of partitions without a commit count as behind.`;

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
  const facts = [
    stateText(group),
    `in ${rateText(group.producePerSecond)}`,
    `out ${rateText(group.consumePerSecond)}`,
    drainText(group),
    behindText(group),
  ].filter((fact) => fact !== "");
  const title = filled(
    [
      bold(cutMiddle(visible(group.group), columns)),
      painted(group.verdict),
      bold(lag),
      ...(group.unread === 0 ? [] : [`${grouped(group.unread)} without a commit`]),
    ],
    columns,
    "  ",
  );
  const room = Math.min(60, columns - displayWidth(title.at(-1)!) - 2);
  if (history && room >= 5) {
    title[title.length - 1] += `  ${cyan(sparkline(group.history, room))}`;
  }
  return [
    ...title,
    ...filled(facts, columns - 2, " · ").map((line) => `  ${line}`),
    partitionTable(group.partitions, columns),
    ...group.partitions.flatMap((row) => noteLines(row, columns)),
  ];
}

function noteLines({ partition, note }: PartitionStatus, columns: number): string[] {
  if (note === undefined) return [];
  const [first = "", ...others] = wrapped(`partition ${partition}: ${note}`, columns - 4);
  return [`  ${yellow("!")} ${first}`, ...others.map((line) => `    ${line}`)];
}

function stateText({ state, members }: GroupStatus): string {
  if (state === "Gone") return "there is no such group any more";
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

function behindText({ secondsBehind = 0 }: GroupStatus): string {
  return secondsBehind === 0 ? "" : `${durationText(secondsBehind)} behind`;
}

interface Column {
  title: string;
  text(row: PartitionStatus): string;
}

const COLUMNS: readonly Column[] = [
  { title: "P", text: (row) => String(row.partition) },
  { title: "START", text: (row) => offsetText(row, row.logStart) },
  { title: "COMMITTED", text: (row) => committedText(row) },
  { title: "END", text: (row) => offsetText(row, row.end) },
  { title: "LAG", text: (row) => row.lag === undefined ? "–" : String(row.lag) },
  { title: "BEHIND", text: (row) => durationText(row.secondsBehind) },
  { title: "IN/S", text: (row) => rateText(row.producePerSecond, "") },
  { title: "OUT/S", text: (row) => rateText(row.consumePerSecond, "") },
  { title: "DRAINS", text: (row) => durationText(row.drainSeconds) },
  { title: "VERDICT", text: (row) => verdictText(row.verdict) },
  { title: "HOST", text: (row) => row.owner?.host ?? "–" },
  { title: "MEMBER", text: (row) => row.owner?.id ?? "–" },
];

/** The columns that are left out while the table is too wide, first to last. */
const LEFT_OUT = [
  "START IN/S OUT/S DRAINS",
  "HOST",
  "MEMBER",
  "END",
  "COMMITTED",
  "BEHIND",
  "VERDICT",
]
  .map((titles) => titles.split(" "));
const ALIGNED_LEFT = ["VERDICT", "HOST", "MEMBER"];
const INDENT = 2;
const GAP = 2;
/** A member's id is cut in its middle, but not below this width, in characters. */
const MIN_MEMBER_WIDTH = 16;

/** The member gets the width that the other columns leave. */
function partitionTable(rows: readonly PartitionStatus[], columns: number): string {
  const cells = COLUMNS.map(({ title, text }) => ({
    title,
    texts: rows.map((row) => visible(text(row))),
  })).map((column) => ({
    ...column,
    width: Math.max(...[column.title, ...column.texts].map(displayWidth)),
  }));
  let shown = cells;
  const usedBy = (list: typeof cells) =>
    list.reduce((sum, { width }) => sum + width + GAP, INDENT - GAP);
  const least = (list: typeof cells) =>
    usedBy(
      list.map((column) =>
        column.title === "MEMBER"
          ? { ...column, width: Math.min(column.width, MIN_MEMBER_WIDTH) }
          : column
      ),
    );
  for (const titles of LEFT_OUT) {
    if (least(shown) <= columns) break;
    shown = shown.filter(({ title }) => !titles.includes(title));
  }
  const memberWidth = columns - usedBy(shown.filter(({ title }) => title !== "MEMBER")) - GAP;
  const heading = shown.map(({ title }) => title);
  return table(
    heading,
    rows.map((_, row) =>
      shown.map(({ title, texts }) =>
        title === "MEMBER" ? cutMiddle(texts[row]!, memberWidth) : texts[row]!
      )
    ),
    {
      indent: INDENT,
      left: heading.flatMap((title, column) => ALIGNED_LEFT.includes(title) ? [column] : []),
      paint(text, { row, column }) {
        if (row === -1) return dim(text);
        return heading[column] === "VERDICT" ? painted(rows[row]!.verdict, text) : text;
      },
    },
  );
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
export function lagJson({ timeMs, topic, groups, hidden }: LagReport): string {
  return JSON.stringify({
    time: new Date(timeMs).toISOString(),
    topic,
    groups_not_shown: hidden,
    groups: groups.map((group) => ({
      group: group.group,
      state: group.state,
      members: group.members ?? null,
      verdict: group.verdict,
      lag: group.lag ?? null,
      without_commit: group.unread,
      behind: behindBy(group),
      seconds_behind: rounded(group.secondsBehind),
      ...ratesJson(group),
      partitions: group.partitions.map((row) => ({
        partition: row.partition,
        log_start: offsetJson(row, row.logStart),
        committed: isCommitted(row) ? Number(row.committed) : null,
        end: offsetJson(row, row.end),
        readable_end: offsetJson(row, row.readableEnd),
        lag: row.lag ?? null,
        seconds_behind: rounded(row.secondsBehind),
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
