/**
 * Durations as people write them, such as `1h30m`.
 *
 * @module
 */

const DURATION_UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A longer text is not a duration. */
const MAX_CHARACTERS = 100;
/** No duration is longer: added to a time of today, it stays a time. */
const MAX_DAYS = 100_000;

/** Parses a duration such as `500ms`, `30s` or `1h30m` into whole milliseconds. */
export function durationMs(text: string): number {
  const parts = text.length > MAX_CHARACTERS
    ? []
    : [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) {
    throw new Error("expected a duration such as 500ms, 30s, 5m, 1h30m or 2d");
  }
  const ms = parts.reduce((sum, part) => sum + Number(part[1]) * DURATION_UNIT_MS[part[2]!]!, 0);
  if (ms > MAX_DAYS * DURATION_UNIT_MS.d!) throw new Error(`expected at most ${MAX_DAYS}d`);
  // The sum of 1.001 s is a little less than 1001.
  return Math.floor(ms + 1e-6);
}

/** A parser for a duration of at least one millisecond. */
export function positiveDurationMs(text: string): number {
  const ms = durationMs(text);
  if (ms < 1) throw new Error("expected a duration above 0, such as 500ms, 30s or 1h30m");
  return ms;
}

/** `30 s`, `0.5 s`. */
export function formatSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
