/**
 * Whether the work on partitions has stopped: records wait, and nothing is done about them.
 *
 * It compares readings of the partitions, taken every few seconds while the brokers answer. While they
 * do not, nothing can be said, and the time begins again afterwards: starting a program again does not
 * bring brokers back. An idle partition, a throttle, and a long count at the start are not stops.
 *
 * @module
 */

/** How long a partition may have records waiting without any progress, in milliseconds. */
export const STOP_LIMIT_MS = 30_000;

/** A partition at one moment. */
export interface PartitionReading {
  /** Which one. */
  partition: number;
  /** The offset of the next record to process; `undefined` while the partition is being opened. */
  next: bigint | undefined;
  /** The end up to which records can be read; `undefined` when it has no leader. */
  end: bigint | undefined;
  /** When something was last done for it, in milliseconds by the clock of the readings. */
  activeMs: number;
}

/** A partition whose processing has stopped. */
export interface Stop {
  /** Which one. */
  partition: number;
  /** For how long, in milliseconds. */
  forMs: number;
  /** Whether it was being opened; if not, records wait. */
  isOpening: boolean;
}

/** Compares readings. */
export class ProgressWatch {
  /** What had stopped at the last reading. */
  stops: readonly Stop[] = [];
  /** Since when each partition has had something to do, as far as it was seen. */
  #waitingSinceMs = new Map<number, number>();

  /** Takes a reading of all partitions that are assigned now. */
  add(readings: readonly PartitionReading[], nowMs: number): void {
    const before = this.#waitingSinceMs;
    this.#waitingSinceMs = new Map();
    this.stops = readings.flatMap(({ partition, next, end, activeMs }) => {
      if (end === undefined || next !== undefined && next >= end) return [];
      const sinceMs = Math.max(before.get(partition) ?? nowMs, activeMs);
      this.#waitingSinceMs.set(partition, sinceMs);
      const forMs = nowMs - sinceMs;
      return forMs < STOP_LIMIT_MS ? [] : [{ partition, forMs, isOpening: next === undefined }];
    });
  }

  /** The brokers do not answer. */
  interrupt(): void {
    this.#waitingSinceMs.clear();
    this.stops = [];
  }
}
