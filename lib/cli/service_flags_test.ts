import { assertEquals, assertThrows } from "@std/assert";
import { COMPRESSIONS, DEFAULT_COMPRESSION } from "../compression.ts";
import { parseFlags, UsageError } from "./flags.ts";
import { atEach, serviceFlags } from "./service_flags.ts";

Deno.test("--throttle takes a duration, or milliseconds, of at most a minute", () => {
  const throttle = (text: string) =>
    parseFlags(serviceFlags("analytics"), ["--throttle", text]).options.throttle;
  assertEquals([throttle("10"), throttle("10ms"), throttle("2s"), throttle("0")], [
    10,
    10,
    2_000,
    0,
  ]);
  assertThrows(() => throttle("61s"), UsageError, "at most 60s");
  assertThrows(() => throttle("ten"), UsageError, "expected a duration");
});

Deno.test("--compression takes the compressions of Kafka", () => {
  const compression = (...args: string[]) =>
    parseFlags(serviceFlags("analytics"), args).options.compression;
  assertEquals(COMPRESSIONS.map((each) => compression("--compression", each)), [...COMPRESSIONS]);
  assertEquals(compression(), DEFAULT_COMPRESSION);
  const expected = "expected none, gzip, snappy, lz4 or zstd";
  assertThrows(() => compression("--compression", "brotli"), UsageError, expected);
});

Deno.test("--group takes what can stand in the name of a topic", () => {
  const group = (text: string) =>
    parseFlags(serviceFlags("analytics"), ["--group", text]).options.group;
  assertEquals(group("team.a_analytics-2"), "team.a_analytics-2");
  for (const text of ["", "a b", "a/b", "größe", "x".repeat(81)]) {
    assertThrows(() => group(text), UsageError, "letters, digits, dots, dashes or underscores");
  }
});

Deno.test("atEach reports every multiple that a count has passed", () => {
  const reported: number[] = [];
  const count = atEach(1_000, (total) => reported.push(total));
  [500, 999, 2_500, 2_999, 3_000].forEach(count);
  assertEquals(reported, [1_000, 2_000, 3_000]);
});
