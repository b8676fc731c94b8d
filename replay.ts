/**
 * Moves a consumer group's offsets, or verifies stored metrics by counting again.
 *
 * Shows the move, and applies it with `--execute`. A group with members is refused, because their next
 * commit would undo the move. `--verify` moves nothing: it counts the orders that analytics has counted
 * again in memory and compares the result with the stored metrics.
 *
 * ```sh
 * deno task replay --group analytics --to earliest
 * deno task replay --group analytics --to -1h --execute
 * deno task replay --group analytics --verify
 * ```
 *
 * Permissions: the set `kafka` of deno.json.
 *
 * @module
 */
import { bold, green, red } from "@std/fmt/colors";
import {
  COMMON_FLAGS,
  didYouMean,
  flag,
  nearestOf,
  nonEmpty,
  type Options,
  repeatable,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { keepFileAccess } from "./lib/cli/file_access.ts";
import { main } from "./lib/cli/main.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { grouped, table } from "./lib/cli/text.ts";
import { requireBrokers } from "./lib/kafka/client.ts";
import { explain } from "./lib/kafka/errors.ts";
import {
  commitMoves,
  type GroupFacts,
  groupFacts,
  groupInUse,
  OffsetOutOfRangeError,
  planMoves,
} from "./lib/kafka/move_offsets.ts";
import { type Verification, verifyMetrics } from "./lib/kafka/recount.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { differenceText } from "./lib/metrics_comparison.ts";
import { type OffsetMove, parseOffsetTarget, TARGET_FORMS } from "./lib/offset_target.ts";
import { orderEvents, orderMetrics } from "./lib/topics.ts";
import { visible } from "./lib/visible_text.ts";

/** The flags of the program. */
export const flags = {
  group: flag({
    value: "NAME",
    example: "analytics",
    help: "the consumer group; required",
  }, nonEmpty("a group's name")),
  to: flag({
    value: TARGET_FORMS,
    example: "earliest",
    help: "where the group is to read from",
  }, (text) => ({
    text,
    target: parseOffsetTarget(text, Date.now()),
  })),
  partition: repeatable({
    value: "N,…",
    example: "0,1",
    help: "move only these partitions; may be repeated (default all)",
  }, wholeNumber({ min: 0, max: 2 ** 31 - 1 })),
  execute: toggle("apply the move; without it, only show it"),
  new: toggle("allow a group that does not exist yet"),
  verify: toggle("count the same orders again and compare with the stored metrics of analytics"),
  ...COMMON_FLAGS,
};

/** The default groups of the services, which may be moved before their first start. */
const SERVICE_GROUPS = ["analytics", "inventory"];

/** A group and its topics, by their full names. */
interface Names {
  group: string;
  topic: string;
  metricsTopic: string;
}

/** Shows or moves offsets, or verifies metrics; the exit code is 1 when the metrics are wrong. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  refuseContradictions(options);
  const secured = { ...options, ...readSecurity(options) };
  keepFileAccess({});
  const settings = kafkaSettings("order-stream-replay", secured, printNote);
  const { topicPrefix } = options;
  const group = topicPrefix + options.group;
  const topic = orderEvents(topicPrefix).name;
  const names: Names = { group, topic, metricsTopic: orderMetrics(group).name };

  // The first connection waits for a broker and explains what is wrong when none answers.
  await requireBrokers(settings, signal);
  try {
    const facts = await groupFacts(settings, names, signal);
    requireGroup(names, facts, options);
    return options.verify
      ? await verify(settings, names, options, signal)
      : await move(settings, { ...names, facts }, options, signal);
  } catch (error) {
    if (signal.aborted || error instanceof UsageError) throw error;
    throw explain(error, settings);
  }
}

function refuseContradictions(options: Options<typeof flags>): void {
  const { group, to, verify, execute, partition } = options;
  if (group === undefined) throw new UsageError("--group is required");
  if (verify && (to !== undefined || execute || partition.length > 0 || options.new)) {
    throw new UsageError(
      "--verify cannot be combined with --to, --partition, --execute or --new",
    );
  }
  if (!verify && to === undefined) {
    throw new UsageError(`--to or --verify is required: --to takes ${TARGET_FORMS}`);
  }
}

function requireGroup(
  { group, topic, metricsTopic }: Names,
  { topicExists, hasMetrics, known, groupsOfTopic }: GroupFacts,
  options: Options<typeof flags>,
): void {
  const { topicPrefix } = options;
  const name = options.group!;
  if (!topicExists) {
    throw new Error(`there is no topic ${topic}: produce orders first, or check --topic-prefix`);
  }
  if (!known && !hasMetrics && !options.new && !SERVICE_GROUPS.includes(name)) {
    const others = groupsOfTopic.map((other) => other.slice(topicPrefix.length));
    throw new UsageError(
      `there is no group "${group}"${didYouMean(name, [...SERVICE_GROUPS, ...others])}; ` +
        (groupsOfTopic.length === 0
          ? "no group reads the orders yet"
          : `the orders are read by ${nearestOf(groupsOfTopic, group)}`) +
        `; add --new for a group that does not exist yet`,
    );
  }
  if (options.verify && !hasMetrics) {
    throw new Error(`group ${group} has no stored metrics: there is no topic ${metricsTopic}`);
  }
}

async function move(
  settings: KafkaSettings,
  { group, topic, facts }: Names & { facts: GroupFacts },
  options: Options<typeof flags>,
  signal: AbortSignal,
): Promise<number> {
  const { execute, json } = options;
  const { text, target } = options.to!;
  const { members } = facts;
  const partitions = chosenPartitions(topic, facts, options.partition);
  if (members.length > 0 && execute) throw groupInUse(group, members);
  const moves = await planMoves(settings, { group, topic, target, partitions }, signal)
    .catch((error) => {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      throw new UsageError(`--to "${text}" is ${error.message}`);
    });
  if (execute) await commitMoves(settings, { group, topic, moves }, signal);

  const result = moveResult(moves, { group, topic, to: text, executed: execute, members });
  printResult(json ? JSON.stringify(result) : moveText(result));
  if (members.length > 0) printWarning(groupInUse(group, members).message);
  consequences(facts, result).forEach(printWarning);
  printNote(
    execute
      ? "done: the group continues from there at its next start"
      : "dry run, nothing changed; add --execute to apply",
  );
  return 0;
}

function chosenPartitions(topic: string, facts: GroupFacts, chosen: number[]): number[] {
  const unknown = chosen.find((partition) => !facts.partitions.includes(partition));
  if (unknown !== undefined) {
    throw new UsageError(
      `--partition ${unknown}: ${topic} has partitions 0 to ${facts.partitions.length - 1}`,
    );
  }
  return facts.partitions.filter((each) => chosen.length === 0 || chosen.includes(each));
}

/** The result of a move, as `--json` prints it. */
function moveResult(
  moves: readonly OffsetMove[],
  { members, ...about }: {
    group: string;
    topic: string;
    to: string;
    executed: boolean;
    members: string[];
  },
) {
  return {
    ...about,
    members: members.length,
    read_again: sum(moves.map(({ again }) => again)),
    passed_over: sum(moves.map(({ passed }) => passed)),
    partitions: moves.map(({ partition, from, to, again, passed, ahead }) => ({
      partition,
      from: from === undefined ? null : Number(from),
      to: Number(to),
      read_again: again,
      passed_over: passed,
      ahead,
    })),
  };
}

type MoveResult = ReturnType<typeof moveResult>;

function moveText({ group, topic, to, executed, read_again, passed_over, partitions }: MoveResult) {
  const ahead = sum(partitions.map(({ ahead }) => ahead));
  const rows = [
    ...partitions.map(({ partition, from, to, read_again, passed_over, ahead }) => [
      ...[partition, from ?? "–", to].map(String),
      ...[read_again, passed_over, ahead].map(grouped),
    ]),
    ["all", "", "", ...[read_again, passed_over, ahead].map(grouped)],
  ];
  const heading = ["P", "FROM", "TO", "READ AGAIN", "PASSED OVER", "AHEAD"];
  return `${bold(visible(group))} on ${topic}, to ${visible(to)}${
    executed ? "" : " (dry run)"
  }\n\n` +
    table(heading, rows, { indent: 2 });
}

/** The effects of a move that a user may not expect. */
function consequences(
  { hasMetrics }: GroupFacts,
  { read_again, passed_over }: MoveResult,
): string[] {
  const warnings = [];
  if (passed_over > 0) warnings.push(`${grouped(passed_over)} unread orders are passed over`);
  if (hasMetrics && read_again + passed_over > 0) {
    warnings.push(
      "the stored counts of moved partitions are dropped; the report starts at the new offsets",
    );
  }
  if (!hasMetrics && read_again > 0) {
    warnings.push(`the group writes its output for ${grouped(read_again)} orders a second time`);
  }
  return warnings;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function verify(
  settings: KafkaSettings,
  names: Names,
  { json }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<number> {
  const startedMs = performance.now();
  const verification = await verifyMetrics(settings, names, signal);
  const elapsedSeconds = (performance.now() - startedMs) / 1_000;
  const result = verificationResult(verification, { ...names, elapsedSeconds });

  for (const { partition, reason } of result.not_verified) {
    printWarning(`partition ${partition} cannot be verified: ${reason}`);
  }
  if (!verification.isCommitted) {
    printNote(
      "the group's committed offsets differ from those of the stored metrics: either analytics is " +
        "counting now, or it will drop these counts at its next start",
    );
  }
  printResult(json ? JSON.stringify(result) : verificationText(result));
  const more = result.differences.length - 1;
  if (!json && more > 0) {
    printNote(`and in ${more} more count${more === 1 ? "" : "s"}; --json lists them`);
  }
  return result.equal && result.complete ? 0 : 1;
}

/** The result of a verification, as `--json` prints it. */
function verificationResult(
  { ranges, notVerified, orders, storedDigest, replayedDigest, differences }: Verification,
  { group, topic, elapsedSeconds }: Names & { elapsedSeconds: number },
) {
  return {
    group,
    topic,
    equal: differences.length === 0,
    complete: notVerified.size === 0,
    total_orders: orders,
    seconds: Number(elapsedSeconds.toFixed(3)),
    stored_digest: storedDigest,
    replayed_digest: replayedDigest,
    partitions: [...ranges].map(([partition, { start, end }]) => ({
      partition,
      from: Number(start),
      to: Number(end),
    })),
    not_verified: [...notVerified].map(([partition, reason]) => ({ partition, reason })),
    differences,
  };
}

function verificationText(result: ReturnType<typeof verificationResult>): string {
  const { group, topic, total_orders, partitions, equal, complete, differences } = result;
  const rows = partitions.map(({ partition, from, to }) => [partition, from, to].map(String));
  const conclusion = equal
    ? green(bold(complete ? "equal" : "equal, as far as it can be verified"))
    : `${red(bold("different"))} in ${differenceText(differences[0]!)}`;
  return [
    `${bold(visible(group))}: ${grouped(total_orders)} orders of ${topic} counted again\n`,
    `${table(["P", "FROM", "UP TO"], rows, { indent: 2 })}\n`,
    `stored    ${result.stored_digest}`,
    `replayed  ${result.replayed_digest}`,
    conclusion,
  ].join("\n");
}

if (import.meta.main) {
  main({
    usage: "deno task replay",
    summary: "Moves a consumer group's offsets, or verifies stored metrics by counting again.",
    flags,
    examples: [
      "deno task replay --group analytics --to -1h --execute",
      "deno task replay --group inventory --to earliest --partition 0,1",
      "deno task replay --group analytics --verify",
    ],
    notes: `Where the group is to read from:
  earliest    the first order that the topic still holds
  latest      only new orders
  OFFSET      this offset, in every partition that is moved
  DATETIME    the first order sent at this time or later, such as
              2024-01-15T10:30:00Z; UTC without a zone
  -DURATION   the first order sent within this time, e.g. -90s, -1h30m, -2d

Times are when orders were sent, not the timestamps inside them. Nothing changes
without --execute. A group with members is refused. Analytics counts again from
the new offsets; any other group processes the orders after them again.`,
    run,
  });
}
