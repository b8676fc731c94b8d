/**
 * Which event time each generated order gets.
 *
 * @module
 */
import { seededRandom } from "./seeded_random.ts";

/** What the event times of generated orders depend on. */
export interface EventTimeOptions {
  /** An unsigned whole number of 32 bits. */
  seed: number;
  /** How many orders there are. */
  count: number;
  /** The event time of the first order, in whole milliseconds since the epoch. */
  startMs: number | undefined;
  /** How much time the orders are spread over. */
  spanMs: number | undefined;
  /** Orders per second. */
  rate: number | undefined;
  /** The clock, in milliseconds since the epoch. */
  nowMs: () => number;
}

/**
 * Chooses the event time of each order, by its index, in milliseconds since the epoch.
 *
 * With a span the orders are spread over it by {@linkcode rhythm}; it ends now unless a start is
 * given. With a start alone they follow the rate from there, or all have the start as their time.
 * With neither an order has the time at which it is made.
 */
export function eventTimes(
  { seed, count, startMs, spanMs, rate, nowMs }: EventTimeOptions,
): (index: number) => number {
  if (spanMs !== undefined) {
    return rhythm({ seed, startMs: startMs ?? nowMs() - spanMs, spanMs, count });
  }
  if (startMs === undefined) return nowMs;
  return (index) => startMs + (rate === undefined ? 0 : Math.floor(index / rate * 1_000));
}

/** Where event times lie. */
export interface RhythmOptions {
  /** An unsigned whole number of 32 bits. */
  seed: number;
  /** The beginning, inclusive, in whole milliseconds since the epoch. */
  startMs: number;
  /** How much time there is, in milliseconds; the end is exclusive. */
  spanMs: number;
  /** How many orders share it. */
  count: number;
}

/** How busy each hour of the day is, UTC, in the middle of the hour. */
// deno-fmt-ignore
const BUSYNESS_BY_HOUR = [
  3, 2, 1, 1, 1, 2, 4, 8, 10, 12, 20, 45,
  70, 50, 24, 18, 22, 45, 80, 90, 65, 35, 16, 7,
];

/** How much a minute differs from what its hour suggests, up or down. */
const RIPPLE = 0.2;

/** Enough for a table by the minute over 45 days; longer spans have longer cells. */
const MAX_CELLS = 65_536;

/**
 * Spreads orders over a span of time as a day goes: busy at lunch and dinner (UTC), quiet at night,
 * and no two minutes alike.
 *
 * The event times are whole milliseconds in `[startMs, startMs + spanMs)` and never go back; the
 * result depends on the index alone. Without a span all of them are `startMs`.
 */
export function rhythm(
  { seed, startMs, spanMs, count }: RhythmOptions,
): (index: number) => number {
  if (spanMs < 1) return () => startMs;
  const random = seededRandom(seed);
  const cellMs = Math.max(60_000, spanMs / MAX_CELLS);
  const lengthMs = (cell: number) => Math.min(cellMs, spanMs - cell * cellMs);
  // shareUntil[n]: how much of everything comes before the end of cell n, growing towards the total.
  const shareUntil = new Float64Array(Math.ceil(spanMs / cellMs));
  let total = 0;
  for (let cell = 0; cell < shareUntil.length; cell++) {
    const ripple = 1 + RIPPLE * (2 * random.share() - 1);
    total += lengthMs(cell) * ripple * busyness(startMs + cell * cellMs + lengthMs(cell) / 2);
    shareUntil[cell] = total;
  }

  return (index) => {
    const share = total * (index + 0.5) / count;
    const cell = firstAbove(shareUntil, share);
    const before = shareUntil[cell - 1] ?? 0;
    const within = (share - before) / (shareUntil[cell]! - before);
    const offsetMs = Math.floor(cell * cellMs + within * lengthMs(cell));
    return startMs + Math.min(offsetMs, Math.ceil(spanMs) - 1);
  };
}

/** How busy the day is at a time, between the figures of its two nearest hours. */
function busyness(epochMs: number): number {
  const hours = epochMs / 3_600_000 - 0.5;
  const hour = Math.floor(hours);
  const at = (n: number) => BUSYNESS_BY_HOUR[((n % 24) + 24) % 24]!;
  return at(hour) + (at(hour + 1) - at(hour)) * (hours - hour);
}

/** The index of the first number above `limit` in an ascending list; the last when there is none. */
function firstAbove(numbers: Float64Array, limit: number): number {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}
