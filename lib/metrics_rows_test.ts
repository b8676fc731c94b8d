import { assertEquals } from "@std/assert";
import { continueCounting, MetricsRows, progressRow } from "./metrics_rows.ts";

const NOTHING = { minutes: new Map(), malformed: 0, skipped: 0 };

Deno.test("progressRow keeps where the counting began, and MetricsRows reads it back", () => {
  const progress = { startOffset: 7n, nextOffset: 12n, malformed: 1, skipped: 2 };
  const row = progressRow(3, progress);
  assertEquals(row, {
    key: "3/progress",
    value: '{"start_offset":"7","next_offset":"12","malformed":1,"skipped":2}',
  });
  const rows = new MetricsRows();
  rows.apply(row);
  assertEquals(rows.partition(3).progress, progress);
});

Deno.test("MetricsRows reads a progress row that does not say where the counting began", () => {
  const rows = new MetricsRows();
  const value = '{"next_offset":"12","malformed":0,"skipped":0}';
  rows.apply({ key: "3/progress", value });
  const progress = rows.partition(3).progress!;
  assertEquals(progress.startOffset, undefined);
  assertEquals(progressRow(3, progress).value, value);
});

Deno.test("continueCounting keeps the start, and takes a new one when the group was moved", () => {
  const stored = {
    minutes: new Map(),
    progress: { startOffset: 7n, nextOffset: 12n, malformed: 0, skipped: 0 },
  };
  const startOf = (committed: bigint, start: bigint) => {
    const counter = continueCounting(0, stored, { committed, start });
    const rows = new MetricsRows();
    counter.count(NOTHING, start + 1n).rows.forEach((row) => rows.apply(row));
    return rows.partition(0).progress!.startOffset;
  };
  assertEquals(startOf(12n, 12n), 7n, "it goes on where it was");
  assertEquals(startOf(12n, 20n), 7n, "retention has deleted records that were not counted");
  assertEquals(startOf(9n, 9n), 9n, "somebody has moved the group");
});
