import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type EventTimeOptions, eventTimes, rhythm } from "./event_times.ts";
import { minuteOf } from "./minute_window.ts";

const START_MS = Date.UTC(2026, 1, 17);
const DAY_MS = 86_400_000;

function timesOf(options: Partial<EventTimeOptions>): number[] {
  const time = eventTimes({
    seed: 7,
    count: 4,
    startMs: undefined,
    spanMs: undefined,
    rate: undefined,
    nowMs: () => START_MS,
    ...options,
  });
  return [0, 1, 2, 3].map(time);
}

Deno.test("eventTimes without a start or a span reads the clock for each order", () => {
  let now = START_MS;
  assertEquals(timesOf({ nowMs: () => now++, rate: 2 }), [0, 1, 2, 3].map((ms) => START_MS + ms));
});

Deno.test("eventTimes with a start follows the rate from there, or stays at it", () => {
  assertEquals(timesOf({ startMs: 5 }), [5, 5, 5, 5]);
  assertEquals(timesOf({ startMs: 5, rate: 3 }), [5, 338, 671, 1_005]);
});

Deno.test("eventTimes with a span lets it begin at the start, or end now", () => {
  const since = (startMs: number) => {
    const time = rhythm({ seed: 7, startMs, spanMs: DAY_MS, count: 4 });
    return [0, 1, 2, 3].map(time);
  };
  assertEquals(timesOf({ startMs: 5, spanMs: DAY_MS, rate: 3 }), since(5));
  assertEquals(timesOf({ spanMs: DAY_MS }), since(START_MS - DAY_MS));
});

Deno.test("rhythm stays within the span, in whole milliseconds, and never goes back", () => {
  for (
    const [spanMs, count] of [
      [1, 10],
      [999, 5_000],
      [60_000, 1],
      [60_001, 100],
      [600_000, 10_000],
      [90_000.5, 1_000],
      [90 * DAY_MS, 20_000],
    ] as const
  ) {
    const time = rhythm({ seed: 7, startMs: START_MS + 1, spanMs, count });
    let last = START_MS + 1;
    for (let index = 0; index < count; index++) {
      const ms = time(index);
      assert(Number.isSafeInteger(ms), `${ms}`);
      assert(
        ms >= last && ms < START_MS + 1 + spanMs,
        `order ${index} of ${count} in ${spanMs} ms`,
      );
      last = ms;
    }
  }
});

Deno.test("rhythm spreads orders over the whole span, also when it is not a whole number of minutes", () => {
  const count = 10_000;
  const spans = [1, 999, 10_000, 59_999, 60_000, 60_001, 90_000, 90_000.5, 150_000];
  for (const spanMs of [...spans, 46 * DAY_MS, 90 * DAY_MS + 12_345]) {
    const time = rhythm({ seed: 7, startMs: START_MS, spanMs, count });
    const tenths = new Array<number>(10).fill(0);
    const perMs = new Map<number, number>();
    for (let index = 0; index < count; index++) {
      const ms = time(index) - START_MS;
      tenths[Math.floor(ms / spanMs * 10)]!++;
      perMs.set(ms, (perMs.get(ms) ?? 0) + 1);
    }
    assert(Math.max(...perMs.values()) <= 3 * Math.ceil(count / spanMs), `${spanMs} ms`);
    if (spanMs >= 10) {
      assert(Math.min(...tenths) > 500 && Math.max(...tenths) < 1_500, `${spanMs} ms: ${tenths}`);
    }
  }
});

Deno.test("rhythm without a span gives the start", () => {
  const time = rhythm({ seed: 7, startMs: START_MS, spanMs: 0, count: 10 });
  assertEquals([time(0), time(9)], [START_MS, START_MS]);
});

Deno.test("rhythm depends on the seed and the index alone", () => {
  const options = { seed: 7, startMs: START_MS, spanMs: 600_000, count: 100 };
  const times = (seed: number) => {
    const time = rhythm({ ...options, seed });
    return Array.from({ length: 100 }, (_, index) => time(index));
  };
  assertEquals(times(7), times(7));
  assertNotEquals(times(7), times(8));
  assertEquals(rhythm(options)(42), times(7)[42]);
});

Deno.test("rhythm is busy at lunch and dinner, quiet at night, and ripples by the minute", () => {
  const count = 100_000;
  const time = rhythm({ seed: 7, startMs: START_MS, spanMs: DAY_MS, count });
  const byHour = new Array<number>(24).fill(0);
  const byMinute = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const ms = time(index);
    byHour[new Date(ms).getUTCHours()]!++;
    byMinute.set(minuteOf(ms), (byMinute.get(minuteOf(ms)) ?? 0) + 1);
  }
  assertEquals(byHour.reduce((sum, orders) => sum + orders), count);
  const [night, lunch, afternoon, dinner] = [byHour[3]!, byHour[12]!, byHour[15]!, byHour[19]!];
  assert(lunch > 3 * afternoon && dinner > lunch && night < lunch / 10 && night > 0);
  const counts = [...byMinute.values()];
  assert(counts.length > 1_300 && new Set(counts).size > 50);
});

Deno.test("rhythm keeps its rhythm on days before 1970", () => {
  const time = rhythm({ seed: 7, startMs: -DAY_MS, spanMs: DAY_MS, count: 1_000 });
  const hours = Array.from({ length: 1_000 }, (_, index) => new Date(time(index)).getUTCHours());
  assert(
    hours.filter((hour) => hour === 19).length > 10 * hours.filter((hour) => hour < 5).length / 5,
  );
});
