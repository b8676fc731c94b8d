/**
 * Where a group's offsets are to be moved: what a user types, and what it means for a partition.
 *
 * @module
 */
import { durationMs } from "./duration.ts";
import { parseTimestampMs } from "./timestamp.ts";

/** A place to read from. */
export type OffsetTarget =
  | { kind: "earliest" }
  | { kind: "latest" }
  | { kind: "offset"; offset: bigint }
  /** The first record that was sent then or later. */
  | { kind: "time"; timeMs: number };

/** How a target is typed, for `--help` and messages. */
export const TARGET_FORMS = "earliest|latest|OFFSET|DATETIME|-DURATION";

/**
 * Parses `earliest`, `latest`, an offset such as `1200`, a time such as `2024-01-15T10:30:00Z` (UTC
 * without a zone, midnight without a time of day), or how long ago, such as `-1h30m`.
 *
 * @throws {Error} When it is none of these, or a time in the future.
 */
export function parseOffsetTarget(text: string, nowMs: number): OffsetTarget {
  if (text === "earliest" || text === "latest") return { kind: text };
  if (/^\d+$/.test(text)) return { kind: "offset", offset: BigInt(text) };
  if (text.startsWith("-")) {
    const ago = textDuration(text.slice(1));
    if (ago !== undefined) return { kind: "time", timeMs: nowMs - ago };
    throw new Error(
      /^-\d+$/.test(text)
        ? "an offset cannot be negative, and a duration needs a unit, such as -30s"
        : `expected a duration such as -30s, -1h30m or -2d`,
    );
  }
  const timeMs = parseTimestampMs(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text);
  if (Number.isNaN(timeMs)) {
    const hint = textDuration(text) === undefined ? "" : `; write "-${text}" for a time before now`;
    throw new Error(
      `expected earliest, latest, an offset, a time such as 2024-01-15T10:30:00Z, ` +
        `or how long ago, such as -1h${hint}`,
    );
  }
  if (timeMs > nowMs) {
    throw new Error(`the time is in the future: it is ${new Date(nowMs).toISOString()} now`);
  }
  return { kind: "time", timeMs };
}

function textDuration(text: string): number | undefined {
  try {
    return durationMs(text);
  } catch {
    return undefined;
  }
}

/** What a partition holds. */
export interface PartitionExtent {
  /** The first offset that still exists. */
  start: bigint;
  /** The offset up to which transactions are decided: what `latest` means. */
  stable: bigint;
  /** The offset that the next record will get. */
  end: bigint;
  /** The first offset that was sent at the target's time or later, if the target is a time. */
  since: bigint | undefined;
}

/**
 * The offset in a partition that the target means.
 *
 * @throws {RangeError} When the partition does not have the offset.
 */
export function targetOffset(target: OffsetTarget, extent: PartitionExtent): bigint {
  switch (target.kind) {
    case "earliest":
      return extent.start;
    case "latest":
      return extent.stable;
    case "time":
      // Nothing was sent since: only what comes from now on.
      return extent.since ?? extent.stable;
    case "offset":
      if (target.offset < extent.start || target.offset > extent.end) {
        throw new RangeError(
          `offset ${target.offset} is out of range: the partition holds ${extent.start} to ` +
            `${extent.end}`,
        );
      }
      return target.offset;
  }
}

/** The move of one partition. */
export interface OffsetMove {
  /** The partition. */
  partition: number;
  /** The committed offset as it is; `undefined` when there is none. */
  from: bigint | undefined;
  /** The offset that is to be committed. */
  to: bigint;
  /** Records that have been read and will be read again. */
  again: number;
  /** Records that have not been read and will be passed over. */
  passed: number;
  /** Records that will then be read, up to the end. */
  ahead: number;
}

/** What moving a partition's offset does. */
export function offsetMove(
  partition: number,
  { from, to, start, end }: { from: bigint | undefined; to: bigint; start: bigint; end: bigint },
): OffsetMove {
  // Without a commit nothing has been read; a service of this project begins at the start.
  const position = from === undefined || from < start ? start : from > end ? end : from;
  return {
    partition,
    from,
    to,
    again: Math.max(0, Number(position - to)),
    passed: Math.max(0, Number(to - position)),
    ahead: Number(end - to),
  };
}
