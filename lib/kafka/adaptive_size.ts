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
  /** What takes less than this may be larger the next time, in milliseconds. */
  fastMs: number;
  /** What takes longer than this was too large, in milliseconds. */
  slowMs: number;
}

/** A size that follows the speed of the link. */
export class AdaptiveSize {
  #bounds: SizeBounds;
  #size: number;

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
    const { max, fastMs, slowMs } = this.#bounds;
    if (ms < fastMs && amount >= limit / 2) {
      if (limit === this.#size) this.#size = Math.min(max, limit * 2);
    } else if (ms > slowMs && amount > 0) {
      this.#reduceTo(amount * fastMs / ms);
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
