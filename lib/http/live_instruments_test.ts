import { assertEquals } from "@std/assert";
import { type Instrument, single } from "../instruments.ts";
import { liveInstruments, type LiveSource } from "./live_instruments.ts";
import type { LiveGroup, LiveState } from "./live_view.ts";

function group(name: string, partitionCount: number): LiveGroup {
  return {
    ...{ group: name, verdict: "OK", members: 1, lag_records: 0, unread_records: 0 },
    ...{ lag_seconds: null, produced_per_second: 0, consumed_per_second: 0, drain_seconds: 0 },
    partitions: Array.from({ length: partitionCount }, (_, partition) => ({
      ...{ partition, committed: 1, end: 3, lag_records: partition === 1 ? null : 2 },
      ...{ lag_seconds: null, verdict: "OK", host: null },
    })),
  };
}

/** The samples of the instruments, as text, by their names. */
function samplesOf(state: Partial<LiveState> | undefined, changes: Partial<LiveSource> = {}) {
  const rows = {
    isComplete: true,
    rows: { version: 1, partitions: () => [{ progress: undefined }] },
  };
  const instruments = liveInstruments({
    ...{ analyticsGroup: "analytics", inventoryGroup: "inventory", metrics: rows, stock: rows },
    state: () => ({ groups: [], stock: [], ...state }) as unknown as LiveState,
    hasAllOrders: () => state !== undefined,
    viewers: () => ({ connected: 3, dropped: 1 }),
    ...changes,
  });
  const text = ({ read }: Instrument) =>
    [...read()].map(({ value, labels = {} }) => [...Object.values(labels), value].join(" "));
  return Object.fromEntries(
    instruments.map((each) => [each.name.replace(/^order_stream_/, ""), text(each)]),
  );
}

const metrics = { total_orders: 100, failed_orders: 4 } as LiveState["metrics"];

Deno.test("liveInstruments leave out what is not known", () => {
  const known = samplesOf({ metrics, groups: [group("analytics", 3)] });
  assertEquals(known.orders_total, ["placed 96", "failed 4"]);
  assertEquals(known.consumer_lag_records, ["analytics 0 2", "analytics 2 2"]);
  assertEquals(known.consumer_lag_seconds, []);
  assertEquals(samplesOf({ metrics }, { hasAllOrders: () => false }).orders_total, []);
  const stock = [{ item_id: "burger", reserved_units: 5, released_units: 1 }];
  assertEquals(samplesOf({ stock }).stock_units, ["burger reserve 5", "burger release 1"]);
  assertEquals(samplesOf({ stock }).stock_available_units, []);
  const oversold = [{ ...stock[0]!, available_units: -4 }];
  assertEquals(samplesOf({ stock: oversold }).stock_available_units, ["burger -4"]);
  const incomplete = {
    isComplete: false,
    rows: { version: 1, partitions: () => [] },
  };
  const reading = samplesOf({ stock }, { metrics: incomplete, stock: incomplete });
  assertEquals([reading.stock_units, reading.dead_letters_total], [[], []]);
});

Deno.test("liveInstruments add up the dead letters of each group", () => {
  const rowsWith = (...malformed: number[]) => ({
    isComplete: true,
    rows: {
      version: 1,
      partitions: () =>
        malformed.map((each) => ({
          progress: {
            ...{ malformed: each, skipped: 9, startOffset: 0n, nextOffset: 9n },
            ...{ topicId: undefined, stateTopicId: undefined },
          },
        })),
    },
  });
  const { dead_letters_total } = samplesOf({}, { metrics: rowsWith(1, 2), stock: rowsWith(4) });
  assertEquals(dead_letters_total, ["analytics 3", "inventory 4"]);
});

Deno.test("liveInstruments have a bounded number of series, and say how many are left out", () => {
  const many = Array.from({ length: 60 }, (_, index) => group(`g${index}`, 2));
  const stock = Array.from({ length: 700 }, (_, index) => ({
    ...{ item_id: `item_${index}`, reserved_units: 1, released_units: 0 },
  }));
  const bounded = samplesOf({ groups: [...many, group("inventory", 2)], stock });
  assertEquals(bounded.consumer_members!.length, 50);
  assertEquals(bounded.consumer_members![0], "inventory 1");
  assertEquals(bounded.stock_units!.length, 1_000);
  assertEquals(bounded.dashboard_left_out, ["group 11", "item 200"]);
  const large = samplesOf({ groups: [group("a", 1_500), group("b", 600), group("c", 500)] });
  assertEquals(large.consumer_members, ["a 1"]);
  assertEquals(large.dashboard_left_out, ["group 2", "item 0"]);
  assertEquals(single(undefined), []);
});
