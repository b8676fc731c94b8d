import { assertEquals } from "@std/assert";
import { type PartitionReading, ProgressWatch, STOP_LIMIT_MS } from "./progress_watch.ts";

/** Partition 3 with records waiting; the clock begins at 1,000 s. */
function reading(changes: Partial<PartitionReading> = {}): PartitionReading {
  return { partition: 3, next: 10n, end: 20n, activeMs: 0, ...changes };
}

/** The stops after a reading each second. */
function stopsAfter(readings: (second: number) => PartitionReading[] | undefined) {
  const watch = new ProgressWatch();
  for (let second = 0; second <= STOP_LIMIT_MS / 1_000; second++) {
    const now = readings(second);
    if (now === undefined) watch.interrupt();
    else watch.add(now, (1_000 + second) * 1_000);
  }
  return watch.stops;
}

const STOPPED = { partition: 3, forMs: STOP_LIMIT_MS, isOpening: false };

Deno.test("ProgressWatch reports a partition whose records wait, and each such partition", () => {
  assertEquals(stopsAfter(() => [reading()]), [STOPPED]);
  const other = { partition: 4, next: 0n, end: 1n };
  assertEquals(stopsAfter(() => [reading(), reading(other)]), [
    STOPPED,
    { ...STOPPED, partition: 4 },
  ]);
});

Deno.test("ProgressWatch reports a partition that is never opened, and one that is opened in vain", () => {
  const opening = { next: undefined, end: 0n };
  assertEquals(stopsAfter(() => [reading(opening)]), [{ ...STOPPED, isOpening: true }]);
  const inVain = (second: number) => [reading(second % 2 === 1 ? opening : {})];
  assertEquals(stopsAfter(inVain), [STOPPED]);
});

Deno.test("ProgressWatch does not report what is idle, at work, without a leader, or lost", () => {
  assertEquals(stopsAfter(() => [reading({ next: 20n })]), []);
  assertEquals(stopsAfter((second) => [reading({ activeMs: (990 + second) * 1_000 })]), []);
  assertEquals(stopsAfter(() => [reading({ end: undefined })]), []);
  assertEquals(stopsAfter(() => []), []);
});

Deno.test("ProgressWatch counts the time from the last moment at which there was nothing to wait for", () => {
  const interrupted = [
    (second: number) => second === 1 ? undefined : [reading()],
    (second: number) => [reading(second === 1 ? { next: 20n } : {})],
    (second: number) => [reading(second === 1 ? { end: undefined } : {})],
    (second: number) => second === 1 ? [] : [reading()],
    () => [reading({ activeMs: 1_001_000 })],
  ];
  for (const readings of interrupted) assertEquals(stopsAfter(readings), []);
});

Deno.test("ProgressWatch forgets a stop as soon as the partition moves", () => {
  const watch = new ProgressWatch();
  watch.add([reading()], 0);
  watch.add([reading()], STOP_LIMIT_MS);
  assertEquals(watch.stops, [STOPPED]);
  watch.add([reading({ next: 11n, activeMs: STOP_LIMIT_MS + 500 })], STOP_LIMIT_MS + 1_000);
  assertEquals(watch.stops, []);
  watch.add([reading()], 3 * STOP_LIMIT_MS);
  watch.interrupt();
  assertEquals(watch.stops, []);
});
