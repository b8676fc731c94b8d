/**
 * The targets of offset moves: parsing them, and resolving them to the offsets of a partition.
 *
 * @module
 */
import { durationMs } from "./duration.ts";
import { parseTypedTimeMs } from "./timestamp.ts";

const MAX_OFFSET = 2n ** 63n - 1n;
const MAX_OFFSET_DIGITS = 100;

/** Where a group is to read from. */
export type OffsetTarget =
  | { kind: "earliest" }
  | { kind: "latest" }
  | { kind: "offset"; offset: bigint }
  /** The first record sent at this time or later, in milliseconds since the epoch, above 0. */
  | { kind: "time"; timeMs: number };

/** The forms of a target, for `--help` and messages. */
export const TARGET_FORMS = "earliest|latest|OFFSET|DATETIME|-DURATION";

/**
 * Parses `earliest`, `latest`, an offset such as `1200`, a time such as `2024-01-15T10:30:00Z` (UTC
 * without a zone, midnight without a time of day), or a duration before now, such as `-1h30m`.
 *
 * @throws {Error} When the text has none of these forms, or the time is in the future.
 */
export function parseOffsetTarget(text: string, nowMs: number): OffsetTarget {
  if (text === "earliest" || text === "latest") return { kind: text };
  if (/^\d+$/.test(text)) return { kind: "offset", offset: offsetOf(text) };
  if (text.startsWith("-")) {
    if (/^-\d+$/.test(text)) {
      throw new Error("an offset cannot be negative, and a duration needs a unit, such as -30s");
    }
    return timeTarget(nowMs - durationMs(text.slice(1)));
  }
  const timeMs = parseTypedTimeMs(text);
  if (Number.isNaN(timeMs)) {
    const hint = textDuration(text) === undefined ? "" : `; write "-${text}" for a time before now`;
    throw new Error(
      `expected earliest, latest, an offset, a time such as 2024-01-15T10:30:00Z, ` +
        `or a duration before now, such as -1h${hint}`,
    );
  }
  if (timeMs > nowMs) {
    throw new Error(`the time is in the future: it is now ${new Date(nowMs).toISOString()}`);
  }
  return timeTarget(timeMs);
}

/** An offset of 64 bits, as Kafka has them. */
function offsetOf(digits: string): bigint {
  // The conversion of a very long number takes seconds.
  const offset = digits.length > MAX_OFFSET_DIGITS ? MAX_OFFSET + 1n : BigInt(digits);
  if (offset > MAX_OFFSET) throw new Error(`expected an offset of at most ${MAX_OFFSET}`);
  return offset;
}

/** Before 1970 there are no records, and Kafka takes −1 for the end and −2 for the beginning. */
function timeTarget(timeMs: number): OffsetTarget {
  return timeMs <= 0 ? { kind: "earliest" } : { kind: "time", timeMs };
}

function textDuration(text: string): number | undefined {
  try {
    return durationMs(text);
  } catch {
    return undefined;
  }
}

/** The offsets of a partition. */
export interface PartitionExtent {
  /** The first offset that still exists. */
  start: bigint;
  /** The last stable offset, before which all transactions are decided: the target `latest`. */
  stable: bigint;
  /** The offset that the next record will get. */
  end: bigint;
  /** The first offset sent at the target's time or later; `undefined` when there is none. */
  since: bigint | undefined;
}

/**
 * Resolves a target to an offset of a partition.
 *
 * @throws {RangeError} When the partition does not hold the offset.
 */
export function targetOffset(target: OffsetTarget, extent: PartitionExtent): bigint {
  switch (target.kind) {
    case "earliest":
      return extent.start;
    case "latest":
      return extent.stable;
    case "time":
      // Nothing was sent since then: read only new records.
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
  /** The offset committed now; `undefined` without a commit. */
  from: bigint | undefined;
  /** The offset to commit. */
  to: bigint;
  /** The number of records that will be read again. */
  again: number;
  /** The number of unread records that will be skipped. */
  passed: number;
  /** The number of records between the new offset and the end. */
  ahead: number;
}

/** Computes the effect of moving the offset of a partition. */
export function offsetMove(
  partition: number,
  { from, to, start, end }: { from: bigint | undefined; to: bigint; start: bigint; end: bigint },
): OffsetMove {
  // Without a commit, a service of this project starts at the beginning.
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
