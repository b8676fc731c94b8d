/**
 * Looks at events: orders, stock movements, rows of the metrics, dead letters. Sends dead letters back.
 *
 * ```sh
 * deno task show orders
 * deno task show movements --key burger --tail 20
 * deno task show orders --from -1h --json
 * deno task show dead-letters --resend
 * ```
 *
 * Permissions: the set `kafka` of deno.json.
 *
 * @module
 */
import {
  COMMON_FLAGS,
  flag,
  nonEmpty,
  type Options,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { keepFileAccess } from "./lib/cli/file_access.ts";
import { main } from "./lib/cli/main.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { existingTopics } from "./lib/kafka/create_topics.ts";
import { explain } from "./lib/kafka/errors.ts";
import type { LogRange } from "./lib/kafka/offsets.ts";
import { readTopic } from "./lib/kafka/read_topic.ts";
import type { SourceRecord } from "./lib/kafka/records.ts";
import { planResend, resendDeadLetters } from "./lib/kafka/resend.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { rangesFrom } from "./lib/kafka/start_offsets.ts";
import { parseOffsetTarget, TARGET_FORMS } from "./lib/offset_target.ts";
import {
  deadLetterText,
  movementText,
  orderText,
  recordJson,
  rowText,
  type ShownRecord,
} from "./lib/shown_record.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  RESEND_GROUP,
  SHOW_GROUP,
} from "./lib/topics.ts";

/** The commands of the program. */
export const commands = {
  orders: "the orders",
  movements: "the stock movements",
  metrics: "the rows that analytics keeps",
  "dead-letters": "records that could not be read as an order, and why",
};

/** The flags of the program. */
export const flags = {
  tail: flag({
    value: "N",
    example: "20",
    help:
      "the last N records, at most 100000, by the time of sending (default 10, or all with --from)",
  }, wholeNumber({ min: 0, max: 100_000 })),
  from: flag(
    { value: TARGET_FORMS, example: "-1h", help: "start here, in every partition" },
    (text) => parseOffsetTarget(text, Date.now()),
  ),
  key: flag({
    value: "TEXT",
    example: "burger",
    help: "only records with this key",
  }, nonEmpty("a key")),
  follow: toggle("then show what comes, until Ctrl-C"),
  group: flag({
    value: "NAME",
    default: "analytics",
    help: "metrics: the group whose rows are shown",
  }, nonEmpty("a group's name")),
  resend: toggle("dead-letters: send back those that were not sent back yet; a dry run"),
  execute: toggle("dead-letters: with --resend, really send them"),
  ...COMMON_FLAGS,
};

/** The records that are shown without --tail and --from. */
const DEFAULT_TAIL = 10;

/** What one of the commands shows. */
interface View {
  topic: string;
  text: (record: ShownRecord) => string;
}

/** Shows records, or sends dead letters back. */
export async function run(
  options: Options<typeof flags>,
  signal: AbortSignal,
  command: string,
): Promise<void> {
  refuseContradictions(options, command);
  const secured = { ...options, ...readSecurity(options) };
  keepFileAccess({});
  const settings = kafkaSettings("order-stream-show", secured, printNote);
  const view = viewOf(command, options);
  const topics = await withAdmin(
    settings,
    signal,
    (admin) => existingTopics(admin, [view.topic]),
  );
  if (!topics.has(view.topic)) {
    throw new Error(
      `there is no topic ${view.topic}: nothing has been written yet, or --topic-prefix is another one`,
    );
  }
  try {
    if (options.resend) await resend(options, { settings, view, signal });
    else await show(options, { settings, view, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw explain(error, settings);
  }
}

function refuseContradictions(options: Options<typeof flags>, command: string): void {
  const { resend, execute, tail, from, key, follow } = options;
  if ((resend || execute) && command !== "dead-letters") {
    throw new UsageError("--resend and --execute are for dead-letters");
  }
  if (execute && !resend) throw new UsageError("--execute needs --resend");
  if (resend && (tail !== undefined || from !== undefined || key !== undefined || follow)) {
    throw new UsageError(
      "--resend cannot be combined with --tail, --from, --key or --follow: it goes on where it ended",
    );
  }
}

function viewOf(command: string, { topicPrefix, group }: Options<typeof flags>): View {
  switch (command) {
    case "orders":
      return { topic: orderEvents(topicPrefix).name, text: orderText };
    case "movements":
      return { topic: inventoryEvents(topicPrefix).name, text: movementText };
    case "metrics":
      return { topic: orderMetrics(topicPrefix + group).name, text: rowText };
    default:
      return { topic: deadLetters(topicPrefix).name, text: deadLetterText };
  }
}

/** What the two kinds of work need. */
interface Context {
  settings: KafkaSettings;
  view: View;
  signal: AbortSignal;
}

async function show(
  { tail, from, key, follow, json, topicPrefix }: Options<typeof flags>,
  { settings, view, signal }: Context,
): Promise<void> {
  const { topic, text } = view;
  const print = (record: ShownRecord) => printResult(json ? recordJson(record) : text(record));
  const wanted = ({ key: bytes }: SourceRecord) => key === undefined || bytes?.toString() === key;
  const read = (
    ranges: ReadonlyMap<number, LogRange>,
    onRecord: (record: ShownRecord) => void,
    added: { others?: LogRange } = {},
  ) =>
    readTopic(settings, {
      topic,
      group: `${topicPrefix}${SHOW_GROUP}-${crypto.randomUUID()}`,
      ranges,
      ...added,
      onRecord: (record, partition) => {
        if (wanted(record)) onRecord(shownRecord(record, { topic, partition }));
      },
    }, signal);

  const ranges = await rangesFrom(settings, topic, from ?? { kind: "earliest" }, signal);
  const count = tail ?? (from === undefined ? DEFAULT_TAIL : undefined);
  if (count === undefined) await read(ranges, print);
  else {
    // With a key any part of the topic may be empty of it; otherwise the ends are enough.
    const isFiltered = key !== undefined;
    (await lastRecords(count, ranges, { read, isFiltered })).forEach(print);
  }
  if (!follow) return;
  printNote(`following ${topic}; Ctrl-C ends it`);
  await read(
    new Map([...ranges].map(([partition, { end }]) => [partition, { start: end, end: FOREVER }])),
    print,
    // Of partitions that are added meanwhile, all is new.
    { others: { start: 0n, end: FOREVER } },
  );
}

/** An offset that no partition reaches. */
const FOREVER = 2n ** 63n - 1n;

/** The last records of all partitions together, by the time of sending. */
async function lastRecords(
  count: number,
  ranges: ReadonlyMap<number, LogRange>,
  { read, isFiltered }: {
    read: (
      ranges: ReadonlyMap<number, LogRange>,
      onRecord: (record: ShownRecord) => void,
    ) => Promise<void>;
    isFiltered: boolean;
  },
): Promise<ShownRecord[]> {
  // Transaction markers and gaps of compaction take offsets too: look further back until enough is found.
  for (let span = isFiltered ? FOREVER : BigInt(2 * count);; span *= 8n) {
    const windows = new Map([...ranges].map(([partition, { start, end }]) => {
      const from = end - span;
      return [partition, { start: from > start ? from : start, end }];
    }));
    const kept = new Map<number, ShownRecord[]>();
    await read(windows, (record) => {
      const ofPartition = kept.get(record.partition) ?? [];
      kept.set(record.partition, ofPartition);
      ofPartition.push(record);
      if (ofPartition.length > count) ofPartition.shift();
    });
    const isEnough = [...windows].every(([partition, { start }]) =>
      start === ranges.get(partition)!.start || (kept.get(partition)?.length ?? 0) >= count
    );
    if (isEnough) {
      return [...kept.values()].flat().sort((a, b) => a.timestampMs - b.timestampMs).slice(-count);
    }
  }
}

function shownRecord(
  { offset, timestamp, key, value, headers = {} }: SourceRecord,
  { topic, partition }: { topic: string; partition: number },
): ShownRecord {
  return {
    topic,
    partition,
    offset,
    timestampMs: Number(timestamp),
    key,
    value,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, String(value)]),
    ),
  };
}

async function resend(
  { execute, json, topicPrefix }: Options<typeof flags>,
  { settings, view: { topic, text }, signal }: Context,
): Promise<void> {
  const ordersTopic = orderEvents(topicPrefix).name;
  const options = { topic, ordersTopic, group: topicPrefix + RESEND_GROUP };
  const counts = execute
    ? await resendDeadLetters(settings, options, signal)
    : await planResend(settings, options, (record) => {
      const shown = shownRecord(record, { topic, partition: 0 });
      printResult(json ? recordJson(shown) : text(shown));
    }, signal);
  const { resent, duplicates, truncated, foreign } = counts;
  if (json && execute) printResult(JSON.stringify(counts));
  printNote([
    `${resent} record${resent === 1 ? "" : "s"} ${execute ? "sent back" : "would be sent back"}`,
    ...(duplicates > 0 ? [`${duplicates} more dead letters of the same records`] : []),
    ...(truncated > 0
      ? [`${truncated} truncated left alone: the records are where the dead letters say`]
      : []),
    ...(foreign > 0 ? [`${foreign} left alone whose headers name no partition of the orders`] : []),
    ...(execute ? [] : ["dry run, nothing changed; add --execute to apply"]),
  ].join("; "));
}

if (import.meta.main) {
  main({
    usage: "deno task show",
    summary: "Shows orders, stock movements, metrics or dead letters; sends dead letters back.",
    commands,
    flags,
    examples: [
      "deno task show movements --key burger --tail 20",
      "deno task show orders --from -1h --json",
      "deno task show dead-letters --resend",
    ],
    isForReading: true,
    notes: `Each line begins with partition/offset. With --json each record is one JSON
object a line, with its key, value and headers.`,
    run,
  });
}
