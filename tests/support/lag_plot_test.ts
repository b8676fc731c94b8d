import { assertEquals, assertStringIncludes } from "@std/assert";
import { lagArc, lagPlot, ticks } from "./lag_plot.ts";

const CURVE = [
  { ms: 0, lag: 0 },
  { ms: 500, lag: 1_000 },
  { ms: 1_000, lag: 400 },
  { ms: 2_500, lag: 0 },
  { ms: 3_000, lag: 0 },
];

Deno.test("lagArc finds the peak, the drain and the moment of catching up", () => {
  assertEquals(lagArc(CURVE), {
    peak: 1_000,
    peakMs: 500,
    caughtUpMs: 2_500,
    drainMs: 2_000,
    drainPerSecond: 500,
  });
});

Deno.test("lagArc has no end while the lag is above 0", () => {
  assertEquals(lagArc(CURVE.slice(0, 3)).caughtUpMs, undefined);
  assertEquals(lagArc(CURVE.slice(0, 3)).drainMs, undefined);
});

Deno.test("ticks are round and reach the maximum", () => {
  assertEquals(ticks(1_000), [0, 200, 400, 600, 800, 1_000]);
  assertEquals(ticks(2.51), [0, 1, 2, 3]);
  assertEquals(ticks(0), [0, 0.0002]);
});

Deno.test("lagPlot draws the curve within labelled axes, and names its moments", () => {
  const svg = lagPlot(CURVE, { title: "Lag & more", marks: [{ ms: 2_500, label: "caught up" }] });
  assertStringIncludes(svg, "Lag &amp; more");
  assertStringIncludes(svg, ">lag, in records</text>");
  assertStringIncludes(svg, ">seconds since the start</text>");
  assertStringIncludes(svg, ">peak 1,000</text>");
  assertStringIncludes(svg, ">caught up</text>");
  assertStringIncludes(svg, "prefers-color-scheme: dark");
  const line = /<polyline class="line" points="([^"]+)"/.exec(svg)![1]!;
  assertEquals(line.split(" ").length, CURVE.length);
});
