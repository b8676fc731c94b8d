/**
 * How far the consumer groups are behind, and what that means.
 *
 * Shows, for each group of this service, what it has committed of the orders, where they end, the
 * lag, who is consuming, rates, the time to drain, and a verdict.
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
import { positiveDurationMs } from "./lib/duration.ts";
import { formatSeconds } from "./lib/duration.ts";
import { connectAdmin, disconnect } from "./lib/kafka/client.ts";
import { explain, isRetriable } from "./lib/kafka/errors.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { delayOrAbort } from "./lib/async.ts";
import { type LagReader, openLagReader } from "./lib/kafka/lag_reader.ts";
import { grouped, LAG_HELP, lagJson, lagTable } from "./lib/lag/table.ts";
import { behindBy, type GroupSample, type GroupStatus, groupStatus } from "./lib/lag/verdict.ts";
import { LiveScreen } from "./lib/cli/live_screen.ts";
import { orderEvents } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  group: repeatable({
    value: "NAME",
    help: "show this group; may be repeated (default all groups that read the orders)",
  }, nonEmpty),
  watch: toggle("go on until Ctrl-C: refresh on a terminal, append elsewhere"),
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
/** How many samples the drawn history holds. */
const HISTORY_SAMPLES = 60;
/** How often new groups are looked for, in milliseconds. */
const DISCOVERY_INTERVAL_MS = 5_000;
/** The width of what is not shown on a terminal. */
const PLAIN_COLUMNS = 120;

/** One look at all groups. */
interface Sample {
  timeMs: number;
  topic: string;
  groups: GroupStatus[];
}

/** Shows the lag once, or until the signal is aborted with `--watch`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  if (options.watch && options.failAbove !== undefined) {
    throw new UsageError("--fail-above is about one look: it does not go with --watch");
  }
  const settings = kafkaSettings("order-stream-lag", options, printNote);
  const topic = orderEvents(options.topicPrefix).name;
  const { topicPrefix } = options;

  // The first contact waits for brokers and says what is wrong when none answers.
  await disconnect(await connectAdmin(settings, signal));
  const reader = openLagReader(settings, { topic, topicPrefix });
  try {
    await requireTopic(reader, topic);
    const wanted = options.group.map((group) => topicPrefix + group);
    if (wanted.length > 0) await requireGroups(reader, wanted, topicPrefix);
    const look = sampler(reader, topic, wanted);
    if (options.watch) {
      await watch(look, settings, options, signal);
      return 0;
    }
    await patiently(look, settings, signal);
    await delayOrAbort(options.interval, signal);
    const sample = await patiently(look, settings, signal);
    printResult(options.json ? lagJson(sample) : tableOf(sample, { history: false }));
    return behindExitCode(sample, options.failAbove ?? 0);
  } catch (error) {
    if (error instanceof UsageError || signal.aborted) throw error;
    throw explain(error, settings);
  } finally {
    await reader.close();
  }
}

async function requireTopic(reader: LagReader, topic: string): Promise<void> {
  if (await reader.topicExists()) return;
  throw new Error(
    `there is no topic ${topic}: nothing has been produced yet, or --topic-prefix is another one`,
  );
}

async function requireGroups(reader: LagReader, wanted: string[], prefix: string): Promise<void> {
  const known = await reader.allGroups();
  const missing = wanted.find((group) => !known.includes(group));
  if (missing === undefined) return;
  const groups = await reader.groupsOfTopic();
  const named = groups.map((group) => group.slice(prefix.length));
  throw new UsageError(
    `there is no group "${missing}"${didYouMean(missing.slice(prefix.length), named)}; ` +
      (groups.length === 0 ? "no group reads the orders yet" : `there are ${groups.join(", ")}`),
  );
}

/** Returns a function that takes a sample and says what all samples so far mean. */
function sampler(reader: LagReader, topic: string, wanted: string[]): () => Promise<Sample> {
  const history = new Map<string, GroupSample[]>();
  let groups = wanted;
  let discoveredMs = -Infinity;
  return async () => {
    const timeMs = Date.now();
    if (wanted.length === 0 && timeMs - discoveredMs >= DISCOVERY_INTERVAL_MS) {
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

/** Tries again on errors that pass, such as a partition that is just getting its leader. */
async function patiently<T>(
  run: () => Promise<T>,
  { timeoutMs }: KafkaSettings,
  signal: AbortSignal,
): Promise<T> {
  const startedMs = performance.now();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      if (!isRetriable(error) || performance.now() - startedMs > timeoutMs) throw error;
      await delayOrAbort(200, signal);
    }
  }
}

/** Takes samples until the signal is aborted; bears with brokers that are away for a while. */
async function watch(
  look: () => Promise<Sample>,
  settings: KafkaSettings,
  options: Options<typeof flags>,
  signal: AbortSignal,
): Promise<void> {
  const screen = !options.json && Deno.stdout.isTerminal() ? new LiveScreen() : undefined;
  let shown = "";
  let answeredMs = performance.now();
  try {
    for (let sleepMs = 0; !signal.aborted; await delayOrAbort(sleepMs, signal)) {
      const startedMs = performance.now();
      try {
        const sample = await look();
        if (signal.aborted) break;
        answeredMs = performance.now();
        if (options.json) printResult(lagJson(sample));
        else {
          shown = tableOf(sample, { history: true });
          if (screen === undefined) printResult(`${shown}\n`);
          else screen.show(`${shown}\n\n${dim("Ctrl-C ends it")}`);
        }
      } catch (error) {
        if (signal.aborted) break;
        const silentMs = performance.now() - answeredMs;
        if (!isRetriable(error) || silentMs > settings.timeoutMs) {
          throw explain(error, settings);
        }
        const note = `no answer from the brokers for ${formatSeconds(silentMs)}, trying on`;
        if (screen === undefined) printNote(note);
        else screen.show(`${shown}\n\n${note}`);
      }
      sleepMs = Math.max(0, startedMs + options.interval - performance.now());
    }
  } finally {
    screen?.close();
    if (screen !== undefined && shown !== "") printResult(shown);
  }
}

function tableOf({ timeMs, topic, groups }: Sample, { history }: { history: boolean }): string {
  const time = `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
  const first = groups[0]?.partitions;
  const facts = first === undefined ? [] : [`${first.length} partitions`];
  const title = [`${topic}`, ...facts, time].join(" · ");
  const table = groups.length === 0
    ? "no group reads it yet"
    : lagTable(groups, { columns: terminalColumns(), history });
  return `${dim(title)}\n\n${table}`;
}

function terminalColumns(): number {
  if (!Deno.stdout.isTerminal()) return PLAIN_COLUMNS;
  return Deno.consoleSize().columns;
}

function behindExitCode({ groups }: Sample, failAbove: number): number {
  const behind = groups.filter((group) => behindBy(group) > failAbove);
  if (behind.length === 0) return 0;
  printNote(
    `behind: ${
      behind.map((group) => `${group.group} by ${grouped(behindBy(group))}`).join(", ")
    } (exit code ${BEHIND})`,
  );
  return BEHIND;
}

if (import.meta.main) {
  main({
    usage: "deno task lag",
    summary: "Shows how far the consumer groups are behind, how fast they are, and a verdict.",
    flags,
    notes: LAG_HELP,
    run,
  });
}
