import { assertEquals } from "@std/assert";
import { MetricsRows, type PartitionRows } from "./metrics_rows.ts";
import { continueCounting } from "./partition_counter.ts";

const STORED: PartitionRows = {
  minutes: new Map([[5, { total: 3, failed: 1 }], [6, { total: 2, failed: 0 }]]),
  progress: { startOffset: 7n, nextOffset: 12n, malformed: 1, skipped: 2 },
};
const BATCH = { minutes: new Map([[6, { total: 1, failed: 1 }]]), malformed: 1, skipped: 0 };
const NOTHING = { minutes: new Map(), malformed: 0, skipped: 0 };

Deno.test("continueCounting keeps the start, and takes a new one when the group was moved", () => {
  const startOf = (committed: bigint, start: bigint) => {
    const counter = continueCounting(0, STORED, { committed, start });
    const rows = new MetricsRows();
    counter.count(NOTHING, start + 1n).rows.forEach((row) => rows.apply(row));
    return rows.partition(0).progress!.startOffset;
  };
  assertEquals(startOf(12n, 12n), 7n, "it goes on where it was");
  assertEquals(startOf(12n, 20n), 7n, "retention has deleted records that were not counted");
  assertEquals(startOf(9n, 9n), 9n, "the group was moved");
});

Deno.test("continueCounting adds each batch to what is committed, not to what was aborted", () => {
  const counter = continueCounting(3, STORED, { committed: 12n, start: 12n });
  assertEquals(counter.pending, false);
  const rowsOf = (total: number, failed: number, offset: number, malformed: number) => [
    { key: "3/1970-01-01T00:06Z", value: `{"total":${total},"failed":${failed}}` },
    {
      key: "3/progress",
      value: `{"start_offset":"7","next_offset":"${offset}","malformed":${malformed},"skipped":2}`,
    },
  ];
  assertEquals(counter.count(BATCH, 13n).rows, rowsOf(3, 1, 13, 2), "this one is aborted");
  const { rows, committed } = counter.count(BATCH, 14n);
  assertEquals(rows, rowsOf(3, 1, 14, 2));
  committed();
  assertEquals(counter.count(BATCH, 15n).rows, rowsOf(4, 2, 15, 3));
  assertEquals(STORED.minutes.get(6), { total: 2, failed: 0 }, "the stored rows are not changed");
});

Deno.test("continueCounting of a group that was moved deletes the rows of before, once", () => {
  const counter = continueCounting(3, STORED, { committed: 0n, start: 0n });
  assertEquals(counter.pending, true, "the rows have to go even if no record comes");
  const { rows, committed } = counter.count(BATCH, 1n);
  assertEquals(rows, [
    { key: "3/1970-01-01T00:05Z", value: null },
    { key: "3/1970-01-01T00:06Z", value: '{"total":1,"failed":1}' },
    {
      key: "3/progress",
      value: '{"start_offset":"0","next_offset":"1","malformed":1,"skipped":0}',
    },
  ]);
  committed();
  assertEquals(counter.pending, false);
  assertEquals(counter.count(NOTHING, 2n).rows.map(({ key }) => key), ["3/progress"]);
});
