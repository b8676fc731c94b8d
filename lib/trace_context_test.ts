import { assertEquals, assertMatch } from "@std/assert";
import {
  formatTraceparent,
  NEW_TRACE_BYTES,
  newTrace,
  parseTraceparent,
  traceparentOf,
} from "./trace_context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const HEADER = `00-${TRACE}-${SPAN}-01`;

Deno.test("parseTraceparent and formatTraceparent are each other's inverse", () => {
  const context = { traceId: TRACE, spanId: SPAN, isSampled: true };
  assertEquals(parseTraceparent(HEADER), context);
  assertEquals(formatTraceparent(context), HEADER);
  const unsampled = formatTraceparent({ ...context, isSampled: false });
  assertEquals(unsampled, `00-${TRACE}-${SPAN}-00`);
  assertEquals(parseTraceparent(unsampled)?.isSampled, false);
});

Deno.test("parseTraceparent refuses what the recommendation calls invalid", () => {
  const wrong = [
    "",
    HEADER.toUpperCase(),
    ` ${HEADER}`,
    `${HEADER}\n`,
    `${HEADER}-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}`,
    `00_${TRACE}_${SPAN}_01`,
  ];
  assertEquals(wrong.filter((text) => parseTraceparent(text) !== undefined), []);
});

Deno.test("parseTraceparent reads what it knows of a later version", () => {
  assertEquals(parseTraceparent(`01-${TRACE}-${SPAN}-03-what-comes`)?.traceId, TRACE);
  assertEquals(parseTraceparent(`01-${TRACE}-${SPAN}-03`)?.isSampled, true);
  assertEquals(parseTraceparent(`01-${TRACE}-${SPAN}-03what`), undefined);
});

Deno.test("newTrace is valid, whatever the random bytes", () => {
  for (const byte of [0, 1, 255]) {
    const header = formatTraceparent(newTrace(new Uint8Array(NEW_TRACE_BYTES).fill(byte)));
    assertMatch(header, /-00$/);
    assertEquals(formatTraceparent(parseTraceparent(header)!), header);
  }
});

Deno.test("traceparentOf takes one valid header", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(traceparentOf({ traceparent: bytes(HEADER) }), HEADER);
  assertEquals(
    traceparentOf({ traceparent: bytes(`01-${TRACE}-${SPAN}-00-x`) }),
    `01-${TRACE}-${SPAN}-00-x`,
  );
  for (
    const value of [
      undefined,
      null,
      [bytes(HEADER), bytes(HEADER)],
      bytes("00-4bf9"),
      bytes(`01-${TRACE}-${SPAN}-00-${"x".repeat(1_000)}`),
      new Uint8Array([255, 254]),
    ]
  ) assertEquals(traceparentOf({ traceparent: value }), undefined);
  assertEquals(traceparentOf({}), undefined);
  assertEquals(traceparentOf(undefined), undefined);
});
