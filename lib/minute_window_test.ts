import { assertEquals } from "@std/assert";
import {
  countOrder,
  formatMinute,
  type MinuteCounts,
  minuteOf,
  OrderTally,
  parseMinute,
} from "./minute_window.ts";
import { parseTimestampMs } from "./timestamp.ts";

Deno.test("minuteOf includes the start of a minute and excludes its end", () => {
  const start = Date.UTC(2026, 1, 17, 14, 33);
  const minute = start / 60_000;
  assertEquals(minuteOf(start - 1), minute - 1);
  assertEquals(minuteOf(start), minute);
  assertEquals(minuteOf(start + 59_999), minute);
  assertEquals(minuteOf(start + 60_000), minute + 1);
});

Deno.test("minuteOf goes down, not towards zero, before 1970", () => {
  assertEquals(minuteOf(-1), -1);
  assertEquals(minuteOf(-60_000), -1);
  assertEquals(minuteOf(-60_001), -2);
  assertEquals(formatMinute(minuteOf(-1)), "1969-12-31T23:59Z");
});

Deno.test("countOrder counts by the order's own minute, whatever its zone and the order of arrival", () => {
  const arrivals: [string, boolean][] = [
    ["2026-02-17T14:34:00.000Z", false],
    ["2026-02-17T14:33:59.999Z", true],
    ["2026-02-17T15:33:00+01:00", false],
    ["1969-12-31T23:59:59.999", false],
    ["2026-02-17T14:33", true],
    ["2024-02-29T23:59:59.999Z", false],
    ["2026-02-17T09:03:30.5-05:30", false],
  ];
  const expected = [
    ["1969-12-31T23:59Z", { total: 1, failed: 0 }],
    ["2024-02-29T23:59Z", { total: 1, failed: 0 }],
    ["2026-02-17T14:33Z", { total: 4, failed: 2 }],
    ["2026-02-17T14:34Z", { total: 1, failed: 0 }],
  ];
  for (const order of [arrivals, arrivals.toReversed()]) {
    const counts: MinuteCounts = new Map();
    for (const [time, failed] of order) countOrder(counts, parseTimestampMs(time), failed);
    const rows = [...counts].sort(([a], [b]) => a - b);
    assertEquals(rows.map(([minute, count]) => [formatMinute(minute), count]), expected);
  }
});

Deno.test("formatMinute and parseMinute are each other's inverse", () => {
  for (
    const [text, ms] of [
      ["2026-02-17T14:33Z", Date.UTC(2026, 1, 17, 14, 33)],
      ["1970-01-01T00:00Z", 0],
      ["1969-12-31T23:59Z", -60_000],
      ["0000-01-01T00:00Z", -62_167_219_200_000],
      ["9999-12-31T23:59Z", 253_402_300_740_000],
    ] as const
  ) {
    assertEquals(formatMinute(ms / 60_000), text);
    assertEquals(parseMinute(text), ms / 60_000);
  }
});

Deno.test("parseMinute takes no other form", () => {
  for (
    const text of [
      "",
      "progress",
      "2026-02-17T14:33",
      "2026-02-17 14:33Z",
      "2026-02-17T14:33:00Z",
      "2026-02-17T14:33+00",
      "2026-02-17T14:33z",
      "2026-02-30T14:33Z",
      "2026-02-17T24:00Z",
      "2026-2-17T014:33Z",
      "2026-02-17T14:33ZZ",
    ]
  ) assertEquals(parseMinute(text), undefined, text);
});

Deno.test("OrderTally prints rate, average and newest minute, whatever the order of arrival", () => {
  const tally = new OrderTally();
  assertEquals(String(tally), "0 orders counted");
  const at = (text: string) => Date.parse(`2024-01-15T${text}Z`);
  tally.add(at("10:31:00"), false);
  tally.add(at("10:30:59.999"), true);
  tally.add(at("10:31:59.999"), false);
  tally.add(at("09:00:00"), false);
  assertEquals(tally.total, 4);
  assertEquals(
    String(tally),
    "4 orders counted, 25.0% failed, 1.3 per minute, 2 in 2024-01-15T10:31Z",
  );
});
