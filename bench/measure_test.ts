import { assertEquals } from "@std/assert";
import { inSeries, memoryOf, splitTimes, spreadOf } from "./measure.ts";

Deno.test("spreadOf takes the middle value, or the mean of the two middle values", () => {
  assertEquals(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 });
  assertEquals(spreadOf([4, 1, 2, 10]), { median: 3, min: 1, max: 10, count: 4 });
  assertEquals(spreadOf([]), undefined);
});

Deno.test("spreadOf does not change its argument", () => {
  const values = [2, 1];
  spreadOf(values);
  assertEquals(values, [2, 1]);
});

Deno.test("splitTimes takes the child's times from the end of stderr", () => {
  const times = "0m0.00s 0m0.01s\n1m2.50s 0m0.25s\n";
  assertEquals(splitTimes(`a note\n${times}`), { text: "a note", cpuSeconds: 62.75 });
  assertEquals(splitTimes(times), { text: "", cpuSeconds: 62.75 });
});

Deno.test("splitTimes understands the form of bash, and leaves other text alone", () => {
  const times = "0m0.000s 0m0.010s\n0m1.500s 0m0.250s\n";
  assertEquals(splitTimes(times).cpuSeconds, 1.75);
  assertEquals(splitTimes("killed\n"), { text: "killed\n", cpuSeconds: NaN });
});

Deno.test("memoryOf returns the peak of all samples and the median of the later half", () => {
  assertEquals(memoryOf([10, 90, 50, 52]), { peakMb: 90, steadyMb: 51 });
  assertEquals(memoryOf([]), undefined);
});

Deno.test("inSeries adds the times of the steps", () => {
  assertEquals(inSeries(100, 100), 50);
  assertEquals(Math.round(inSeries(520_000, 630_000)), 284_870);
});
