/**
 * Moves a consumer group's offsets, or verifies what it has counted by counting it again.
 *
 * Shows what would be moved, and moves it with `--execute`. A group with members is refused: their
 * next commit would undo it. With `--verify` nothing is moved: the orders that analytics has counted
 * are counted again in memory, and the result is compared with the stored metrics.
 *
 * ```sh
 * deno task replay --group analytics --to earliest
 * deno task replay --group analytics --to -1h --execute
 * deno task replay --group analytics --verify
 * ```
 *
 * Permissions: the set `kafka` of deno.json, and `--allow-net` for the brokers.
 *
 * @module
 */
import { bold, green, red } from "@std/fmt/colors";
import {
  COMMON_FLAGS,
  didYouMean,
  flag,
  nonEmpty,
  type Options,
  repeatable,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { connectAdmin, disconnect } from "./lib/kafka/client.ts";
import { explain } from "./lib/kafka/errors.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import {
  commitMoves,
  type GroupFacts,
  groupFacts,
  OffsetOutOfRangeError,
  planMoves,
} from "./lib/kafka/move_offsets.ts";
import { deleteGroup, readStoredMetrics, recount } from "./lib/kafka/recount.ts";
import { grouped } from "./lib/lag/table.ts";
import { type OffsetMove, parseOffsetTarget, TARGET_FORMS } from "./lib/offset_target.ts";
import { compareMetrics, differenceText } from "./lib/metrics_comparison.ts";
import { orderEvents, orderMetrics } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  group: flag({ value: "NAME", help: "the consumer group; required" }, nonEmpty),
  to: flag({ value: TARGET_FORMS, help: "where to read from" }, (text) => ({
    text,
    target: parseOffsetTarget(text, Date.now()),
  })),
  partition: repeatable({
    value: "N",
    help: "move this partition only; may be repeated (default all)",
  }, wholeNumber({ min: 0, max: 2 ** 31 - 1 })),
  execute: toggle("do it; without, it is only shown"),
  new: toggle("the group may be one that does not exist yet"),
  verify: toggle("count again what analytics has counted, and compare with its stored metrics"),
  ...COMMON_FLAGS,
};

/** The groups of the services by their usual names: they exist even before their first start. */
const USUAL_GROUPS = ["analytics", "inventory"];

/** What the flags ask for, with names in full. */
interface Job {
  settings: KafkaSettings;
  group: string;
  topic: string;
  metricsTopic: string;
}

/** Shows or moves offsets, or verifies metrics; the exit code is 1 when these are not right. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  refuseContradictions(options);
  const settings = kafkaSettings("order-stream-replay", options, printNote);
  const { topicPrefix } = options;
  const group = topicPrefix + options.group;
  const topic = orderEvents(topicPrefix).name;
  const job: Job = { settings, group, topic, metricsTopic: orderMetrics(group).name };

  // The first contact waits for brokers and says what is wrong when none answers.
  await disconnect(await connectAdmin(settings, signal));
  try {
    const facts = await groupFacts(settings, { ...job, topicPrefix });
    requireGroup(job, facts, options);
    return options.verify
      ? await verify(job, facts, options, signal)
      : await move(job, facts, options, signal);
  } catch (error) {
    if (signal.aborted || error instanceof UsageError) throw error;
    throw explain(error, settings);
  }
}

function refuseContradictions(options: Options<typeof flags>): void {
  const { group, to, verify, execute, partition } = options;
  if (group === undefined) throw new UsageError("--group is missing: whose offsets?");
  if (verify && (to !== undefined || execute || partition.length > 0 || options.new)) {
    throw new UsageError("--verify moves nothing: it takes --group only");
  }
  if (!verify && to === undefined) {
    throw new UsageError(`--to is missing: expected ${TARGET_FORMS}, or --verify`);
  }
}

function requireGroup(
  { group, topic }: Job,
  { topicExists, hasMetrics, known, others }: GroupFacts,
  options: Options<typeof flags>,
): void {
  const { topicPrefix } = options;
  if (!topicExists) {
    throw new Error(
      `there is no topic ${topic}: nothing has been produced yet, or --topic-prefix is another one`,
    );
  }
  if (known || hasMetrics || options.new || USUAL_GROUPS.includes(options.group!)) return;
  const names = others.map((other) => other.slice(topicPrefix.length));
  throw new UsageError(
    `there is no group "${group}"${didYouMean(options.group!, [...USUAL_GROUPS, ...names])}; ` +
      (others.length === 0
        ? "no group reads the orders yet"
        : `these read the orders: ${others.join(", ")}`) +
      `; --new is for a group that does not exist yet`,
  );
}

async function move(
  job: Job,
  facts: GroupFacts,
  options: Options<typeof flags>,
  signal: AbortSignal,
): Promise<number> {
  const { settings, group, topic } = job;
  const { text, target } = options.to!;
  const { execute } = options;
  const unknown = options.partition.find((partition) => !facts.partitions.includes(partition));
  if (unknown !== undefined) {
    throw new UsageError(
      `--partition ${unknown}: ${topic} has partitions 0 to ${facts.partitions.length - 1}`,
    );
  }
  const inUse = `group ${group} has members, whose next commit would undo it: ` +
    `${facts.members.join(", ")}; stop them first`;
  if (facts.members.length > 0 && execute) throw new Error(inUse);

  const partitions = facts.partitions
    .filter((partition) => options.partition.length === 0 || options.partition.includes(partition));
  let moves: OffsetMove[];
  try {
    moves = await planMoves(settings, { group, topic, target, partitions });
  } catch (error) {
    if (!(error instanceof OffsetOutOfRangeError)) throw error;
    throw new UsageError(`--to "${text}" is ${error.message}`, { cause: undefined });
  }
  if (execute) await commitMoves(settings, { group, topic, moves }, signal);

  const again = sum(moves, ({ again }) => again);
  const passed = sum(moves, ({ passed }) => passed);
  if (options.json) {
    printResult(JSON.stringify({
      group,
      topic,
      to: text,
      executed: execute,
      again,
      passed_over: passed,
      partitions: moves.map(({ partition, from, to, again, passed, ahead }) => ({
        partition,
        from: from === undefined ? null : Number(from),
        to: Number(to),
        again,
        passed_over: passed,
        ahead,
      })),
      members: facts.members,
    }));
  } else {
    printResult(`${bold(group)} on ${topic}, to ${text}${execute ? "" : " (dry run)"}\n`);
    printResult(moveTable(moves));
  }
  if (facts.members.length > 0) printWarning(inUse);
  consequences(facts, { again, passed }).forEach(printWarning);
  printNote(
    execute
      ? "done: the group reads on from there at its next start"
      : "nothing is changed: --execute does it",
  );
  return 0;
}

/** What a user may not expect of the move. */
function consequences(
  { hasMetrics }: GroupFacts,
  { again, passed }: { again: number; passed: number },
): string[] {
  return [
    ...(passed > 0 ? [`${grouped(passed)} orders that were not read are passed over`] : []),
    ...(hasMetrics && again + passed > 0
      ? [
        "the stored counts of moved partitions are dropped: their report begins at the new offsets",
      ]
      : []),
    ...(!hasMetrics && again > 0
      ? [`what the group writes for ${grouped(again)} orders, it writes a second time`]
      : []),
  ];
}

function moveTable(moves: readonly OffsetMove[]): string {
  const rows = [
    ["P", "FROM", "TO", "READ AGAIN", "PASSED OVER", "AHEAD"],
    ...moves.map(({ partition, from, to, again, passed, ahead }) => [
      String(partition),
      from === undefined ? "–" : String(from),
      String(to),
      ...[again, passed, ahead].map(grouped),
    ]),
    [
      "all",
      "",
      "",
      ...[
        sum(moves, ({ again }) => again),
        sum(moves, ({ passed }) => passed),
        sum(moves, ({ ahead }) => ahead),
      ].map(grouped),
    ],
  ];
  return table(rows);
}

/** Aligns to the right. */
function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => `  ${cell.padStart(widths[column]!)}`).join("")
  )
    .join("\n");
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

async function verify(
  job: Job,
  { hasMetrics }: GroupFacts,
  { json }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<number> {
  const { settings, group, topic, metricsTopic } = job;
  if (!hasMetrics) {
    throw new Error(`group ${group} has no stored metrics: there is no topic ${metricsTopic}`);
  }
  const temporaryGroup = `${group}-verify-${crypto.randomUUID()}`;
  const startedMs = performance.now();
  let stored;
  let replayed;
  try {
    stored = await readStoredMetrics(settings, { ...job, temporaryGroup }, signal);
    if (stored.ranges.size + stored.gone.size === 0) {
      throw new Error(`group ${group} has not counted anything yet`);
    }
    replayed = await recount(settings, { topic, ranges: stored.ranges, temporaryGroup }, signal);
  } finally {
    await deleteGroup(settings, temporaryGroup);
  }
  const elapsedSeconds = (performance.now() - startedMs) / 1_000;
  const { ranges, gone } = stored;
  const compared = [...ranges.keys()].sort((a, b) => a - b);
  const { storedDigest, replayedDigest, differences } = compareMetrics(
    stored.rows,
    replayed,
    compared,
  );
  const equal = differences.length === 0;
  const complete = gone.size === 0;

  for (const [partition, reason] of gone) {
    printWarning(`partition ${partition} cannot be verified: ${reason}`);
  }
  if ([...stored.ranges].some(([partition, { end }]) => stored.committed.get(partition) !== end)) {
    printNote(
      `the group's committed offsets are others than those of the stored metrics: analytics is ` +
        `counting right now, or drops these counts when it starts`,
    );
  }
  if (json) {
    printResult(JSON.stringify({
      group,
      topic,
      equal,
      complete,
      orders: replayed.orders,
      seconds: Number(elapsedSeconds.toFixed(3)),
      stored_digest: storedDigest,
      replayed_digest: replayedDigest,
      partitions: compared.map((partition) => {
        const { start, end } = ranges.get(partition)!;
        return { partition, from: Number(start), to: Number(end) };
      }),
      not_verified: [...gone].map(([partition, reason]) => ({ partition, reason })),
      differences,
    }));
    return equal && complete ? 0 : 1;
  }
  printResult(`${bold(group)}: ${grouped(replayed.orders)} orders of ${topic} counted again\n`);
  printResult(table([
    ["P", "FROM", "UP TO"],
    ...compared.map((partition) => {
      const { start, end } = ranges.get(partition)!;
      return [String(partition), String(start), String(end)];
    }),
  ]));
  printResult(`\nstored    ${storedDigest}\nreplayed  ${replayedDigest}`);
  if (!equal) {
    const more = differences.length - 1;
    printResult(red(bold("different")) + ` in ${differenceText(differences[0]!)}`);
    if (more > 0) printNote(`and in ${more} more count${more === 1 ? "" : "s"}; --json lists them`);
  } else printResult(green(bold(complete ? "equal" : "equal, as far as it can be verified")));
  return equal && complete ? 0 : 1;
}

if (import.meta.main) {
  main({
    usage: "deno task replay",
    summary: "Moves a consumer group's offsets; or verifies stored metrics by counting again.",
    flags,
    notes: `Where to read from:
  earliest    the first order that the topic still holds
  latest      only orders that come from now on
  OFFSET      this offset, in every partition that is moved
  DATETIME    the first order sent at that time or later, e.g. 2024-01-15T10:30:00Z; UTC without a zone
  -DURATION   the first order sent within that time, e.g. -90s, -1h30m, -2d

Times are those of sending, not the timestamps inside the orders. Nothing happens without --execute.
A group with members is refused. Analytics counts again from the new offsets; any other group does
again whatever it does with an order.`,
    run,
  });
}
