/**
 * The producer: publishes orders, generated from a seed or taken from a file.
 *
 * An order counts as produced when all in-sync replicas have it. The same seed, `--start` and flags
 * give the same orders, byte for byte.
 *
 * ```sh
 * deno task produce
 * deno task produce --count 50000 --rate 500 --seed 7
 * deno task produce --from orders.ndjson
 * ```
 *
 * Permissions: the set `produce` of deno.json, and `--allow-net` for the brokers.
 *
 * @module
 */
import { createHistogram } from "node:perf_hooks";
import {
  COMMON_FLAGS,
  decimal,
  flag,
  nonEmpty,
  type Options,
  typedName,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { userPath } from "./lib/cli/user_path.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { positiveDurationMs } from "./lib/duration.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { deadline, delayOrAbort, unlessAborted } from "./lib/async.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { type Acknowledgement, openPublisher, type Publisher } from "./lib/kafka/publisher.ts";
import { eventTimes } from "./lib/event_times.ts";
import { MENU, type MenuItem, parseMenu } from "./lib/menu.ts";
import { readLines } from "./lib/ndjson.ts";
import { encodeOrder, type OrderPlaced, parseOrderText } from "./lib/order.ts";
import { parseTypedTimeMs } from "./lib/timestamp.ts";
import { orderGenerator } from "./lib/order_generator.ts";
import { atEach } from "./lib/cli/service_flags.ts";
import { orderEvents } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  count: flag({ value: "N", help: "how many orders (default 10000)" }, wholeNumber({ min: 1 })),
  rate: flag({
    value: "N",
    help: "orders per second (default as fast as possible)",
  }, decimal({ above: 0 })),
  failureRate: flag({
    value: "SHARE",
    help: "share of orders that fail, 0 to 1 (default 0.05)",
  }, decimal({ min: 0, max: 1 })),
  seed: flag({
    value: "N",
    help: "the same seed, --start and flags give the same orders (default random)",
  }, wholeNumber({ min: 0, max: 0xffff_ffff })),
  start: flag({
    value: "TIME",
    help: "event time of the first order, ISO 8601 (default now, or --span ago)",
  }, instantMs),
  span: flag({
    value: "DURATION",
    help: "spread the event times over e.g. 30m (default by --rate, or the clock)",
  }, positiveDurationMs),
  menu: flag({
    value: "FILE",
    help: 'JSON array of {"item_id", "name", "price"} to order from',
  }, nonEmpty),
  from: flag({
    value: "FILE|-",
    help: "publish these orders, one JSON object a line, instead of generated ones",
  }, nonEmpty),
  ...COMMON_FLAGS,
};

/** An order and its JSON. */
interface EncodedOrder {
  order: OrderPlaced;
  text: string;
}

type Source = Generator<EncodedOrder> | AsyncGenerator<EncodedOrder>;

/** The orders so far. */
class Tally {
  acknowledged = 0;
  failed = 0;
  bytes = 0;
  rejectedLines = 0;
  /** From handing an order over to its acknowledgement, in microseconds. */
  latenciesUs = createHistogram();
}

/** Publishes the orders; the exit code is 0 only when all of them are acknowledged. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  const tally = new Tally();
  const orders = options.from === undefined
    ? await generatedOrders(options)
    : await ordersOfFile(options, { path: options.from, tally, signal });
  const settings = kafkaSettings("order-stream-producer", options, printNote);
  const topic = orderEvents(options.topicPrefix);

  const created = await withAdmin(
    settings,
    signal,
    (admin) => createMissingTopics(admin, [topic], printNote),
  );
  const partitions = created.get(topic.name)!;

  const startedMs = performance.now();
  const elapsedSeconds = () => (performance.now() - startedMs) / 1_000;
  const progress = atEach(1_000, (count) => {
    printNote(
      `${count} orders acknowledged, ${Math.round(tally.acknowledged / elapsedSeconds())}/s`,
    );
  });
  const publisher = await openPublisher(settings, {
    topic: topic.name,
    partitions,
    onAcknowledged({ about, bytes, latenciesMs }: Acknowledgement<OrderPlaced["status"]>) {
      tally.acknowledged += about.length;
      tally.failed += about.filter((status) => status === "failed").length;
      tally.bytes += bytes;
      for (const ms of latenciesMs) tally.latenciesUs.record(Math.max(1, Math.round(ms * 1_000)));
      progress(tally.acknowledged);
    },
  });

  let handedOver = 0;
  try {
    handedOver = await publishAll(orders, publisher, options.rate, signal);
    await flush(publisher, signal);
  } finally {
    await publisher.close();
    printResult(summary(tally, elapsedSeconds(), options.json));
  }
  return signal.aborted || tally.rejectedLines > 0 || tally.acknowledged < handedOver ? 1 : 0;
}

/** How long a record waits for others before it is sent, in milliseconds. */
const LINGER_MS = 50;
/** The end of the orders, as an iterator gives it. */
const END = { done: true, value: undefined } as const;

/** Publishes orders until there are no more or the signal is aborted; returns their number. */
async function publishAll(
  orders: Source,
  publisher: Publisher<OrderPlaced["status"]>,
  rate: number | undefined,
  signal: AbortSignal,
): Promise<number> {
  const startedMs = performance.now();
  // Lines may come slowly and never end: what has come is sent without waiting for more.
  const linger = setInterval(() => publisher.nudge(), LINGER_MS);
  try {
    for (let published = 0;; published++) {
      // Due by the clock since the start, not since the last order: so the rate cannot drift.
      const dueMs = rate === undefined ? 0 : startedMs + published / rate * 1_000;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) {
        publisher.nudge();
        await delayOrAbort(waitMs, signal);
      }
      if (signal.aborted) return published;
      const next = orders.next();
      // Generated orders are not awaited: that would cost each of them a turn of the event loop.
      const { done, value } = next instanceof Promise
        ? await unlessAborted(next, signal) ?? END
        : next;
      if (done) return published;
      const room = publisher.publish(value.order.order_id, value.text, value.order.status);
      if (room !== undefined) await unlessAborted(room, signal);
    }
  } finally {
    clearInterval(linger);
    // Not awaited after an abort: a read from a silent terminal or pipe may never end.
    const ended = orders.return(undefined);
    if (!signal.aborted) await ended;
  }
}

/** How long the brokers may take to acknowledge what is on its way after a signal, in milliseconds. */
const STOP_LIMIT_MS = 2_000;

/** Waits until everything is acknowledged; when the signal is aborted, no longer than a moment. */
async function flush(
  publisher: Publisher<OrderPlaced["status"]>,
  signal: AbortSignal,
): Promise<void> {
  const flushed = publisher.flush();
  await unlessAborted(flushed, signal);
  if (!signal.aborted) return;
  try {
    await deadline(flushed, STOP_LIMIT_MS);
  } catch (error) {
    if ((error as Error).name !== "TimeoutError") throw error;
    printNote("the brokers do not answer; what they have not acknowledged is given up");
  }
}

async function generatedOrders(options: Options<typeof flags>): Promise<Source> {
  const { count = 10_000, rate, failureRate = 0.05 } = options;
  const menu = options.menu === undefined ? MENU : await readMenu(options.menu);
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
  const nextOrder = orderGenerator({
    seed,
    failureRate,
    menu,
    eventTimeMs: eventTimes({
      seed,
      count,
      startMs: options.start,
      spanMs: options.span,
      rate,
      nowMs: Date.now,
    }),
  });
  if (options.seed === undefined) printNote(`seed ${seed}`);

  return (function* () {
    for (let made = 0; made < count; made++) {
      const order = nextOrder();
      yield { order, text: encodeOrder(order) };
    }
  })();
}

async function readMenu(path: string): Promise<MenuItem[]> {
  try {
    return parseMenu(await Deno.readTextFile(userPath(path)));
  } catch (error) {
    throw new UsageError(`--menu "${path}": ${fileProblem(error)}`);
  }
}

async function ordersOfFile(
  options: Options<typeof flags>,
  { path, tally, signal }: { path: string; tally: Tally; signal: AbortSignal },
): Promise<Source> {
  for (const name of ["count", "failureRate", "seed", "start", "span", "menu"] as const) {
    if (options[name] !== undefined) {
      throw new UsageError(
        `${typedName(name)} is for generated orders, not for --from "${path}"`,
      );
    }
  }
  const isStdin = path === "-" || path === "/dev/stdin";
  const chunks = isStdin ? Deno.stdin.readable : (await openForReading(path, signal)).readable;
  return readOrders(chunks, tally);
}

async function* readOrders(
  chunks: AsyncIterable<Uint8Array>,
  tally: Tally,
): AsyncGenerator<EncodedOrder> {
  for await (const { number, text, problem } of readLines(chunks)) {
    if (text?.trim() === "") continue;
    const parsed = text === undefined ? undefined : parseOrderText(text);
    if (parsed?.kind === "order") {
      yield { order: parsed.order, text: text!.trim() };
      continue;
    }
    tally.rejectedLines++;
    if (tally.rejectedLines > MAX_WARNINGS) continue;
    const reason = parsed?.kind === "other"
      ? `event_type: expected "OrderPlaced", got "${parsed.eventType}"`
      : problem ?? parsed?.reason;
    printWarning(`line ${number}: ${reason}`);
    if (number === 1 && text?.trimStart().startsWith("[")) {
      printNote("a JSON array becomes one order a line with: jq -c '.[]' FILE");
    }
    if (tally.rejectedLines === MAX_WARNINGS) printNote("further bad lines are only counted");
  }
}

/** The number of bad lines that are named. */
const MAX_WARNINGS = 20;

/** After this long the user is told that the file cannot be opened yet, in milliseconds. */
const OPEN_NOTE_MS = 1_000;

async function openForReading(path: string, signal: AbortSignal): Promise<Deno.FsFile> {
  // A FIFO can only be opened once somebody writes to it.
  const note = setTimeout(() => printNote(`waiting for a writer of "${path}"`), OPEN_NOTE_MS);
  try {
    const file = await unlessAborted(Deno.open(userPath(path)), signal);
    if (file === undefined) throw signal.reason;
    if ((await file.stat()).isDirectory) throw new Error("it is a directory");
    return file;
  } catch (error) {
    signal.throwIfAborted();
    throw new UsageError(`--from "${path}": ${fileProblem(error)}`);
  } finally {
    clearTimeout(note);
  }
}

function fileProblem(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.NotCapable) {
    return "Deno permits no files in /dev, /etc, /proc and /sys; use --from - and < FILE";
  }
  return (error as Error).message;
}

function instantMs(text: string): number {
  const ms = parseTypedTimeMs(text);
  if (Number.isNaN(ms)) throw new Error("expected a time such as 2024-01-15T10:30:00Z");
  return ms;
}

function summary(tally: Tally, elapsedSeconds: number, json: boolean): string {
  const { acknowledged, failed, bytes, rejectedLines, latenciesUs } = tally;
  const ms = (us: number) => Number((us / 1_000).toFixed(1));
  const facts = {
    orders: acknowledged,
    failed,
    failed_percent: acknowledged === 0 ? 0 : Number((failed / acknowledged * 100).toFixed(2)),
    rejected_lines: rejectedLines,
    seconds: Number(elapsedSeconds.toFixed(3)),
    orders_per_second: Math.round(acknowledged / elapsedSeconds),
    megabytes_per_second: Number((bytes / 1e6 / elapsedSeconds).toFixed(2)),
    ack_latency_ms: {
      p50: ms(latenciesUs.percentile(50)),
      p95: ms(latenciesUs.percentile(95)),
      p99: ms(latenciesUs.percentile(99)),
      max: ms(latenciesUs.max),
    },
  };
  if (json) return JSON.stringify(facts);
  const { p50, p95, p99, max } = facts.ack_latency_ms;
  return [
    "PRODUCER",
    `Orders acknowledged: ${facts.orders}`,
    `Failed orders:       ${facts.failed} (${facts.failed_percent}%)`,
    ...(rejectedLines > 0 ? [`Rejected lines:      ${rejectedLines}`] : []),
    `Total time:          ${facts.seconds.toFixed(2)} s`,
    `Average rate:        ${facts.orders_per_second} orders/s, ${facts.megabytes_per_second} MB/s`,
    `Ack latency:         p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms, max ${max} ms`,
  ].join("\n");
}

if (import.meta.main) {
  main({
    usage: "deno task produce",
    summary: "Publishes orders and waits until all in-sync replicas have them.",
    flags,
    run,
  });
}
