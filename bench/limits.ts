/**
 * The throughput of each step alone in one process, and the share of it that the programs reach.
 *
 * @module
 */
import { consume } from "../lib/kafka/consume.ts";
import { logRanges } from "../lib/kafka/offsets.ts";
import { writeInventoryEvent } from "../lib/inventory_event.ts";
import { JsonWriter } from "../lib/json_writer.ts";
import { encodeOrder, parseOrder, writeOrder } from "../lib/order.ts";
import { orderGenerator } from "../lib/order_generator.ts";
import { stockMovements } from "../lib/stock_movements.ts";
import { orderEvents } from "../lib/topics.ts";
import type { BenchContext, JobResult, Orders } from "./jobs.ts";
import { inSeries } from "./measure.ts";
import type { Job } from "./peers.ts";

/** Throughput of each step alone, in orders per second. */
export interface Limits {
  /** `orderGenerator`. */
  generate: number;
  /** `JSON.stringify`, to compare with `encode`. */
  stringify: number;
  /** `writeOrder`, as the producer encodes. */
  encode: number;
  /** Decoding bytes and `JSON.parse`, to compare with `parse`. */
  jsonParse: number;
  /** `parseOrder`, including all checks. */
  parse: number;
  /** `stockMovements` and encoding them. */
  movements: number;
  /** Fetching from Kafka through `lib/kafka`, without parsing. */
  fetch: number;
}

const SAMPLE = 50_000;
const MEASURED_MS = 1_500;

/** Measures each step for 1.5 seconds; `fetch` reads the given topic once. */
export async function measureLimits(context: BenchContext, orders: Orders): Promise<Limits> {
  context.note("in-process limits");
  const nextOrder = orderGenerator({ seed: 1, failureRate: 0.05, eventTimeMs: Date.now });
  const events = Array.from({ length: SAMPLE }, nextOrder);
  const bytes = events.map((event) => Buffer.from(encodeOrder(event)));
  const decoder = new TextDecoder();
  const to = new JsonWriter();
  const timestampMs = Date.now();
  return {
    generate: perSecond(nextOrder),
    stringify: perSecond((index) => JSON.stringify(events[index])),
    encode: perSecond((index) => writeOrder(events[index]!, emptied(to))),
    jsonParse: perSecond((index) => JSON.parse(decoder.decode(bytes[index]))),
    parse: perSecond((index) => parseOrder(bytes[index]!)),
    movements: perSecond((index) => {
      emptied(to);
      for (const event of stockMovements(events[index]!, timestampMs)) {
        writeInventoryEvent(event, to);
      }
    }),
    fetch: await fetchPerSecond(context, orders),
  };
}

function emptied(to: JsonWriter): JsonWriter {
  to.offset = 0;
  return to;
}

function perSecond(step: (index: number) => unknown): number {
  // Warms up the JIT compiler.
  for (let index = 0; index < SAMPLE; index++) step(index);
  const startedMs = performance.now();
  let done = 0;
  let elapsedMs = 0;
  while (elapsedMs < MEASURED_MS) {
    for (let index = 0; index < SAMPLE; index++) step(index);
    done += SAMPLE;
    elapsedMs = performance.now() - startedMs;
  }
  return done / elapsedMs * 1_000;
}

/** Measured from the assignment of the partitions to the last batch. */
async function fetchPerSecond(context: BenchContext, { prefix }: Orders): Promise<number> {
  const topic = orderEvents(prefix).name;
  const ranges = await context.admin.use((client) => logRanges(client, topic));
  const open = new Map([...ranges].filter(([, { start, end }]) => start < end));
  const finished = new AbortController();
  let startedMs = 0;
  let fetched = 0;
  let elapsedMs = 0;
  await consume({
    settings: context.settings,
    topic,
    group: `${prefix}fetch`,
    onAssigned() {
      startedMs = performance.now();
    },
    onLost() {},
    onBatch({ batch, resolveOffset }) {
      fetched += batch.messages.length;
      resolveOffset(batch.lastOffset());
      if (BigInt(batch.lastOffset()) + 1n >= ranges.get(batch.partition)!.end) {
        open.delete(batch.partition);
      }
      elapsedMs = performance.now() - startedMs;
      if (open.size === 0) finished.abort();
      return Promise.resolve();
    },
  }, AbortSignal.any([context.signal, finished.signal]));
  context.signal.throwIfAborted();
  return fetched / elapsedMs * 1_000;
}

/** Compares a program with the limit that its steps set when run one after the other. */
export interface Share {
  /** The job of the program. */
  job: Job;
  /** The steps that the job cannot do without. */
  steps: (keyof Limits)[];
  /** Orders per second that the steps allow in series. */
  limit: number;
  /** Orders per second of the whole process, including its start. */
  whole: number;
  /** Orders per second after start-up, by the program's own clock. */
  working: number;
}

/** Steps of each job; analytics twice, with `JSON.parse` and with our parser. */
const STEPS: [Job, (keyof Limits)[]][] = [
  ["produce", ["generate", "encode"]],
  ["analytics", ["fetch", "jsonParse"]],
  ["analytics", ["fetch", "parse"]],
  ["inventory", ["fetch", "parse", "movements"]],
];

/** Compares the limits with the medians of our programs at the largest number of orders. */
export function sharesOf(limits: Limits, results: readonly JobResult[]): Share[] {
  return STEPS.flatMap(([job, steps]) => {
    const largest = results.filter((result) => result.job === job)
      .sort((a, b) => b.orders - a.orders)[0];
    const ours = largest?.clients[0];
    const whole = ours?.ordersPerSecond?.median;
    const working = ours?.workingOrdersPerSecond?.median;
    if (whole === undefined || working === undefined) return [];
    return [{ job, steps, limit: inSeries(...steps.map((step) => limits[step])), whole, working }];
  });
}
