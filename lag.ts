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
 * Permissions: the set `kafka` of deno.json, and `--allow-net` for the brokers.
 *
 * @module
 */
import { dim } from "@std/fmt/colors";
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
import { printNote, printResult } from "./lib/cli/output.ts";
import { delayOrAbort, retry } from "./lib/async.ts";
import { LiveScreen, terminalSize } from "./lib/cli/live_screen.ts";
import { grouped } from "./lib/cli/text.ts";
import { formatSeconds, positiveDurationMs } from "./lib/duration.ts";
import { connectAdmin, disconnect } from "./lib/kafka/client.ts";
import { explain, retryWhileRetriable, trouble, whileRetriable } from "./lib/kafka/errors.ts";
import { type LagReader, openLagReader } from "./lib/kafka/lag_reader.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { LAG_HELP, lagJson, type LagReport, lagTable } from "./lib/lag/table.ts";
import { behindBy, type GroupSample, groupStatus } from "./lib/lag/verdict.ts";
import { orderEvents } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  group: repeatable({
    value: "NAME",
    help: "show this group; may be repeated (default all groups that read the orders)",
  }, nonEmpty),
  watch: toggle("continue until Ctrl-C: refresh on a terminal, otherwise append"),
  interval: flag({
    value: "DURATION",
    default: "1s",
    help: "the time between two samples",
  }, positiveDurationMs),
  failAbove: flag({
    value: "N",
    help: "exit with 3 when a group is behind by more than N records (default 0)",
  }, wholeNumber({ min: 0 })),
  ...COMMON_FLAGS,
};

/** The exit code when a group is behind. */
const BEHIND = 3;
/** The number of samples in the drawn history. */
const HISTORY_SAMPLES = 60;
/** The time between two searches for new groups, in milliseconds. */
const DISCOVERY_INTERVAL_MS = 5_000;
/** The width of the output when it is not a terminal. */
const PLAIN_COLUMNS = 120;

/** Shows the lag once, or until the signal is aborted with `--watch`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  if (options.watch && options.failAbove !== undefined) {
    throw new UsageError("--fail-above cannot be combined with --watch");
  }
  const settings = kafkaSettings("order-stream-lag", options, printNote);
  const { topicPrefix } = options;
  const topic = orderEvents(topicPrefix).name;
  const groups = options.group.map((group) => topicPrefix + group);

  // The first connection waits for a broker and explains what is wrong when none answers.
  await disconnect(await connectAdmin(settings, signal));
  const reader = openLagReader(settings, { topic, topicPrefix });
  const patient = <T>(run: () => Promise<T>) => retryWhileRetriable(run, settings, { signal });
  try {
    if (!await patient(() => reader.topicExists())) {
      throw new Error(`there is no topic ${topic}: produce orders first, or check --topic-prefix`);
    }
    if (groups.length > 0) {
      const known = await patient(() => reader.allGroups());
      const missing = groups.find((group) => !known.includes(group));
      if (missing !== undefined) {
        throw noSuchGroup(missing, await patient(() => reader.groupsOfTopic()), topicPrefix);
      }
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

function noSuchGroup(missing: string, existing: string[], prefix: string): UsageError {
  const names = existing.map((group) => group.slice(prefix.length));
  return new UsageError(
    `there is no group "${missing}"${didYouMean(missing.slice(prefix.length), names)}; ` +
      (existing.length === 0
        ? "no group reads the orders yet"
        : `the orders are read by ${existing.join(", ")}`),
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
  let discoveredMs = -Infinity;
  return async () => {
    const timeMs = Date.now();
    if (chosen.length === 0 && timeMs - discoveredMs >= DISCOVERY_INTERVAL_MS) {
      groups = await reader.groupsOfTopic();
      discoveredMs = timeMs;
    }
    const statuses = (await reader.sample(groups)).map((sample) => {
      const samples = [...history.get(sample.group) ?? [], sample].slice(-HISTORY_SAMPLES);
      history.set(sample.group, samples);
      return groupStatus(samples);
    });
    return { timeMs, topic, groups: statuses };
  };
}

/** Shows samples until the signal is aborted, and notes when the brokers do not answer. */
async function watch(
  takeSample: () => Promise<LagReport>,
  settings: KafkaSettings,
  { json, interval }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<number> {
  const screen = !json && Deno.stdout.isTerminal() ? new LiveScreen() : undefined;
  let text = "";
  const show = (report: LagReport) => {
    text = json ? lagJson(report) : reportText(report, { history: true });
    if (screen !== undefined) screen.show(`${text}\n\n${dim("Ctrl-C to quit")}`);
    else printResult(json ? text : `${text}\n`);
  };
  try {
    while (!signal.aborted) {
      const startedMs = performance.now();
      const onRetry = (error: unknown) => {
        const since = formatSeconds(performance.now() - startedMs);
        const note = `${trouble(error, settings)}, retrying for ${since}`;
        if (screen === undefined) printNote(note);
        else screen.show(`${text}\n\n${note}`);
      };
      show(await retry(takeSample, { ...whileRetriable(settings, signal), onRetry }));
      await delayOrAbort(Math.max(0, startedMs + interval - performance.now()), signal);
    }
  } finally {
    screen?.close();
    if (screen !== undefined && text !== "") printResult(text);
  }
  return 0;
}

function reportText(
  { timeMs, topic, groups }: LagReport,
  { history }: { history: boolean },
): string {
  const time = `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
  const partitions = groups[0] === undefined ? [] : [`${groups[0].partitions.length} partitions`];
  const columns = Deno.stdout.isTerminal() ? terminalSize().columns : PLAIN_COLUMNS;
  const table = groups.length === 0
    ? "no group reads it yet"
    : lagTable(groups, { columns, history });
  return `${dim([topic, ...partitions, time].join(" · "))}\n\n${table}`;
}

function behindExitCode({ groups }: LagReport, failAbove: number): number {
  const behind = groups.filter((group) => behindBy(group) > failAbove)
    .map((group) => `${group.group} by ${grouped(behindBy(group))}`);
  if (behind.length === 0) return 0;
  printNote(`behind: ${behind.join(", ")} (exit code ${BEHIND})`);
  return BEHIND;
}

if (import.meta.main) {
  main({
    usage: "deno task lag",
    summary: "Shows the lag of the consumer groups, their rates, and a verdict.",
    flags,
    notes: LAG_HELP,
    isForReading: true,
    run,
  });
}
