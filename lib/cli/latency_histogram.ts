/**
 * A histogram of latencies: any number of them in little memory, exact to 1 %.
 *
 * @module
 */

/** Bucket n holds what lies within 1 % of 1.01ⁿ microseconds. */
const GROWTH = Math.log(1.01);

/** Collects latencies and computes their percentiles. */
export class LatencyHistogram {
  #counts = new Map<number, number>();
  #total = 0;
  #maxMs = 0;

  /** Adds latencies, in milliseconds. */
  add(latenciesMs: readonly number[]): void {
    for (const ms of latenciesMs) {
      const bucket = Math.round(Math.log(Math.max(1, ms * 1_000)) / GROWTH);
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
      if (ms > this.#maxMs) this.#maxMs = ms;
    }
    this.#total += latenciesMs.length;
  }

  /** The largest latency, in milliseconds; 0 when there is none. */
  get maxMs(): number {
    return this.#maxMs;
  }

  /**
   * The latency that the given share of all does not exceed, in milliseconds; 0 when there is none.
   *
   * @param share From 0 to 1, e.g. 0.99.
   */
  percentileMs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    for (const [bucket, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      seen += count;
      if (seen >= rank) return Math.min(this.#maxMs, Math.exp(bucket * GROWTH) / 1_000);
    }
    return 0;
  }
}
