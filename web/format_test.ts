import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { metricsReport, reportText } from "../lib/metrics_report.ts";
import { visible as visibleOnTerminal } from "../lib/visible_text.ts";
import {
  amount,
  barLength,
  count,
  dayMinute,
  duration,
  rate,
  reported,
  shortened,
  visible,
} from "./format.js";

const NOON = Date.UTC(2026, 1, 17, 12) / 1_000;

Deno.test("reported and count have the digits of metrics_output.txt", () => {
  for (let total = 1; total < 3_000; total = Math.ceil(total * 1.07)) {
    for (const share of [0, 0.001, 0.05, 1 / 3, 0.5, 1]) {
      const failed = Math.floor(total * share);
      const minutes = new Map([
        [0, { total, failed }],
        [1, { total: total * 1_000, failed }],
        [2, { total: 1, failed: 0 }],
      ]);
      const report = metricsReport({ minutes, malformed: 0, skipped: 0 });
      const shown = [
        `Total Orders: ${count(report.total_orders)}`,
        `Failed Orders: ${count(report.failed_orders)}`,
        `Failure Rate: ${reported(report.failure_rate_percent)}%`,
        `Average Orders per Minute: ${reported(report.average_orders_per_minute)}`,
        `Current Orders per Minute: ${count(report.current_orders_per_minute)}`,
      ];
      const lines = reportText(report).split("\n").slice(2, 7);
      assertEquals(shown.map((line) => line.replaceAll(",", "")), lines);
    }
  }
  assertEquals(reported(1_234_567.5), "1,234,567.5");
});

Deno.test("visible escapes the characters that the programs escape", () => {
  for (let plane = 0; plane <= 0x10; plane++) {
    const all = Array.from({ length: 0x1_0000 }, (_, low) => plane * 0x1_0000 + low);
    const text = all.map((each) => `${String.fromCodePoint(each)} `).join("");
    assertEquals(visible(text) === visibleOnTerminal(text), true, `plane ${plane}`);
  }
  assertEquals(visible("\u202eevil\u0007"), "\\u202eevil\\u0007");
});

Deno.test("shortened has at most the given number of characters, none of them halved", () => {
  assertEquals(shortened("burger", 6), "burger");
  assertEquals(shortened("burgers", 6), "burge…");
  for (const text of ["x".repeat(10_000), "🍔".repeat(5_000), "\u202e".repeat(10_000)]) {
    for (const characters of [1, 2, 7, 8, 100]) {
      const short = shortened(text, characters);
      assertEquals([...short].length, characters);
      assert(short.endsWith("…"));
      assert(short.isWellFormed());
    }
  }
});

Deno.test("count, rate and amount group digits, and show what is not known as a dash", () => {
  assertEquals([0, 1_234_567, -20_000].map(count), ["0", "1,234,567", "−20,000"]);
  assertEquals([0, 0.25, 9.94, 9.96, 12_345.6].map(rate), ["0", "0.3", "9.9", "10", "12,346"]);
  assertEquals([0, 20, 1_234.5, 1e300].map(amount), ["0.00", "20.00", "1,234.50", "1.00e+300"]);
  assertEquals([count(null), rate(null), duration(null).join("")], ["–", "–", "–"]);
});

Deno.test("duration keeps the number short", () => {
  const shown = [0, 0.04, 9.9, 9.96, 119, 120, 7_199, 7_200, 172_800].map((each) =>
    duration(each).join(" ")
  );
  assertEquals(shown, [
    ...["0.0 s", "0.0 s", "9.9 s", "10 s", "119 s", "2 min", "120 min", "2.0 h", "2 days"],
  ]);
});

Deno.test("barLength names minutes, hours and days", () => {
  assertEquals([1, 10, 60, 720, 1_440, 10_080].map(barLength), [
    ...["1 minute", "10 minutes", "1 hour", "12 hours", "1 day", "7 days"],
  ]);
});

Deno.test("dayMinute names the day of another day, and the year of another year", () => {
  assertEquals(dayMinute(NOON + 60, NOON), "12:01");
  assertEquals(dayMinute(NOON - 86_400, NOON), "16 Feb 12:00");
  assertEquals(dayMinute(NOON - 366 * 86_400, NOON), "16 Feb 2025 12:00");
  assertNotEquals(dayMinute(1e15, NOON), "");
});
