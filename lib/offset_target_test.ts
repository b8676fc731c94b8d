import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { offsetMove, type OffsetTarget, parseOffsetTarget, targetOffset } from "./offset_target.ts";

const NOW = Date.UTC(2024, 0, 15, 12);

Deno.test("parseOffsetTarget reads every form", () => {
  const parse = (text: string) => parseOffsetTarget(text, NOW);
  const time = (...parts: [number, number, number, number?, number?]): OffsetTarget => ({
    kind: "time",
    timeMs: Date.UTC(...parts),
  });
  assertEquals(parse("earliest"), { kind: "earliest" });
  assertEquals(parse("latest"), { kind: "latest" });
  assertEquals(parse("1200"), { kind: "offset", offset: 1200n });
  assertEquals(parse("2024-01-15T10:30:00Z"), time(2024, 0, 15, 10, 30));
  assertEquals(parse("2024-01-15T10:30"), time(2024, 0, 15, 10, 30), "UTC without a zone");
  assertEquals(parse("2024-01-15T10:30:00+02:00"), time(2024, 0, 15, 8, 30));
  assertEquals(parse("2024-01-14"), time(2024, 0, 14));
  assertEquals(parse("-1h30m"), time(2024, 0, 15, 10, 30));
});

Deno.test("parseOffsetTarget explains what is wrong", () => {
  const problem = (text: string) => assertThrows(() => parseOffsetTarget(text, NOW), Error).message;
  assertStringIncludes(problem("yesterday"), "expected earliest, latest, an offset, a time");
  assertStringIncludes(problem("2024-13-01"), "expected earliest, latest, an offset, a time");
  assertStringIncludes(problem("5m"), 'write "-5m" for a time before now');
  assertStringIncludes(problem("-5"), "a duration needs a unit");
  assertStringIncludes(problem("-soon"), "expected a duration");
  assertEquals(
    problem("2024-01-15T12:00:00.001Z"),
    "the time is in the future: it is now 2024-01-15T12:00:00.000Z",
  );
});

Deno.test("parseOffsetTarget gives times of whole milliseconds that Kafka takes for times", () => {
  const parse = (text: string) => parseOffsetTarget(text, NOW);
  assertEquals(parse("-1.5ms"), { kind: "time", timeMs: NOW - 1 });
  // −1 would be the end of the topic.
  for (const text of ["1969-12-31T23:59:59.999Z", "1970-01-01", "0000-01-01", "-99999d"]) {
    assertEquals(parse(text), { kind: "earliest" }, text);
  }
  assertEquals(parse("9223372036854775807"), { kind: "offset", offset: 2n ** 63n - 1n });
  for (const text of ["9223372036854775808", "9".repeat(100_000)]) {
    assertThrows(() => parse(text), Error, "expected an offset of at most 9223372036854775807");
  }
  assertThrows(() => parse("-100001d"), Error, "expected at most 100000d");
});

const EXTENT = { start: 10n, stable: 95n, end: 100n, since: undefined };

Deno.test("targetOffset resolves each target to an offset that the partition holds", () => {
  assertEquals(targetOffset({ kind: "earliest" }, EXTENT), 10n);
  assertEquals(targetOffset({ kind: "latest" }, EXTENT), 95n, "no undecided record is passed over");
  const then = { kind: "time", timeMs: 0 } as const;
  assertEquals(targetOffset(then, { ...EXTENT, since: 40n }), 40n);
  assertEquals(targetOffset(then, EXTENT), 95n, "nothing was sent since");
});

Deno.test("targetOffset refuses an offset that the partition does not hold", () => {
  const at = (offset: bigint) => targetOffset({ kind: "offset", offset }, EXTENT);
  assertEquals([at(10n), at(100n)], [10n, 100n]);
  for (const offset of [9n, 101n]) {
    assertStringIncludes(assertThrows(() => at(offset), RangeError).message, "holds 10 to 100");
  }
});

Deno.test("offsetMove counts what is read again and what is passed over", () => {
  const move = (from: bigint | undefined, to: bigint) => {
    const { again, passed, ahead } = offsetMove(0, { from, to, start: 10n, end: 100n });
    return { again, passed, ahead };
  };
  assertEquals(move(60n, 20n), { again: 40, passed: 0, ahead: 80 });
  assertEquals(move(60n, 100n), { again: 0, passed: 40, ahead: 0 });
  assertEquals(move(undefined, 30n), { again: 0, passed: 20, ahead: 70 });
  assertEquals(move(-2n, 10n), { again: 0, passed: 0, ahead: 90 });
  assertEquals(move(200n, 90n), { again: 10, passed: 0, ahead: 10 });
});
