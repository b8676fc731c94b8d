/**
 * W3C trace context (https://www.w3.org/TR/trace-context/): the header `traceparent`, which says to
 * which trace a request or a record belongs.
 *
 * ```text
 * 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 * version, trace, the span that it comes from, flags
 * ```
 *
 * @module
 */

/** The name of the header, of requests and of records. */
export const TRACEPARENT = "traceparent";

/** What the header says. */
export interface TraceContext {
  /** The trace: 32 hex digits, not all 0. */
  traceId: string;
  /** The span that caused what has the header: 16 hex digits, not all 0. */
  spanId: string;
  /** Whether the caller records the trace. */
  isSampled: boolean;
}

/** How many random bytes {@linkcode newTrace} takes. */
export const NEW_TRACE_BYTES = 24;

/** The length of a header of version 00. */
const LENGTH = 55;
const SAMPLED = 1;
// A later version may have more after the flags; ff is none.
const PATTERN =
  /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-|$)/;

/** Reads a header; `undefined` when it is not valid: then it counts as missing. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const match = PATTERN.exec(text);
  if (match === null || match[1] === "00" && text.length !== LENGTH) return undefined;
  return {
    traceId: match[2]!,
    spanId: match[3]!,
    isSampled: (Number.parseInt(match[4]!, 16) & SAMPLED) !== 0,
  };
}

/** Writes a header of version 00. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${isSampled ? SAMPLED : 0}`;
}

/**
 * The context of a request that came without one: a new trace that nobody records yet.
 *
 * @param random {@linkcode NEW_TRACE_BYTES} random bytes.
 */
export function newTrace(random: Uint8Array): TraceContext {
  // All 0 would not be valid; one bit more does no harm to 127 others.
  const hex = (bytes: Uint8Array) => {
    const text = bytes.toHex();
    return /^0+$/.test(text) ? text.replace(/.$/, "1") : text;
  };
  return {
    traceId: hex(random.subarray(0, 16)),
    spanId: hex(random.subarray(16, NEW_TRACE_BYTES)),
    isSampled: false,
  };
}

/**
 * The header of a record, as it is; `undefined` when it has none, several, or one that is not valid.
 *
 * @param headers Values by name, a list where a name is repeated.
 */
export function traceparentOf(
  headers: Readonly<Record<string, unknown>> | undefined,
): string | undefined {
  const value = headers?.[TRACEPARENT];
  if (!(value instanceof Uint8Array) || value.length > MAX_BYTES) return undefined;
  const text = new TextDecoder().decode(value);
  return parseTraceparent(text) === undefined ? undefined : text;
}

/** What a later version may take; a longer header is not passed on, in bytes. */
const MAX_BYTES = 256;
