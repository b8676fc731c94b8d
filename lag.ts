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
import { delayOrAbort, retry } from "./lib/async.ts";
import { LiveScreen } from "./lib/cli/live_screen.ts";
import { terminalSize } from "./lib/cli/terminal.ts";
import { filled, grouped } from "./lib/cli/text.ts";
import { formatSeconds, positiveDurationMs } from "./lib/duration.ts";
import { requireBrokers } from "./lib/kafka/client.ts";
import { explain, retryWhileRetriable, trouble, whileRetriable } from "./lib/kafka/errors.ts";
import { type LagReader, openLagReader } from "./lib/kafka/lag_reader.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { LAG_HELP, lagJson, type LagReport, lagTable } from "./lib/lag/table.ts";
import { behindBy, type GroupSample, groupStatus, WINDOW_SAMPLES } from "./lib/lag/verdict.ts";
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
    help: "exit with 3 when a group is behind by more than N records (default 0)",
  }, wholeNumber({ min: 0 })),
  ...COMMON_FLAGS,
};

/** The exit code when a group is behind. */
const BEHIND = 3;
/** The number of samples in the drawn history. */
const HISTORY_SAMPLES = 60;
/** How many groups that are behind are named. */
const NAMED_GROUPS = 10;
/** With more groups than this, only the samples for the verdict are kept. */
const FEW_GROUPS = 200;
/** How long a group is shown that is no longer there, in milliseconds. */
const GONE_SHOWN_MS = 60_000;
/** The time between two searches for new groups, in milliseconds. */
const DISCOVERY_INTERVAL_MS = 5_000;

/** Shows the lag once, or until the signal is aborted with `--watch`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  if (options.watch && options.failAbove !== undefined) {
    throw new UsageError("--fail-above cannot be combined with --watch");
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
      await patient(() => requireGroups(reader, groups, { topic, prefix: topicPrefix }));
    }
    const takeSample = sampler(reader, topic, groups);
    if (options.watch) return await watch(takeSample, settings, options, signal);
    await patient(takeSample);
    await delayOrAbort(options.interval, signal);
    const report = await patient(takeSample);
    printResult(options.json ? lagJson(report) : reportText(report, { history: false }));
    return behindExitCode(report, options.failAbove ?? 0);
  } catch (error) {
    if (error instanceof UsageError || signal.aborted) throw error;
    throw explain(error, settings);
  } finally {
    await reader.close();
  }
}

async function requireGroups(
  reader: LagReader,
  groups: string[],
  { topic, prefix }: { topic: string; prefix: string },
): Promise<void> {
  const known = new Set(await reader.allGroups());
  const missing = groups.find((group) => !known.has(group));
  if (missing === undefined) return;
  const { groups: existing } = await reader.groupsOfTopic();
  const names = existing.map((group) => group.slice(prefix.length));
  throw new UsageError(
    `there is no group "${missing}"${didYouMean(missing.slice(prefix.length), names)}; ` +
      (existing.length === 0
        ? `no group reads ${topic} yet`
        : `${topic} is read by ${nearestOf(existing, missing)}`),
  );
}

/**
 * Returns a function that takes a sample and reports what the samples so far show.
 *
 * @param chosen The groups to show; when it is empty, all that read the topic.
 */
function sampler(reader: LagReader, topic: string, chosen: string[]): () => Promise<LagReport> {
  const history = new Map<string, GroupSample[]>();
  let groups = chosen;
  let hidden = 0;
  let discoveredMs = -Infinity;
  /** When each group was last there. */
  const seenMs = new Map<string, number>();
  return async () => {
    const timeMs = Date.now();
    if (chosen.length === 0 && timeMs - discoveredMs >= DISCOVERY_INTERVAL_MS) {
      const found = await reader.groupsOfTopic();
      for (const group of found.groups) seenMs.set(group, timeMs);
      for (const [group, lastMs] of seenMs) {
        if (timeMs - lastMs <= GONE_SHOWN_MS) continue;
        seenMs.delete(group);
        history.delete(group);
      }
      groups = [...seenMs.keys()].sort();
      hidden = found.hidden;
      discoveredMs = timeMs;
    }
    const kept = groups.length > FEW_GROUPS ? WINDOW_SAMPLES : HISTORY_SAMPLES;
    const statuses = (await reader.sample(groups)).map((sample) => {
      const samples = [...history.get(sample.group) ?? [], sample].slice(-kept);
      history.set(sample.group, samples);
      return groupStatus(samples);
    });
    return { timeMs, topic, groups: statuses, hidden };
  };
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
      text: (columns) => reportText(report, { columns, history: true }),
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
        printResult(json ? lagJson(shown!) : `${reportText(shown!, { history: true })}\n`);
      }
      await delayOrAbort(Math.max(0, startedMs + interval - performance.now()), signal);
    }
  } finally {
    screen?.close();
    if (screen !== undefined && shown !== undefined) {
      printResult(reportText(shown, { history: true }));
    }
  }
  return 0;
}

function reportText(
  { timeMs, topic, groups, hidden }: LagReport,
  { history, columns = stdoutColumns() }: { history: boolean; columns?: number },
): string {
  const time = `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
  const partitions = groups[0] === undefined ? [] : [`${groups[0].partitions.length} partitions`];
  const notShown = hidden === 0 ? [] : [`${hidden} not shown (readers without commits)`];
  const title = filled([topic, ...partitions, ...notShown, time], columns, " · ").map(dim)
    .join("\n");
  const table = groups.length === 0
    ? "no group reads it yet"
    : lagTable(groups, { columns, history });
  return `${title}\n\n${table}`;
}

function stdoutColumns(): number {
  return Deno.stdout.isTerminal() ? terminalSize().columns : Infinity;
}

function behindExitCode({ groups }: LagReport, failAbove: number): number {
  const behind = groups.filter((group) => behindBy(group) > failAbove)
    .sort((a, b) => behindBy(b) - behindBy(a));
  if (behind.length === 0) return 0;
  const named = behind.slice(0, NAMED_GROUPS)
    .map((group) => `${visible(group.group)} by ${grouped(behindBy(group))}`);
  const more = behind.length - named.length;
  const others = more > 0 ? ` and ${more} more` : "";
  printWarning(`behind: ${named.join(", ")}${others} (exit code ${BEHIND})`);
  return BEHIND;
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
