/**
 * Shows how far the consumer groups are behind.
 *
 * For each group of this service: committed offsets, end offsets, lag, members, rates, the time to
 * drain, and a verdict.
 *
 * ```sh
 * deno task lag
 * deno task lag --watch --interval 500ms
 * deno task lag --group analytics --fail-above 1000
 * deno task lag --group analytics --fail-at STALL --interval 5s
 * ```
 *
 * Permissions: the set `kafka` of deno.json.
 *
 * @module
 */
import { dim } from "@std/fmt/colors";
import {
  COMMON_FLAGS,
  didYouMean,
  flag,
  flagName,
  nearestOf,
  nonEmpty,
  oneOf,
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
import { delayOrAbort, retry } from "./lib/async.ts";
import { LiveScreen } from "./lib/cli/live_screen.ts";
import { terminalSize } from "./lib/cli/terminal.ts";
import { filled, grouped, wrapped } from "./lib/cli/text.ts";
import { formatSeconds, positiveDurationMs } from "./lib/duration.ts";
import { requireBrokers } from "./lib/kafka/client.ts";
import { explain, retryWhileRetriable, trouble, whileRetriable } from "./lib/kafka/errors.ts";
import { type LagReader, openLagReader } from "./lib/kafka/lag_reader.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { LAG_HELP, lagJson, type LagReport, lagTable } from "./lib/lag/table.ts";
import { lagSampler } from "./lib/lag/sampler.ts";
import { behindBy, isAtLeast } from "./lib/lag/verdict.ts";
import { orderEvents } from "./lib/topics.ts";
import { visible } from "./lib/visible_text.ts";

/** The flags of the program. */
export const flags = {
  group: repeatable({
    value: "NAME,…",
    example: "analytics",
    help: "only these groups; may be repeated (default all that read the orders)",
  }, nonEmpty("a group's name")),
  topic: flag({
    value: "NAME",
    example: "inventory-events",
    help: "show the groups that read this topic instead of the orders",
  }, nonEmpty("a topic's name")),
  watch: toggle("continue until Ctrl-C: refresh on a terminal, otherwise append"),
  interval: flag({
    value: "DURATION",
    default: "1s",
    help: "the time between two samples",
  }, positiveDurationMs),
  failAbove: flag({
    value: "N",
    example: "1000",
    help: "exit with 3 when a group is behind by more than N records (default 0, unless " +
      "--fail-at is given)",
  }, wholeNumber({ min: 0 })),
  failAt: flag({
    value: "VERDICT",
    example: "STALL",
    help:
      "exit with 3 when the verdict of a group is this or worse: WARN, STALL, STOP, REWIND or " +
      "OFFLINE",
  }, oneOf("WARN", "STALL", "STOP", "REWIND", "OFFLINE")),
  ...COMMON_FLAGS,
};

/** The exit code when a group is behind, or its verdict bad. */
const BEHIND = 3;
/** How many groups are named as the reason of the exit code. */
const NAMED_GROUPS = 10;

/** Shows the lag once, or until the signal is aborted with `--watch`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  const failFlag = (["failAbove", "failAt"] as const).find((name) => options[name] !== undefined);
  if (options.watch && failFlag !== undefined) {
    throw new UsageError(`${flagName(failFlag)} cannot be combined with --watch`);
  }
  const secured = { ...options, ...readSecurity(options) };
  keepFileAccess({});
  const settings = kafkaSettings("order-stream-lag", secured, printNote);
  const { topicPrefix } = options;
  const topic = options.topic === undefined
    ? orderEvents(topicPrefix).name
    : topicPrefix + options.topic;
  const groups = options.group.map((group) => topicPrefix + group);

  // The first connection waits for a broker and explains what is wrong when none answers.
  await requireBrokers(settings, signal);
  const reader = openLagReader(settings, { topic });
  const patient = <T>(run: () => Promise<T>) => retryWhileRetriable(run, settings, { signal });
  try {
    if (!await patient(() => reader.topicExists())) {
      throw new Error(
        options.topic === undefined
          ? `there is no topic ${topic}: produce orders first, or check --topic-prefix`
          : `there is no topic ${topic}: check --topic and --topic-prefix`,
      );
    }
    if (groups.length > 0) {
      const problem = await patient(() =>
        missingGroup(reader, groups, { topic, prefix: topicPrefix })
      );
      if (problem !== undefined) throw new UsageError(problem);
    }
    const sample = lagSampler(reader, groups);
    const takeSample = async () => ({ topic, ...await sample() });
    if (options.watch) return await watch(takeSample, settings, options, signal);
    await patient(takeSample);
    await delayOrAbort(options.interval, signal);
    const report = await patient(takeSample);
    if (options.json && report.groups.length === 0) printWarning(noGroups(settings));
    printResult(
      options.json ? lagJson(report) : reportText(report, { history: false, settings }),
    );
    return exitCodeOf(report, options);
  } catch (error) {
    if (error instanceof UsageError || signal.aborted) throw error;
    throw explain(error, settings);
  } finally {
    await reader.close();
  }
}

/** What is wrong when one of the groups does not exist. */
async function missingGroup(
  reader: LagReader,
  groups: string[],
  { topic, prefix }: { topic: string; prefix: string },
): Promise<string | undefined> {
  const known = new Set(await reader.allGroups());
  const missing = groups.find((group) => !known.has(group));
  if (missing === undefined) return undefined;
  await reader.requireVisible(missing);
  const { groups: existing } = await reader.groupsOfTopic();
  const names = existing.map((group) => group.slice(prefix.length));
  return `there is no group "${missing}"${didYouMean(missing.slice(prefix.length), names)}; ` +
    (existing.length === 0
      ? `no group reads ${topic} yet`
      : `${topic} is read by ${nearestOf(existing, missing)}`);
}

/** Shows samples until the signal is aborted, and notes when the brokers do not answer. */
async function watch(
  takeSample: () => Promise<LagReport>,
  settings: KafkaSettings,
  { json, interval }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<number> {
  const screen = json ? undefined : LiveScreen.open();
  let shown: LagReport | undefined;
  const show = (report: LagReport, footer: string) => {
    shown = report;
    screen?.show({
      text: (columns) => reportText(report, { columns, history: true, settings }),
      footer,
      hint: "make the window taller or use --group",
    });
  };
  try {
    while (!signal.aborted) {
      const startedMs = performance.now();
      const onRetry = (error: unknown) => {
        const since = formatSeconds(performance.now() - startedMs);
        const note = `${trouble(error, settings)}, retrying for ${since}`;
        if (screen !== undefined && shown !== undefined) show(shown, note);
        else printWarning(note);
      };
      show(
        await retry(takeSample, { ...whileRetriable(settings, signal), onRetry }),
        dim("Ctrl-C to quit"),
      );
      if (screen === undefined) {
        printResult(
          json ? lagJson(shown!) : `${reportText(shown!, { history: true, settings })}\n`,
        );
      }
      await delayOrAbort(Math.max(0, startedMs + interval - performance.now()), signal);
    }
  } finally {
    screen?.close();
    if (screen !== undefined && shown !== undefined) {
      printResult(reportText(shown, { history: true, settings }));
    }
  }
  return 0;
}

function reportText(
  { timeMs, topic, groups, hidden }: LagReport,
  { history, settings, columns = stdoutColumns() }: {
    history: boolean;
    settings: KafkaSettings;
    columns?: number;
  },
): string {
  const time = `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
  const partitions = groups[0] === undefined ? [] : [`${groups[0].partitions.length} partitions`];
  const notShown = hidden === 0 ? [] : [`${hidden} not shown (readers without commits)`];
  const title = filled([topic, ...partitions, ...notShown, time], columns, " · ").map(dim)
    .join("\n");
  const table = groups.length === 0
    ? wrapped(noGroups(settings), columns).join("\n")
    : lagTable(groups, { columns, history });
  return `${title}\n\n${table}`;
}

/** What it means that no group is listed: brokers that know who connects hide some. */
function noGroups({ security: { tls, login } = {} }: KafkaSettings): string {
  const none = "no group reads it yet";
  return login === undefined && tls?.cert === undefined
    ? none
    : `${none}, or none that is visible here: that takes the right Describe on the groups, or on the ` +
      "cluster";
}

function stdoutColumns(): number {
  return Deno.stdout.isTerminal() ? terminalSize().columns : Infinity;
}

function exitCodeOf(
  { groups }: LagReport,
  { failAt, failAbove = failAt === undefined ? 0 : Infinity }: Options<typeof flags>,
): number {
  const behind = groups.filter((group) => behindBy(group) > failAbove)
    .sort((a, b) => behindBy(b) - behindBy(a))
    .map((group) => `${visible(group.group)} by ${grouped(behindBy(group))}`);
  const bad = groups.filter(({ verdict }) => failAt !== undefined && isAtLeast(verdict, failAt))
    .map(({ group, verdict }) => `${visible(group)} is ${verdict}`);
  const problems = [
    ...(behind.length > 0 ? [`behind: ${firstOf(behind)}`] : []),
    ...(bad.length > 0 ? [`verdict: ${firstOf(bad)}`] : []),
  ];
  if (problems.length === 0) return 0;
  printWarning(`${problems.join("; ")} (exit code ${BEHIND})`);
  return BEHIND;
}

function firstOf(texts: string[]): string {
  const more = texts.length - NAMED_GROUPS;
  return texts.slice(0, NAMED_GROUPS).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

if (import.meta.main) {
  main({
    usage: "deno task lag",
    summary: "Shows the lag of the consumer groups, their rates, and a verdict.",
    flags,
    examples: [
      "deno task lag --watch --interval 500ms",
      "deno task lag --group analytics,inventory --fail-above 1000",
    ],
    notes: LAG_HELP,
    isForReading: true,
    run,
  });
}
