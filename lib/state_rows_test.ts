import { assertEquals, assertThrows } from "@std/assert";
import { minuteTable } from "./metrics_table.ts";
import { progressRow, StateRows } from "./state_rows.ts";

const PROGRESS = {
  startOffset: 7n,
  nextOffset: 12n,
  malformed: 1,
  skipped: 2,
  topicId: "5e1f0c9a7b3d4e2f8a6b1c0d9e8f7a6b",
  stateTopicId: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
};

Deno.test("progressRow keeps where the counting began and in which topics, and StateRows reads it back", () => {
  const row = progressRow(3, PROGRESS);
  assertEquals(row, {
    key: "3/progress",
    value: '{"start_offset":"7","next_offset":"12","malformed":1,"skipped":2,' +
      '"topic_id":"5e1f0c9a7b3d4e2f8a6b1c0d9e8f7a6b",' +
      '"state_topic_id":"0a1b2c3d4e5f60718293a4b5c6d7e8f9"}',
  });
  const rows = new StateRows(minuteTable);
  rows.apply(row);
  assertEquals(rows.partition(3).progress, PROGRESS);
});

Deno.test("StateRows reads a progress row of a version that did not keep start and topics", () => {
  const rows = new StateRows(minuteTable);
  const value = '{"next_offset":"12","malformed":0,"skipped":0}';
  rows.apply({ key: "3/progress", value });
  const progress = rows.partition(3).progress!;
  assertEquals([progress.startOffset, progress.topicId], [undefined, undefined]);
  assertEquals(progressRow(3, progress).value, value);
});

Deno.test("StateRows refuses rows that the service does not write, with the reason", () => {
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
    const message = `the state row "${key}" holds ${
      JSON.stringify(value)
    }, which is not what analytics`;
    assertThrows(() => new StateRows(minuteTable).apply({ key, value }), Error, message);
    assertThrows(() => new StateRows(minuteTable).apply({ key, value }), Error, reason);
  }
});
