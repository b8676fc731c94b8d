/**
 * The rate of a growing count over the last seconds.
 *
 * @module
 */

/** What counts as recent, in milliseconds. */
const WINDOW_MS = 5_000;
/** The least time between two points that are kept, in milliseconds. */
const STEP_MS = 100;

/** The rate of a count that grows from 0. */
export class RecentRate {
  /** The last one at the beginning of the window or before it, then those within it. */
  #points: { ms: number; count: number }[];

  /**
   * The rate is 0 so far.
   *
   * @param startMs When the counting began, on the clock that `add` takes its times from.
   */
  constructor(startMs: number) {
    this.#points = [{ ms: startMs, count: 0 }];
  }

  /** Notes what the count is now and returns how much it grows in a second. */
  add(count: number, nowMs: number): number {
    const points = this.#points;
    const windowMs = nowMs - WINDOW_MS;
    while (points.length > 1 && points[1]!.ms <= windowMs) points.shift();
    const first = points[0]!;
    const sinceMs = Math.max(first.ms, windowMs);
    const perSecond = nowMs > sinceMs ? (count - first.count) / (nowMs - sinceMs) * 1_000 : 0;
    if (nowMs - points.at(-1)!.ms >= STEP_MS) points.push({ ms: nowMs, count });
    return perSecond;
  }
}
