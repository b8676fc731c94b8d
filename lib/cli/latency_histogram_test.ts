import { assert, assertEquals } from "@std/assert";
import { LatencyHistogram } from "./latency_histogram.ts";

Deno.test("LatencyHistogram computes percentiles within 1 %", () => {
  const histogram = new LatencyHistogram();
  histogram.add(Array.from({ length: 1_000 }, (_, index) => (index + 1) / 10));
  for (const [share, ms] of [[0.5, 50], [0.95, 95], [0.99, 99]] as const) {
    assert(Math.abs(histogram.percentileMs(share) / ms - 1) < 0.01, `${share}`);
  }
  assertEquals(histogram.maxMs, 100);
  assert(Math.abs(histogram.percentileMs(1) - 100) < 1);
});

Deno.test("LatencyHistogram without latencies says 0", () => {
  assertEquals(new LatencyHistogram().percentileMs(0.99), 0);
  assertEquals(new LatencyHistogram().maxMs, 0);
});
