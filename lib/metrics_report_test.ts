import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  type Metrics,
  metricsReport,
  pythonFloat,
  reportJson,
  reportText,
  roundHalfEven2,
} from "./metrics_report.ts";
import { type MinuteCount, parseMinute } from "./minute_window.ts";

/** Metrics of minutes given as `2026-02-17T14:33Z`, total and failed. */
function metricsOf(
  rows: [string, number, number][],
  { malformed = 0, skipped = 0 } = {},
): Metrics {
  const minutes = new Map(
    rows.map(([minute, total, failed]): [number, MinuteCount] => [
      parseMinute(minute)!,
      { total, failed },
    ]),
  );
  return { minutes, malformed, skipped };
}

const SEVERAL: [string, number, number][] = [
  ["2026-02-17T14:35Z", 5, 0],
  ["2026-02-16T23:59Z", 1, 1],
  ["2026-02-17T14:33Z", 4, 1],
];

Deno.test("reportText has the form that other programs read", () => {
  const report = metricsReport(metricsOf([["2026-02-17T14:33Z", 1000, 49]]));
  assertEquals(
    reportText(report),
    `ANALYTICS METRICS REPORT
==================================================
Total Orders: 1000
Failed Orders: 49
Failure Rate: 4.9%
Average Orders per Minute: 1000.0
Current Orders per Minute: 1000

Orders by Minute:
  2026-02-17 14:33:00: 1000 orders
==================================================
`,
  );
});

Deno.test("reportText lists minutes oldest first and averages over those that have orders", () => {
  const report = metricsReport(metricsOf(SEVERAL));
  // 2 of 10 failed; 10 orders in 3 minutes; the newest minute has 5.
  assertEquals(
    reportText(report),
    `ANALYTICS METRICS REPORT
==================================================
Total Orders: 10
Failed Orders: 2
Failure Rate: 20.0%
Average Orders per Minute: 3.33
Current Orders per Minute: 5

Orders by Minute:
  2026-02-16 23:59:00: 1 orders
  2026-02-17 14:33:00: 4 orders
  2026-02-17 14:35:00: 5 orders
==================================================
`,
  );
});

Deno.test("reportText has a line for dead letters only if there are any", () => {
  const text = reportText(
    metricsReport(metricsOf([["2026-02-17T14:33Z", 1, 0]], { malformed: 3 })),
  );
  assertEquals(text.split("\n").slice(6, 9), [
    "Current Orders per Minute: 1",
    "Dead Letters: 3",
    "",
  ]);
});

Deno.test("reportText without orders says zero", () => {
  assertEquals(
    reportText(metricsReport(metricsOf([]))),
    `ANALYTICS METRICS REPORT
==================================================
Total Orders: 0
Failed Orders: 0
Failure Rate: 0.0%
Average Orders per Minute: 0.0
Current Orders per Minute: 0

Orders by Minute:
==================================================
`,
  );
});

Deno.test("reportJson has the documented names, and the digest that sha256sum gives", () => {
  const report = metricsReport(
    metricsOf([["2026-02-17T14:33Z", 1000, 49]], { malformed: 2, skipped: 1 }),
  );
  // printf '2026-02-17T14:33Z 1000 49\nmalformed 2\nskipped 1\n' | sha256sum
  assertEquals(
    reportJson(report),
    '{"total_orders":1000,"failed_orders":49,"failure_rate_percent":4.9,' +
      '"average_orders_per_minute":1000,"current_orders_per_minute":1000,' +
      '"orders_by_minute":{"2026-02-17T14:33:00Z":1000},' +
      '"failed_orders_by_minute":{"2026-02-17T14:33:00Z":49},"malformed_events":2,' +
      '"skipped_events":1,"digest":' +
      '"caa4f6e200e3da79d49d3f837a7c13a73850c49e5185a2fc0d65ddec6b7c4c69"}\n',
  );
});

Deno.test("metricsReport does not depend on the order of insertion or on minutes without orders", () => {
  const once = metricsReport(metricsOf(SEVERAL));
  const other = metricsReport(
    metricsOf([["2030-01-01T00:00Z", 0, 0], ...SEVERAL.toReversed(), ["1970-01-01T00:00Z", 0, 0]]),
  );
  assertEquals(reportText(other), reportText(once));
  assertEquals(reportJson(other), reportJson(once));
});

Deno.test("metricsReport leaves what was counted as it is", () => {
  const metrics = metricsOf([...SEVERAL, ["2030-01-01T00:00Z", 0, 0]]);
  metricsReport(metrics);
  assertEquals(metrics, metricsOf([...SEVERAL, ["2030-01-01T00:00Z", 0, 0]]));
});

Deno.test("metricsReport's digest changes with every figure", () => {
  const metrics: Metrics[] = [
    metricsOf(SEVERAL),
    metricsOf(SEVERAL, { malformed: 1 }),
    metricsOf(SEVERAL, { skipped: 1 }),
    metricsOf([...SEVERAL, ["2026-02-17T14:34Z", 1, 0]]),
    metricsOf(SEVERAL.slice(1)),
    // As many failed in all, in other minutes: the text is the same, the digest is not.
    metricsOf(SEVERAL.map(([minute, total], index) => [minute, total, [2, 0, 0][index]!])),
  ];
  const reports = metrics.map(metricsReport);
  assertEquals(new Set(reports.map(({ digest }) => digest)).size, metrics.length);
  assertEquals(reportText(reports[0]!), reportText(reports.at(-1)!));
  assertNotEquals(reportJson(reports[0]!), reportJson(reports.at(-1)!));
});

Deno.test("metricsReport computes the failure rate as Python does", () => {
  // What Python 3 gives for round(failed / total * 100, 2).
  const cases: [number, number, number][] = [
    [1, 3, 33.33],
    [2, 3, 66.67],
    [1, 800, 0.12],
    [3, 800, 0.38],
    [5, 800, 0.62],
    [7, 800, 0.88],
    [53, 800, 6.62],
    [57, 800, 7.12],
    [201, 20_000, 1],
    [57, 20_000, 0.29],
    [1, 100_000, 0],
    [9_999, 10_000, 99.99],
    [99_999, 100_000, 100],
  ];
  for (const [failed, total, percent] of cases) {
    const report = metricsReport(metricsOf([["2026-02-17T14:33Z", total, failed]]));
    assertEquals(report.failure_rate_percent, percent, `${failed}/${total}`);
  }
});

Deno.test("roundHalfEven2 rounds as Python's round(x, 2)", () => {
  const cases: [number, number][] = [
    [0.125, 0.12],
    [0.375, 0.38],
    [0.625, 0.62],
    [0.875, 0.88],
    [1.125, 1.12],
    [33.375, 33.38],
    [99.625, 99.62],
    [1000.125, 1000.12],
    [123456789.625, 123456789.62],
    [-0.125, -0.12],
    [-0.375, -0.38],
    // Not halves: the double is a little less or more than it looks.
    [2.675, 2.67],
    [1.005, 1],
    [0.005, 0.01],
    [0.015, 0.01],
    [0.045, 0.04],
    [0.285, 0.28],
    [1.115, 1.11],
    [0.12499999999999999, 0.12],
    [0.12500000000000003, 0.13],
    [0.25, 0.25],
    [0.5, 0.5],
    [0, 0],
    [100, 100],
    [1e22, 1e22],
  ];
  for (const [x, rounded] of cases) assertEquals(roundHalfEven2(x), rounded, `${x}`);
});

Deno.test("roundHalfEven2 takes the even neighbour of every odd multiple of 1/8", () => {
  for (let eighths = 1; eighths < 20_000; eighths += 2) {
    // In thousandths the halves are whole: no rounding error in what is expected.
    const thousandths = eighths * 125;
    const below = Math.floor(thousandths / 10);
    const expected = (below % 2 === 0 ? below : below + 1) / 100;
    assertEquals(roundHalfEven2(eighths / 8), expected);
  }
});

Deno.test("pythonFloat always shows a decimal", () => {
  const cases: [number, string][] = [
    [4.9, "4.9"],
    [0, "0.0"],
    [1000, "1000.0"],
    [100, "100.0"],
    [33.33, "33.33"],
    [0.01, "0.01"],
    [1234567.5, "1234567.5"],
  ];
  for (const [x, text] of cases) assertEquals(pythonFloat(x), text);
  assert(pythonFloat(roundHalfEven2(200 / 3)) === "66.67");
});
