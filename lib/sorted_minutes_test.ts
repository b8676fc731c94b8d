import { assertEquals } from "@std/assert";
import { minuteTable } from "./metrics_table.ts";
import type { Minute, MinuteCount } from "./minute_window.ts";
import { SortedMinutes } from "./sorted_minutes.ts";
import { StateRows } from "./state_rows.ts";

/** Rows, and a clock that says that each sorting takes two seconds. */
function slowlySorted() {
  const rows = new StateRows<Minute, MinuteCount>(minuteTable);
  const sorted = new SortedMinutes();
  const add = (minute: string, total: number) =>
    rows.apply({ key: `0/${minute}`, value: JSON.stringify({ total, failed: 0 }) });
  const update = (nowMs: number, isComplete: boolean) => {
    let readings = 0;
    sorted.update(rows, { isComplete, clock: () => nowMs + 2_000 * readings++ });
    const { placed } = sorted.series;
    return { isComplete: sorted.isComplete, orders: placed.reduce((sum, each) => sum + each, 0) };
  };
  return { add, update };
}

Deno.test("SortedMinutes sorts changed rows again, the later the longer it takes", () => {
  const { add, update } = slowlySorted();
  add("2026-02-17T14:33Z", 5);
  assertEquals(update(0, true), { isComplete: true, orders: 5 });
  add("2026-02-17T14:34Z", 2);
  assertEquals(update(39_000, true), { isComplete: true, orders: 5 });
  assertEquals(update(40_000, true), { isComplete: true, orders: 7 });
});

Deno.test("SortedMinutes is complete only once it has sorted complete rows, which it does at once", () => {
  const { add, update } = slowlySorted();
  add("2026-02-17T14:33Z", 5);
  assertEquals(update(0, false), { isComplete: false, orders: 5 });
  add("2026-02-17T14:34Z", 2);
  assertEquals(update(1_000, false), { isComplete: false, orders: 5 });
  assertEquals(update(3_000, true), { isComplete: true, orders: 7 });
});

Deno.test("SortedMinutes becomes complete without a change when nothing was missing", () => {
  const { add, update } = slowlySorted();
  add("2026-02-17T14:33Z", 5);
  assertEquals(update(0, false), { isComplete: false, orders: 5 });
  assertEquals(update(1_000, true), { isComplete: true, orders: 5 });
});
