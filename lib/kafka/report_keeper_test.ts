import { assertEquals, assertRejects } from "@std/assert";
import { allMetrics, minuteTable } from "../metrics_table.ts";
import { countsRow, StateRows } from "../state_rows.ts";
import { ReportKeeper, type ReportSource } from "./report_keeper.ts";

/** A view of rows in memory, which is complete as soon as somebody asks. */
class RowsInMemory implements ReportSource {
  rows = new StateRows(minuteTable);
  generation = 1;
  allPartitions = [0];
  asked = 0;
  onAsked = () => {};

  readUpToBarrier<T>(_partitions: readonly number[], signal: AbortSignal, read: () => T) {
    this.asked++;
    this.onAsked();
    if (signal.aborted) return Promise.reject(signal.reason);
    return Promise.resolve(read());
  }

  add(total: number): void {
    const row = { key: 29_000_000, counts: { total, failed: 0 } };
    this.rows.apply(countsRow(minuteTable, 0, row));
  }
}

function totalOf(view: RowsInMemory): number {
  return [...allMetrics(view.rows).minutes].reduce((sum, [, { total }]) => sum + total, 0);
}

/** Runs `keep` for as many rounds as there are steps, each step before its round. */
async function keep(keeper: ReportKeeper, steps: (() => void)[]): Promise<void> {
  const end = new AbortController();
  await keeper.keep(end.signal, () => {
    const step = steps.shift();
    if (step === undefined) end.abort();
    else step();
    return Promise.resolve();
  });
}

Deno.test("ReportKeeper writes when the metrics have changed, and only then", async () => {
  const view = new RowsInMemory();
  const written: number[] = [];
  const keeper = new ReportKeeper(view, () => {
    written.push(totalOf(view));
    return Promise.resolve(true);
  });
  await keep(keeper, [() => view.add(3), () => {}, () => view.add(5), () => {}]);
  assertEquals(written, [3, 5]);
  assertEquals(view.asked, 1, "a complete view stays complete");
});

Deno.test("ReportKeeper catches up again after the view was reset", async () => {
  const view = new RowsInMemory();
  const written: number[] = [];
  const keeper = new ReportKeeper(view, () => {
    written.push(totalOf(view));
    return Promise.resolve(true);
  });
  await keep(keeper, [() => view.add(3), () => {
    view.generation++;
    view.rows.clear();
    assertEquals(keeper.isComplete, false);
    view.add(4);
  }]);
  assertEquals(written, [3, 4]);
  assertEquals(view.asked, 2);
});

Deno.test("ReportKeeper.keep ends quietly when it is aborted", async () => {
  const keeper = new ReportKeeper(new RowsInMemory(), () => Promise.resolve(true));
  await keeper.keep(AbortSignal.abort());
});

Deno.test("ReportKeeper.keep waits by the time that writing takes, not by that of catching up", async () => {
  const view = new RowsInMemory();
  const { now } = performance;
  let ms = 0;
  performance.now = () => ms;
  try {
    view.onAsked = () => ms += 15_000;
    const keeper = new ReportKeeper(view, () => {
      ms += 500;
      return Promise.resolve(true);
    });
    const waits: number[] = [];
    const end = new AbortController();
    await keeper.keep(end.signal, (waitMs) => {
      waits.push(waitMs);
      view.add(1);
      if (waits.length === 2) view.generation++;
      if (waits.length === 4) end.abort();
      return Promise.resolve();
    });
    assertEquals(waits, [1_000, 5_000, 5_000, 5_000]);
  } finally {
    performance.now = now;
  }
});

Deno.test("ReportKeeper.write writes what is there, also when nothing has changed or a write failed", async () => {
  const view = new RowsInMemory();
  view.add(3);
  const written: number[] = [];
  let isFull = true;
  const keeper = new ReportKeeper(view, () => {
    if (isFull) return Promise.resolve(false);
    written.push(totalOf(view));
    return Promise.resolve(true);
  });
  await keep(keeper, [() => {}]);
  isFull = false;
  await keep(keeper, [() => {}, () => {}]);
  assertEquals(written, [3], "a report that failed is written again");
  await keeper.write();
  assertEquals(written, [3, 3]);
});

Deno.test("ReportKeeper.catchUp passes the abort on and leaves the view incomplete", async () => {
  const keeper = new ReportKeeper(new RowsInMemory(), () => Promise.resolve(true));
  await assertRejects(
    () => keeper.catchUp(AbortSignal.abort(new Error("enough"))),
    Error,
    "enough",
  );
  assertEquals(keeper.isComplete, false);
});
