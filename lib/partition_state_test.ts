import { assertEquals } from "@std/assert";
import { minuteTable } from "./metrics_table.ts";
import type { Minute, MinuteCount } from "./minute_window.ts";
import { partitionState } from "./partition_state.ts";
import type { PartitionRows } from "./state_rows.ts";

const PROGRESS = {
  ...{ startOffset: 7n, nextOffset: 12n, malformed: 1, skipped: 2 },
  ...{ topicId: undefined, stateTopicId: undefined },
};
const STORED: PartitionRows<Minute, MinuteCount> = {
  counts: new Map([[5, { total: 3, failed: 1 }], [6, { total: 2, failed: 0 }]]),
  progress: PROGRESS,
};
const BATCH = { counts: new Map([[6, { total: 1, failed: 1 }]]), malformed: 1, skipped: 0 };
const NOTHING = { counts: new Map(), malformed: 0, skipped: 0 };

Deno.test("partitionState adds each batch to what is committed, not to what was aborted", () => {
  const initial = { counts: new Map(STORED.counts), progress: PROGRESS };
  const state = partitionState(minuteTable, 3, { stored: STORED, initial });
  assertEquals(state.pending, false);
  const rowsOf = (total: number, failed: number, offset: number, malformed: number) => [
    { key: "3/1970-01-01T00:06Z", value: `{"total":${total},"failed":${failed}}` },
    {
      key: "3/progress",
      value: `{"start_offset":"7","next_offset":"${offset}","malformed":${malformed},"skipped":2}`,
    },
  ];
  assertEquals(state.add(BATCH, 13n).rows, rowsOf(3, 1, 13, 2), "this one is aborted");
  const { rows, committed } = state.add(BATCH, 14n);
  assertEquals(rows, rowsOf(3, 1, 14, 2));
  committed();
  assertEquals(state.add(BATCH, 15n).rows, rowsOf(4, 2, 15, 3));
  assertEquals(STORED.counts.get(6), { total: 2, failed: 0 }, "the stored rows are not changed");
});

Deno.test("partitionState corrects the stored rows once: it deletes what is gone and writes what differs", () => {
  const counts = new Map([[6, { total: 9, failed: 0 }], [7, { total: 1, failed: 0 }]]);
  const progress = { ...PROGRESS, startOffset: 0n, nextOffset: 0n, malformed: 0, skipped: 0 };
  const state = partitionState(minuteTable, 3, { stored: STORED, initial: { counts, progress } });
  assertEquals(state.pending, true, "the rows have to be corrected even if no record comes");
  const { rows, committed } = state.add(BATCH, 1n);
  assertEquals(rows, [
    { key: "3/1970-01-01T00:05Z", value: null },
    { key: "3/1970-01-01T00:06Z", value: '{"total":10,"failed":1}' },
    { key: "3/1970-01-01T00:07Z", value: '{"total":1,"failed":0}' },
    {
      key: "3/progress",
      value: '{"start_offset":"0","next_offset":"1","malformed":1,"skipped":0}',
    },
  ]);
  committed();
  assertEquals(state.pending, false);
  assertEquals(state.add(NOTHING, 2n).rows.map(({ key }) => key), ["3/progress"]);
});
