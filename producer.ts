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
 * Permissions: the set `produce` of deno.json, of whose files it keeps those of `--from` and `--menu`.
 *
 * @module
 */
import { createHistogram } from "node:perf_hooks";
import {
  COMMON_FLAGS,
  decimal,
  flag,
  flagName,
  nonEmpty,
  type Options,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { fileError, keepFileAccess, readFlagFile } from "./lib/cli/file_access.ts";
import { userPath } from "./lib/cli/user_path.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { positiveDurationMs } from "./lib/duration.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { deadline, delayOrAbort, unlessAborted } from "./lib/async.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { readMaxMessageBytes } from "./lib/kafka/message_limits.ts";
import { type Acknowledgement, openPublisher, type Publisher } from "./lib/kafka/publisher.ts";
import { eventTimes } from "./lib/event_times.ts";
import { MENU, parseMenu } from "./lib/menu.ts";
import { readLines } from "./lib/ndjson.ts";
import { type OrderPlaced, parseOrder, writeOrder } from "./lib/order.ts";
import { parseTypedTimeMs } from "./lib/timestamp.ts";
import { orderGenerator } from "./lib/order_generator.ts";
import { RecentRate } from "./lib/recent_rate.ts";
import { atEach, COMPRESSION_FLAG } from "./lib/cli/service_flags.ts";
import { orderEvents } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  count: flag({
    value: "N",
    example: "10000",
    help: "how many orders, at least 1 (default 10000)",
  }, wholeNumber({ min: 1 })),
  rate: flag({
    value: "N",
    example: "500",
    help: "orders per second, above 0 (default as fast as possible)",
  }, decimal({ above: 0 })),
  failureRate: flag({
    value: "SHARE",
    example: "0.05",
    help: "share of orders that fail, 0 to 1 (default 0.05)",
  }, decimal({ min: 0, max: 1 })),
  seed: flag({
    value: "N",
    example: "7",
    help: "0 to 4294967295; the same seed, --start and flags give the same orders (default random)",
  }, wholeNumber({ min: 0, max: 0xffff_ffff })),
  start: flag({
    value: "TIME",
    example: "2024-01-15T10:30:00Z",
    help: "event time of the first order, ISO 8601 (default now, or --span ago)",
  }, instantMs),
  span: flag({
    value: "DURATION",
    example: "30m",
    help: "spread the event times over e.g. 30m (default by --rate, or the clock)",
  }, positiveDurationMs),
  menu: flag({
    value: "FILE",
    help: 'JSON array of {"item_id", "name", "price"} to order from',
    example: "menu.json",
  }, nonEmpty("a file")),
  from: flag({
    value: "FILE|-",
    help: "publish these orders, one JSON object a line, instead of generated ones",
    example: "orders.ndjson",
  }, nonEmpty("a file, or - for stdin")),
  compression: COMPRESSION_FLAG,
  ...COMMON_FLAGS,
};

/** How many orders are generated, unless `--count` says so. */
const COUNT = 10_000;

/** An order as it is published. */
interface NumberedOrder {
  order: OrderPlaced;
  /** Its JSON, when it was read. */
  json?: Uint8Array;
  /** Which line of the file, or which of the generated orders it is, from 1. */
  number: number;
}

type Source = Generator<NumberedOrder> | AsyncGenerator<NumberedOrder>;

/** The orders so far. */
class Tally {
  handedOver = 0;
  acknowledged = 0;
  failed = 0;
  bytes = 0;
  rejectedLines = 0;
  undelivered = 0;
  /** The id of the first order that is not acknowledged. */
  firstUndelivered: string | undefined;
  /** From handing an order over to its acknowledgement, in microseconds. */
  latenciesUs = createHistogram();

  /** Counts what is not published, and names the first of them. */
  reject(what: string, reason: string): void {
    this.rejectedLines++;
    if (this.rejectedLines > MAX_WARNINGS) return;
    printWarning(`${what}: ${reason}`);
    if (this.rejectedLines === MAX_WARNINGS) printNote("further ones are only counted");
  }
}

/** Publishes the orders; the exit code is 0 only when all of them are acknowledged. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  const tally = new Tally();
  const secured = { ...options, ...readSecurity(options) };
  const settings = kafkaSettings("order-stream-producer", secured, printNote);
  const topic = orderEvents(options.topicPrefix);
  keepFileAccess({ read: filesOf(options) });
  const openOrders = options.from === undefined
    ? await generatedOrders(options)
    : await ordersOfFile(options, { path: options.from, tally, signal });

  const { partitions, maxBatchBytes } = await withAdmin(settings, signal, async (admin) => {
    const created = await createMissingTopics(admin, [topic], printNote);
    return {
      partitions: created.get(topic.name)!,
      // Where it cannot be read, the publisher learns it from the answers to its sends.
      maxBatchBytes: await readMaxMessageBytes(admin, topic.name).catch(() => undefined) ??
        Infinity,
    };
  });
  const orders = openOrders(maxBatchBytes);

  const startedMs = performance.now();
  const elapsedSeconds = () => (performance.now() - startedMs) / 1_000;
  const rate = new RecentRate(startedMs);
  let perSecond = 0;
  const progress = atEach(1_000, (count) => {
    const rounded = Math.round(perSecond);
    printNote(`${count} orders acknowledged, ${rounded}/s`, {
      total_orders: count,
      orders_per_second: rounded,
    });
  });
  const publisher = await openPublisher(settings, {
    topic: topic.name,
    partitions,
    maxBatchBytes,
    compression: options.compression,
    onTooLarge(about: number, { key, bytes }) {
      const number = Math.abs(about);
      const what = options.from === undefined ? `order ${number} (${key})` : `line ${number}`;
      const limit = maxBatchBytes === Infinity
        ? "more than the brokers accept"
        : `and topic ${topic.name} accepts at most ${maxBatchBytes} (max.message.bytes)`;
      tally.handedOver--;
      tally.reject(what, `too large: ${bytes} bytes as a record, ${limit}`);
    },
    onAcknowledged({ about, bytes, latenciesMs }: Acknowledgement<number>) {
      tally.acknowledged += about.length;
      tally.failed += about.filter((number) => number < 0).length;
      tally.bytes += bytes;
      for (const ms of latenciesMs) tally.latenciesUs.record(Math.max(1, Math.round(ms * 1_000)));
      perSecond = rate.add(tally.acknowledged, performance.now());
      progress(tally.acknowledged);
    },
  }, signal);

  let hasFailed = true;
  try {
    await publishAll(orders, publisher, { rate: options.rate, tally }, signal);
    await flush(publisher, signal);
    hasFailed = false;
  } finally {
    await publisher.close();
    // Of a file it is not known how many orders would have followed.
    const all = hasFailed && options.from === undefined ? options.count ?? COUNT : 0;
    warnOfUndelivered(publisher, tally, Math.max(all - tally.rejectedLines, tally.handedOver));
    printResult(summary(tally, elapsedSeconds(), options.json));
  }
  return signal.aborted || tally.rejectedLines > 0 || tally.acknowledged < tally.handedOver ? 1 : 0;
}

/** How long a record waits for others before it is sent, in milliseconds. */
const LINGER_MS = 25;
/** The end of the orders, as an iterator gives it. */
const END = { done: true, value: undefined } as const;

/** Says how many of the orders are not acknowledged, and which is the first of them. */
function warnOfUndelivered(publisher: Publisher<number>, tally: Tally, orders: number): void {
  const missing = orders - tally.acknowledged;
  if (missing === 0) return;
  const [first] = publisher.oldestUnacknowledged()
    .map(({ key, about }) => ({ key, number: Math.abs(about) }))
    .sort((a, b) => a.number - b.number);
  tally.undelivered = missing;
  tally.firstUndelivered = first?.key;
  const which = first === undefined ? "" : `; the first is ${first.key} (number ${first.number})`;
  printWarning(`${missing} of ${orders} orders are not acknowledged${which}`);
}

/** Publishes orders until there are no more or the signal is aborted. */
async function publishAll(
  orders: Source,
  publisher: Publisher<number>,
  { rate, tally }: { rate: number | undefined; tally: Tally },
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  // Lines may come slowly and never end: what has come is sent without waiting for more.
  const linger = setInterval(() => publisher.nudge(LINGER_MS), LINGER_MS);
  try {
    for (;;) {
      // Due by the clock since the start, not since the last order: so the rate cannot drift.
      const waitMs = rate === undefined
        ? 0
        : startedMs + tally.handedOver / rate * 1_000 - performance.now();
      if (waitMs > 0) {
        publisher.nudge();
        await delayOrAbort(waitMs, signal);
      }
      if (signal.aborted) return;
      const next = orders.next();
      // Generated orders are not awaited: that would cost each of them a turn of the event loop.
      const { done, value } = next instanceof Promise
        ? await unlessAborted(next, signal) ?? END
        : next;
      if (done) return;
      tally.handedOver++;
      // A number, negative for a failed order: it is kept until the acknowledgement, and an object
      // for each order would cost a quarter of the producer's time.
      const { order, json, number } = value;
      const about = order.status === "failed" ? -number : number;
      const room = publisher.publish(order.order_id, (to) => {
        if (json === undefined) writeOrder(order, to);
        else to.raw(json);
      }, about);
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
async function flush(publisher: Publisher<number>, signal: AbortSignal): Promise<void> {
  const flushed = publisher.flush();
  await unlessAborted(flushed, signal);
  if (!signal.aborted) return;
  try {
    await deadline(flushed, STOP_LIMIT_MS);
  } catch (error) {
    if ((error as Error).name !== "TimeoutError") throw error;
    printWarning("the brokers do not answer; what they have not acknowledged is given up");
  }
}

/** The files that the flags name. */
function filesOf({ from, menu }: Options<typeof flags>): string[] {
  const paths = from === undefined || isStdin(from) ? [menu] : [from, menu];
  return paths.filter((path) => path !== undefined).map((path) => userPath(path));
}

function isStdin(path: string): boolean {
  return path === "-" || path === "/dev/stdin";
}

/** Starts to make or read orders, none of them larger than what the topic accepts, in bytes. */
type OpenOrders = (maxBytes: number) => Source;

async function generatedOrders(options: Options<typeof flags>): Promise<OpenOrders> {
  const { count = COUNT, rate, failureRate = 0.05 } = options;
  const menu = options.menu === undefined
    ? MENU
    : await readFlagFile("--menu", options.menu, parseMenu);
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
  if (options.seed === undefined) printNote(`seed ${seed}`, { seed });

  return function* () {
    for (let number = 1; number <= count; number++) {
      yield { order: nextOrder(), number };
    }
  };
}

async function ordersOfFile(
  options: Options<typeof flags>,
  { path, tally, signal }: { path: string; tally: Tally; signal: AbortSignal },
): Promise<OpenOrders> {
  for (const name of ["count", "failureRate", "seed", "start", "span", "menu"] as const) {
    if (options[name] !== undefined) {
      throw new UsageError(
        `${flagName(name)} is for generated orders, not for --from "${path}"`,
      );
    }
  }
  const chunks = isStdin(path)
    ? Deno.stdin.readable
    : (await openForReading(path, signal)).readable;
  return (maxBytes) => readOrders(chunks, Math.min(maxBytes, MAX_LINE_BYTES), tally);
}

const OPENING_BRACKET = 0x5b;
/** The longest line that is read when the topic's limit is not known or higher, in bytes. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

async function* readOrders(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tally: Tally,
): AsyncGenerator<NumberedOrder> {
  for await (const { number, bytes, problem = "" } of readLines(chunks, maxBytes)) {
    if (bytes?.length === 0) continue;
    const parsed = bytes && parseOrder(bytes);
    if (parsed?.kind === "order") {
      yield { order: parsed.order, json: bytes!, number };
      continue;
    }
    const reason = parsed?.kind === "other"
      ? `event_type: expected "OrderPlaced", got "${parsed.eventType}"`
      : parsed?.reason ?? problem;
    tally.reject(`line ${number}`, reason);
    if (number === 1 && bytes?.[0] === OPENING_BRACKET) {
      printNote("a JSON array becomes one order a line with: jq -c '.[]' FILE");
    }
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
    throw fileError(`--from "${path}"`, error, "use --from - < FILE");
  } finally {
    clearTimeout(note);
  }
}

function instantMs(text: string): number {
  const ms = parseTypedTimeMs(text);
  if (Number.isNaN(ms)) throw new Error("expected a time such as 2024-01-15T10:30:00Z");
  return ms;
}

function summary(tally: Tally, elapsedSeconds: number, json: boolean): string {
  const { acknowledged, failed, bytes, rejectedLines, undelivered, latenciesUs } = tally;
  const ms = (us: number) => Number((us / 1_000).toFixed(1));
  const facts = {
    total_orders: acknowledged,
    failed_orders: failed,
    failure_rate_percent: acknowledged === 0 ? 0 : Number((failed / acknowledged * 100).toFixed(2)),
    rejected_lines: rejectedLines,
    undelivered_orders: undelivered,
    first_undelivered_order: tally.firstUndelivered,
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
    `Orders acknowledged: ${facts.total_orders}`,
    `Failed orders:       ${facts.failed_orders} (${facts.failure_rate_percent}%)`,
    ...(rejectedLines > 0 ? [`Rejected lines:      ${rejectedLines}`] : []),
    ...(undelivered > 0 ? [`Not acknowledged:    ${undelivered}`] : []),
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
    examples: [
      "deno task produce --count 50000 --rate 500 --seed 7",
      "deno task produce --from orders.ndjson",
      "deno task produce --from orders.ndjson --compression gzip",
    ],
    run,
  });
}
