/**
 * The page under load: many viewers while orders come fast, and what they cost analytics.
 *
 * First the viewers take their events while a producer writes and analytics counts; one more viewer
 * never reads. Then analytics counts the same orders again and again in new groups, in turn without the
 * page and with all its viewers. bench/README.md explains how to read the figures.
 *
 * ```sh
 * deno task page-load
 * deno task page-load --viewers 50 --seconds 10
 * ```
 *
 * Permissions: the set `page_load` of deno.json, and `--allow-run=sh,ps`; `sh` starts the programs.
 *
 * @module
 */
import { delayOrAbort } from "../lib/async.ts";
import { brokerList, flag, type Options, wholeNumber } from "../lib/cli/flags.ts";
import { main } from "../lib/cli/main.ts";
import { printNote, printResult } from "../lib/cli/output.ts";
import type { PageState } from "../lib/http/page_state.ts";
import { requireBrokers } from "../lib/kafka/client.ts";
import { logRanges } from "../lib/kafka/offsets.ts";
import { kafkaSettings } from "../lib/kafka/settings.ts";
import { orderEvents } from "../lib/topics.ts";
import { type BenchContext, createTopics, openContext } from "./jobs.ts";
import { type Measurement, memorySamples, type Running, spreadOf } from "./measure.ts";
import { program } from "./peers.ts";

/** The flags of the program. */
export const flags = {
  viewers: flag({
    value: "N",
    default: "200",
    help: "how many watch the page, at least 1",
  }, wholeNumber({ min: 1 })),
  seconds: flag({
    value: "N",
    default: "60",
    help: "how long they watch while orders are written, at least 5",
  }, wholeNumber({ min: 5 })),
  brokers: flag({
    value: "HOST:PORT,…",
    default: "127.0.0.1:9092",
    env: "KAFKA_BROKERS",
    help: "the Kafka brokers",
  }, brokerList),
};

/** Orders that are written, per second. */
const RATE = 20_000;
/** The exit code of a program that was stopped. */
const SIGTERM_EXIT = 143;
/** Runs of analytics without the page and with it. */
const PAIRS = 3;

/** Measures, and prints the figures. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const settings = kafkaSettings("order-stream-bench", {
    ...{ brokers: options.brokers, timeout: 30_000, verbose: false },
    clientId: "order-stream-bench",
  }, () => {});
  await requireBrokers(settings, signal);
  const prefix = `bench-page-${crypto.randomUUID().slice(0, 8)}-`;
  const context = openContext({ settings, directory: "", prefix, signal, note: printNote });
  try {
    await createTopics(context, { prefix, job: "analytics" });
    printResult(`load average ${loads()}`);
    await measureViewers(context, options);
    const orders = await countOrders(context);
    for (let pair = 1; pair <= PAIRS; pair++) {
      context.note(`analytics counts ${orders} orders: pair ${pair} of ${PAIRS}`);
      const alone = await countAgain(context, `alone-${pair}`);
      const group = `watched-${pair}`;
      const page = await openPage(context, group);
      const crowd = await openCrowd(page.url, options.viewers);
      const watched = await countAgain(context, group);
      await crowd.leave();
      await page.close();
      const perSecond = ({ seconds }: Measurement) => Math.round(orders / seconds);
      const costs = ({ cpuSeconds }: Measurement) => `${cpuSeconds.toFixed(1)} s of processor`;
      printResult(
        `analytics, pair ${pair}: ${perSecond(alone)} orders/s without the page (${
          costs(alone)
        }), ${perSecond(watched)} with it (${costs(watched)}), ${
          (alone.seconds / watched.seconds).toFixed(2)
        } of it`,
      );
    }
    printResult(`load average ${loads()}`);
  } finally {
    await context.close();
  }
}

function loads(): string {
  return Deno.loadavg().map((each) => each.toFixed(1)).join(" ");
}

async function measureViewers(
  context: BenchContext,
  { viewers, seconds }: Options<typeof flags>,
): Promise<void> {
  const { prefix, signal } = context;
  const common = ["--topic-prefix", prefix];
  const page = await openPage(context, "analytics");
  const memory = Array.fromAsync(memorySamples(page.process));
  const analytics = context.start(
    program("analytics.ts", context, common, ["--output", "none"]),
  );
  const producer = context.start(
    program("producer.ts", context, common, [
      ...["--rate", String(RATE), "--count", String(RATE * seconds * 10)],
    ]),
  );
  await orderCountAbove(context, 0);
  using _slow = await openSlowViewer(page.url);
  const before = await countOrders(context);
  const startedMs = performance.now();
  const crowd = await openCrowd(page.url, viewers);
  context.note(`${viewers} viewers for ${seconds} s`);
  await delayOrAbort(seconds * 1_000, signal);
  const written = await countOrders(context) - before;
  const writtenPerSecond = Math.round(written / (performance.now() - startedMs) * 1_000);
  const { received, latenciesMs, last, bytes } = await crowd.leave();
  const dropped = await droppedViewers(page.url);
  const { cpuSeconds } = await page.close();
  const samplesMb = await memory;
  producer.stop();
  await producer.ended;
  analytics.stop();
  const { cpuSeconds: analyticsCpu, exitCode, stderr } = await analytics.ended;
  if (exitCode !== SIGTERM_EXIT) throw new Error(`analytics ended by itself: ${stderr}`);

  const events = spreadOf(received)!;
  latenciesMs.sort((a, b) => a - b);
  const share = (part: number) => Math.round(latenciesMs[Math.floor(latenciesMs.length * part)]!);
  const behind = last?.groups.find(({ group }) => group === `${prefix}analytics`);
  printResult([
    `${viewers} viewers for ${seconds} s, ${writtenPerSecond} orders/s written`,
    `events of each viewer: ${events.median} (${events.min} to ${events.max}), ${
      Math.round(bytes / received.reduce((sum, each) => sum + each, 0))
    } bytes each`,
    `from the time of a state to its arrival: p50 ${share(0.5)} ms, p99 ${share(0.99)} ms`,
    `memory of the dashboard: ${Math.round(samplesMb.at(0)!)} MB at the start, ${
      Math.round(samplesMb[samplesMb.length >> 1]!)
    } in the middle, ${Math.round(samplesMb.at(-1)!)} at the end, ${
      Math.round(Math.max(...samplesMb))
    } at most`,
    `processor: dashboard ${cpuSeconds.toFixed(1)} s, analytics ${analyticsCpu.toFixed(1)} s`,
    `analytics at the end: ${behind?.lag_seconds ?? "?"} s behind`,
    `dropped because they did not read: ${dropped} of 1`,
  ].join("\n"));
}

/** A dashboard that runs. */
interface Page {
  url: string;
  process: Running;
  close(): Promise<Measurement>;
}

async function openPage(context: BenchContext, analyticsGroup: string): Promise<Page> {
  const listening = Promise.withResolvers<string>();
  const process = context.start(
    program("dashboard.ts", context, ["--topic-prefix", context.prefix], [
      ...["--listen", "127.0.0.1:0", "--analytics-group", analyticsGroup],
    ]),
    (line) => {
      const url = /the page is at (\S+)\/$/.exec(line)?.[1];
      if (url !== undefined) listening.resolve(url);
    },
  );
  process.ended.then(({ stderr }) => listening.reject(new Error(`the dashboard ended: ${stderr}`)));
  const url = await listening.promise;
  return {
    url,
    process,
    async close() {
      process.stop();
      return await process.ended;
    },
  };
}

/** What viewers have seen. */
interface Seen {
  /** How many states, by viewer. */
  received: number[];
  /** Of each state that was not the first of its viewer. */
  latenciesMs: number[];
  /** Of all states together. */
  bytes: number;
  last: PageState | undefined;
}

/** Viewers that take their events. */
interface Crowd {
  /** Closes their connections. */
  leave(): Promise<Seen>;
}

async function openCrowd(url: string, viewers: number): Promise<Crowd> {
  const seen: Seen = { received: [], latenciesMs: [], bytes: 0, last: undefined };
  let lastText = "";
  const take = (viewer: number, event: string) => {
    const time = /"time":"([^"]+)"/.exec(event)?.[1];
    if (time === undefined) return;
    // The first one is the last of those before.
    if (seen.received[viewer]! > 0) seen.latenciesMs.push(Date.now() - Date.parse(time));
    seen.received[viewer]!++;
    seen.bytes += event.length;
    lastText = event;
  };
  const watching = await Promise.all(Array.from({ length: viewers }, async (_, viewer) => {
    seen.received[viewer] = 0;
    const { body } = await fetch(`${url}/api/events`);
    const reader = body!.getReader();
    return { reader, ended: watch(reader, (event) => take(viewer, event)) };
  }));
  return {
    async leave() {
      await Promise.all(watching.map(({ reader }) => reader.cancel()));
      await Promise.all(watching.map(({ ended }) => ended));
      const data = /^data: (.*)$/m.exec(lastText)?.[1];
      return { ...seen, last: data === undefined ? undefined : JSON.parse(data) };
    },
  };
}

/** Takes events until the reader is cancelled. */
async function watch(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  onEvent: (event: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for (let read; !(read = await reader.read()).done;) {
    const events = (rest + decoder.decode(read.value, { stream: true })).split("\n\n");
    rest = events.pop()!;
    events.forEach(onEvent);
  }
}

/** A viewer that never reads. */
async function openSlowViewer(url: string): Promise<Disposable> {
  const { hostname, port, host } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const request = `GET /api/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  return connection;
}

async function droppedViewers(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^order_stream_dashboard_dropped_viewers_total (\d+)$/m.exec(text)![1]);
}

async function countAgain(context: BenchContext, group: string): Promise<Measurement> {
  const flags = ["--topic-prefix", context.prefix, "--group", group];
  const measurement = await context.run(
    program("analytics.ts", context, flags, ["--until-end", "--output", "none", "--json"]),
  );
  const { exitCode, stdout, stderr } = measurement;
  const orders = await countOrders(context);
  if (exitCode !== 0 || JSON.parse(stdout).total_orders !== orders) {
    throw new Error(`analytics did not count ${orders} orders: ${stdout}${stderr}`);
  }
  return measurement;
}

async function countOrders({ admin, prefix }: BenchContext): Promise<number> {
  const ranges = await admin.use((client) => logRanges(client, orderEvents(prefix).name));
  return [...ranges.values()].reduce((sum, { end }) => sum + Number(end), 0);
}

async function orderCountAbove(context: BenchContext, count: number): Promise<void> {
  while (await countOrders(context) <= count) {
    context.signal.throwIfAborted();
    await delayOrAbort(100, context.signal);
  }
}

if (import.meta.main) {
  main({
    usage: "deno task page-load",
    summary: "Measures the page under load, and what it costs analytics.",
    flags,
    examples: [
      "deno task page-load",
      "deno task page-load --viewers 50 --seconds 10",
    ],
    run,
  });
}
