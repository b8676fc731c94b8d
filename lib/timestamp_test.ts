import { assertEquals, assertThrows } from "@std/assert";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { formatTimestamp, parseTimestampMs, parseTypedTimeMs } from "./timestamp.ts";

Deno.test("parseTimestampMs reads every form of the time of day", () => {
  const day = Date.UTC(2024, 0, 15);
  const cases: [string, number][] = [
    ["2024-01-15T10:30", 37_800_000],
    ["2024-01-15T10:30:15", 37_815_000],
    ["2024-01-15T10:30:15.1", 37_815_100],
    ["2024-01-15T10:30:15.12", 37_815_120],
    ["2024-01-15T10:30:15.123", 37_815_123],
    ["2024-01-15T10:30:15.123456", 37_815_123],
    ["2024-01-15T10:30:15.9999999999999999999999999", 37_815_999],
    ["2024-01-15T00:00:00.0009Z", 0],
    ["2024-01-15T23:59:59.999Z", 86_399_999],
  ];
  for (const [text, ms] of cases) assertEquals(parseTimestampMs(text), day + ms, text);
});

Deno.test("parseTimestampMs takes a time without a zone as UTC, and goes by a zone", () => {
  const utc = Date.UTC(2024, 0, 15, 10, 30);
  for (
    const text of [
      "2024-01-15T10:30",
      "2024-01-15T10:30Z",
      "2024-01-15T10:30:00",
      "2024-01-15T10:30:00Z",
      "2024-01-15T10:30:00+00:00",
      "2024-01-15T10:30:00-00:00",
      "2024-01-15T12:30:00+02",
      "2024-01-15T12:30+0200",
      "2024-01-15T12:30:00.0+02:00",
      "2024-01-15T05:00:00-05:30",
      "2024-01-15T05:00:00-0530",
      "2024-01-16T00:15:00+13:45",
      "2024-01-14T22:30:00-12",
    ]
  ) assertEquals(parseTimestampMs(text), utc, text);
});

Deno.test("parseTimestampMs knows the calendar", () => {
  for (
    const day of [
      "2024-02-29",
      "2000-02-29",
      "0000-02-29",
      "2023-12-31",
      "1969-12-31",
      "9999-12-31",
    ]
  ) assertEquals(parseTimestampMs(`${day}T12:00Z`), Date.parse(`${day}T12:00Z`), day);
  for (
    const day of [
      "2023-02-29",
      "1900-02-29",
      "2100-02-29",
      "2024-02-30",
      "2024-04-31",
      "2024-06-31",
      "2024-09-31",
      "2024-11-31",
      "2024-01-32",
      "2024-01-00",
      "2024-00-10",
      "2024-13-01",
    ]
  ) assertEquals(parseTimestampMs(`${day}T12:00Z`), NaN, day);
});

Deno.test("parseTimestampMs gives NaN for everything else", () => {
  for (
    const text of [
      "",
      "now",
      "2024-01-15",
      "2024-01-15T",
      "2024-01-15T10",
      "2024-01-15T10:",
      "2024-01-15T10:3",
      "2024-01-15T10:30:",
      "2024-01-15T10:30:1",
      "2024-01-15T10:30:15.",
      "2024-01-15T10:30:15.Z",
      "2024-01-15T10:30:15,5",
      "2024-01-15T10:30.5",
      "2024-01-15T24:00:00",
      "2024-01-15T10:60:00",
      "2024-01-15T10:30:60",
      "2024-01-15 10:30:00",
      "2024-01-15t10:30:00z",
      "2024/01/15T10:30:00",
      "20240115T103000",
      "2024-1-15T10:30:00",
      "24-01-15T10:30:00",
      "+002024-01-15T10:30:00Z",
      "-2024-01-15T10:30:00",
      " 2024-01-15T10:30:00",
      "2024-01-15T10:30:00 ",
      "2024-01-15T10:30:00\n",
      "2024-01-15T10:30:00ZZ",
      "2024-01-15T10:30:00Z+01",
      "2024-01-15T10:30:00+1",
      "2024-01-15T10:30:00+",
      "2024-01-15T10:30:00+01:",
      "2024-01-15T10:30:00+01:0",
      "2024-01-15T10:30:00+010",
      "2024-01-15T10:30:00+01:000",
      "2024-01-15T10:30:00+01000",
      "2024-01-15T10:30:00+24:00",
      "2024-01-15T10:30:00+01:60",
      "2024-01-15T10:30:00*01:00",
      "2024-01-15T10:30:00\u221201:00",
      "2024-01-15T10:30:00[UTC]",
      "2O24-01-15T10:30:00",
      "２０２４-01-15T10:30:00",
    ]
  ) assertEquals(parseTimestampMs(text), NaN, text);
});

Deno.test("parseTimestampMs gives NaN for times that are outside the years 0 to 9999 in UTC", () => {
  assertEquals(parseTimestampMs("0000-01-01T00:00+00:01"), NaN);
  assertEquals(parseTimestampMs("0000-01-01T00:01+00:01"), Date.parse("0000-01-01T00:00Z"));
  assertEquals(parseTimestampMs("9999-12-31T23:59:59.999-00:01"), NaN);
  assertEquals(parseTimestampMs("9999-12-31T23:59:59.999"), Date.parse("9999-12-31T23:59:59.999Z"));
});

Deno.test("parseTimestampMs agrees with Date.parse, and formatTimestamp with toISOString", () => {
  const random = xoroshiro128plus(3);
  const first = Date.parse("0000-01-02T00:00Z");
  const last = Date.parse("9999-12-30T00:00Z");
  const two = (number: number) => String(number).padStart(2, "0");
  for (let i = 0; i < 20_000; i++) {
    const ms = uniformInt(random, first, last);
    const iso = new Date(ms).toISOString();
    assertEquals(formatTimestamp(ms), iso);
    const zone = ["Z", "+", "-"][i % 3]! +
      (i % 3 === 0 ? "" : `${two(uniformInt(random, 0, 23))}:${two(uniformInt(random, 0, 59))}`);
    const text = iso.slice(0, [16, 19, 23][i % 7 % 3]) + zone;
    assertEquals(parseTimestampMs(text), Date.parse(text), text);
  }
});

Deno.test("parseTimestampMs and formatTimestamp agree on every day of four centuries", () => {
  const first = Date.parse("1799-12-31T23:59:59.999Z");
  for (let ms = first; ms < first + 146_100 * 86_400_000; ms += 86_400_000) {
    assertEquals(parseTimestampMs(formatTimestamp(ms)), ms);
  }
});

Deno.test("formatTimestamp cuts fractions of a millisecond", () => {
  assertEquals(formatTimestamp(0.9), "1970-01-01T00:00:00.000Z");
  assertEquals(formatTimestamp(-0.1), "1969-12-31T23:59:59.999Z");
});

Deno.test("formatTimestamp refuses times that have no four-digit year", () => {
  for (
    const ms of [NaN, Infinity, Date.parse("9999-12-31T23:59:59.999Z") + 1, -62_167_219_200_001]
  ) {
    assertThrows(() => formatTimestamp(ms), RangeError, `got ${ms} ms`);
  }
  assertEquals(formatTimestamp(-62_167_219_200_000), "0000-01-01T00:00:00.000Z");
});

Deno.test("parseTypedTimeMs takes a date, and a time as the report writes it", () => {
  const at = Date.UTC(2024, 0, 15, 10, 30);
  assertEquals(parseTypedTimeMs("2024-01-15"), Date.UTC(2024, 0, 15));
  assertEquals(parseTypedTimeMs("2024-01-15 10:30"), at);
  assertEquals(parseTypedTimeMs("2024-01-15 10:30:00"), at);
  assertEquals(parseTypedTimeMs("2024-01-15T10:30Z"), at);
  assertEquals(parseTypedTimeMs("10:30"), NaN);
});
