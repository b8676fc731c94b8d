import { assertEquals } from "@std/assert";
import { minuteTable } from "./metrics_table.ts";
import type { Minute, MinuteCount } from "./minute_window.ts";
import { StateRows } from "./state_rows.ts";
import { encodeOrder, type OrderPlaced } from "./order.ts";
import { formatTimestamp } from "./timestamp.ts";
import { compareMetrics, differenceText, Recount } from "./metrics_comparison.ts";

const FIRST_MS = Date.UTC(2026, 1, 17, 14, 33);

const MALFORMED = { value: new TextEncoder().encode("not JSON") };

/** Records of the given number of orders in a minute. */
function records(minute: number, placed: number, failed: number) {
  const order = (status: OrderPlaced["status"]) => ({
    value: new TextEncoder().encode(encodeOrder({
      event_type: "OrderPlaced",
      order_id: "order_1",
      user_id: "user_1",
      items: [{ item_id: "soup", quantity: 1, price: 5 }],
      total_amount: 5,
      status,
      timestamp: formatTimestamp(FIRST_MS + minute * 60_000),
    })),
  });
  return [
    ...Array.from({ length: placed }, () => order("placed")),
    ...Array.from({ length: failed }, () => order("failed")),
  ];
}

/** What two partitions hold when the replay is right. */
function stored(): StateRows<Minute, MinuteCount> {
  const rows = new StateRows(minuteTable);
  rows.apply({ key: "0/2026-02-17T14:33Z", value: '{"total":3,"failed":1}' });
  rows.apply({ key: "0/progress", value: '{"next_offset":"3","malformed":0,"skipped":0}' });
  rows.apply({ key: "1/2026-02-17T14:33Z", value: '{"total":1,"failed":0}' });
  rows.apply({ key: "1/2026-02-17T14:34Z", value: '{"total":2,"failed":0}' });
  rows.apply({ key: "1/progress", value: '{"next_offset":"4","malformed":1,"skipped":0}' });
  return rows;
}

function replayed(): Recount {
  const recount = new Recount();
  recount.add(0, records(0, 2, 1));
  recount.add(1, records(0, 1, 0));
  recount.add(1, [...records(1, 2, 0), MALFORMED]);
  return recount;
}

Deno.test("compareMetrics finds equal counts equal, by the same digest", () => {
  const { storedDigest, replayedDigest, differences } = compareMetrics(
    stored(),
    replayed(),
    [0, 1],
  );
  assertEquals(differences, []);
  assertEquals(storedDigest, replayedDigest);
  assertEquals(replayed().orders, 6);
});

Deno.test("compareMetrics names each difference, the oldest minute first", () => {
  const rows = stored();
  rows.apply({ key: "1/2026-02-17T14:34Z", value: '{"total":2,"failed":2}' });
  rows.apply({ key: "1/2026-02-17T14:32Z", value: '{"total":7,"failed":0}' });
  rows.apply({ key: "0/progress", value: '{"next_offset":"3","malformed":0,"skipped":2}' });
  const { storedDigest, replayedDigest, differences } = compareMetrics(rows, replayed(), [0, 1]);
  assertEquals(storedDigest === replayedDigest, false);
  assertEquals(differences.map(differenceText), [
    "2026-02-17T14:32Z, partition 1: stored 7 orders (0 failed), replayed 0 orders (0 failed)",
    "2026-02-17T14:34Z, partition 1: stored 2 orders (2 failed), replayed 2 orders (0 failed)",
    "partition 0: stored 2 skipped records, replayed 0 skipped records",
  ]);
});

Deno.test("compareMetrics sees counts that were put into another partition", () => {
  const moved = new Recount();
  moved.add(0, records(0, 3, 1));
  moved.add(1, [...records(1, 2, 0), MALFORMED]);
  const { storedDigest, replayedDigest, differences } = compareMetrics(stored(), moved, [0, 1]);
  assertEquals(storedDigest, replayedDigest);
  assertEquals(differences.map(({ partition }) => partition), [0, 1]);
});

Deno.test("compareMetrics leaves other partitions alone", () => {
  const { storedDigest, replayedDigest, differences } = compareMetrics(
    stored(),
    replayed(),
    [1],
  );
  assertEquals([differences, storedDigest], [[], replayedDigest]);
});
