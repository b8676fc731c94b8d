import { assertEquals, assertThrows } from "@std/assert";
import { MetricsRows, progressRow } from "./metrics_rows.ts";

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

Deno.test("MetricsRows refuses rows that analytics does not write, with the reason", () => {
  const cases: [string, string, string][] = [
    [
      "0/2026-02-17T14:33Z",
      '{"total":-1,"failed":0}',
      "(total: expected a whole number of at least 0",
    ],
    ["0/2026-02-17T14:33Z", '{"total":1}', "(failed: missing)"],
    [
      "0/progress",
      '{"next_offset":"1a","malformed":0,"skipped":0}',
      "(next_offset: expected digits",
    ],
    ["0/progress", "not JSON", "(not JSON: "],
  ];
  for (const [key, value, reason] of cases) {
    const message = `the metrics row "${key}" holds ${JSON.stringify(value)}, which is not what`;
    assertThrows(() => new MetricsRows().apply({ key, value }), Error, message);
    assertThrows(() => new MetricsRows().apply({ key, value }), Error, reason);
  }
});
