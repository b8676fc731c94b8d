/**
 * How much to send or request at once: as much as the link carries in a given time.
 *
 * @module
 */

/** The bounds of an {@linkcode AdaptiveSize}. */
export interface SizeBounds {
  /** Where it begins: on a fast link a few steps lead to the most. */
  first: number;
  min: number;
  max: number;
  /** What takes less than this may be larger the next time, in milliseconds beyond the latency. */
  fastMs: number;
  /** What takes longer than this was too large, in milliseconds beyond the latency. */
  slowMs: number;
}

/**
 * A size that follows the speed of the link. Its latency, the shortest time seen, does not count: less
 * at once would not be faster.
 */
export class AdaptiveSize {
  #bounds: SizeBounds;
  #size: number;
  #leastMs = Infinity;

  constructor(bounds: SizeBounds) {
    this.#bounds = bounds;
    this.#size = bounds.first;
  }

  /** How much should be next, at most. */
  get value(): number {
    return this.#size;
  }

  /**
   * So much took so many milliseconds.
   *
   * @param limit The value when it began: what goes on at the same time doubles the size once.
   */
  took(amount: number, ms: number, limit: number): void {
    if (amount === 0) return;
    const { max, fastMs, slowMs } = this.#bounds;
    this.#leastMs = Math.min(this.#leastMs, ms);
    const beyondMs = ms - this.#leastMs;
    if (beyondMs > slowMs) this.#reduceTo(amount * fastMs / beyondMs);
    else if (beyondMs < fastMs && ms < slowMs && amount >= limit / 2 && limit === this.#size) {
      this.#size = Math.min(max, limit * 2);
    }
  }

  /** It failed, perhaps because it took too long. */
  failed(): void {
    this.#reduceTo(this.#size / 2);
  }

  #reduceTo(size: number): void {
    this.#size = Math.max(this.#bounds.min, Math.min(this.#size, Math.floor(size)));
  }
}
