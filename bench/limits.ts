/**
 * What one process can do here at all, step by step, and what share of it the programs reach.
 *
 * @module
 */
import { consume } from "../lib/kafka/consume.ts";
import { logRanges } from "../lib/kafka/offsets.ts";
import { encodeInventoryEvent } from "../lib/inventory_event.ts";
import { encodeOrder, type OrderPlaced, parseOrder } from "../lib/order.ts";
import { orderGenerator } from "../lib/order_generator.ts";
import { stockMovements } from "../lib/stock_movements.ts";
import { orderEvents } from "../lib/topics.ts";
import type { JobResult, Orders, Workshop } from "./jobs.ts";
import { inSeries } from "./measure.ts";
import type { Job } from "./peers.ts";

/** How many orders each second a step can do, alone. */
export interface Limits {
  /** Making orders from a seed. */
  generate: number;
  /** `JSON.stringify`. */
  stringify: number;
  /** `encodeOrder`. */
  encode: number;
  /** `JSON.parse` of bytes. */
  jsonParse: number;
  /** `parseOrder`: with everything that is checked. */
  parse: number;
  /** Making and encoding the stock movements. */
  movements: number;
  /** Fetching from Kafka through `lib/kafka`, without looking at the records. */
  fetch: number;
}

const SAMPLE = 50_000;
const AT_LEAST_MS = 1_500;

/** Measures each step for a second and a half; the fetching on the given topic. */
export async function measureLimits(workshop: Workshop, orders: Orders): Promise<Limits> {
  workshop.note("in-process limits");
  const nextOrder = orderGenerator({ seed: 1, failureRate: 0.05, eventTimeMs: Date.now });
  const events = Array.from({ length: SAMPLE }, nextOrder);
  const bytes = events.map((event) => Buffer.from(encodeOrder(event)));
  const decoder = new TextDecoder();
  const timestampMs = Date.now();
  return {
    generate: perSecond(nextOrder),
    stringify: perSecond((index) => JSON.stringify(events[index])),
    encode: perSecond((index) => encodeOrder(events[index]!)),
    jsonParse: perSecond((index) => JSON.parse(decoder.decode(bytes[index]))),
    parse: perSecond((index) => parseOrder(bytes[index]!)),
    movements: perSecond((index) => movementsOf(events[index]!, timestampMs)),
    fetch: await fetchPerSecond(workshop, orders),
  };
}

function movementsOf(order: OrderPlaced, timestampMs: number): string[] {
  return stockMovements(order, timestampMs).map(encodeInventoryEvent);
}

function perSecond(step: (index: number) => unknown): number {
  // The first round is for the compiler.
  for (let index = 0; index < SAMPLE; index++) step(index);
  const startedMs = performance.now();
  let done = 0;
  let elapsedMs = 0;
  while (elapsedMs < AT_LEAST_MS) {
    for (let index = 0; index < SAMPLE; index++) step(index);
    done += SAMPLE;
    elapsedMs = performance.now() - startedMs;
  }
  return done / elapsedMs * 1_000;
}

/** From the assignment of the partitions to the last batch. */
async function fetchPerSecond(workshop: Workshop, { prefix }: Orders): Promise<number> {
  const topic = orderEvents(prefix).name;
  const ranges = await workshop.admin.use((client) => logRanges(client, topic));
  const open = new Map([...ranges].filter(([, { start, end }]) => start < end));
  const finished = new AbortController();
  let startedMs = 0;
  let fetched = 0;
  let elapsedMs = 0;
  await consume({
    connection: workshop.connection,
    topic,
    group: `${prefix}fetch`,
    concurrency: ranges.size,
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
  }, AbortSignal.any([workshop.signal, finished.signal]));
  workshop.signal.throwIfAborted();
  return fetched / elapsedMs * 1_000;
}

/** What a program reaches of what its steps allow in series. */
export interface Share {
  /** The job. */
  job: Job;
  /** The steps. */
  steps: (keyof Limits)[];
  /** Orders each second that the steps allow, one after the other. */
  limit: number;
  /** What the program reaches as a whole process, with its start. */
  whole: number;
  /** What it reaches by its own clock, once it has started. */
  working: number;
}

/** The steps that each job cannot do without. */
const STEPS: [Job, (keyof Limits)[]][] = [
  ["produce", ["generate", "encode"]],
  ["analytics", ["fetch", "jsonParse"]],
  ["analytics", ["fetch", "parse"]],
  ["inventory", ["fetch", "parse", "movements"]],
];

/** Compares the limits with the medians of our programs at the largest size. */
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
