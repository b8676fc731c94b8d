import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { chartSvg } from "./chart.ts";
import { spreadOf } from "./measure.ts";

function bar(label: string, ...values: number[]) {
  return { label, value: spreadOf(values)!, ours: label === "ours" };
}

const HEAD = { title: "Orders per second", subtitle: "two cores" };

Deno.test("chartSvg draws bars in proportion to their medians, each group on its own scale", () => {
  const svg = chartSvg([
    { title: "produce", bars: [bar("ours", 200), bar("theirs", 100)] },
    { title: "analytics", bars: [bar("ours", 3), bar("theirs", 1)] },
  ], HEAD);
  const widths = [...svg.matchAll(/class="(?:ours|bar)" .*? width="([\d.]+)"/g)]
    .map((match) => Number(match[1]));
  assertEquals(widths, [300, 150, 300, 100]);
});

Deno.test("chartSvg highlights our bars and draws a range if there is one", () => {
  const svg = chartSvg([{ title: "t", bars: [bar("ours", 80, 100), bar("theirs", 50)] }], HEAD);
  assertEquals(svg.match(/<rect class="ours"/g)?.length, 1);
  assertEquals(svg.match(/<line class="range"/g)?.length, 1);
});

Deno.test("chartSvg escapes markup and separates thousands", () => {
  const svg = chartSvg([{ title: "a < b & c", bars: [bar("<them>", 1234567)] }], HEAD);
  assertStringIncludes(svg, "a &lt; b &amp; c");
  assertStringIncludes(svg, "&lt;them&gt;");
  assertStringIncludes(svg, ">1,234,567<");
  assert(!svg.includes("<them>"));
});

Deno.test("chartSvg has colours for dark screens and a height that fits its bars", () => {
  const svg = chartSvg([{ title: "t", bars: [bar("ours", 1)] }], HEAD);
  assertMatch(svg, /@media \(prefers-color-scheme: dark\)/);
  assertMatch(svg, /height="137" viewBox="0 0 860 137"/);
});
