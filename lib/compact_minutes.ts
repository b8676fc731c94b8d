/**
 * The counts of very many minutes: a table of numbers, of about 50 bytes for each minute. A `Map` of
 * objects takes twice as much, and the garbage collector visits each object again and again.
 *
 * @module
 */
import type { Minute, MinuteCount } from "./minute_window.ts";
import type { Counts } from "./state_rows.ts";

/** The numbers of a row: minute, total, failed. The minute of an empty row is NaN. */
const ROW = 3;
const FIRST_CAPACITY = 16;
/** The table is at most this full, so that the search for a minute is short. */
const MAX_LOAD = 0.75;

/** How many tables there are. */
let tables = 0;

/** Counts by minute, in a hash table with open addressing. */
export class CompactMinutes implements Counts<Minute, MinuteCount> {
  #rows: Float64Array = new Float64Array(FIRST_CAPACITY * ROW).fill(NaN);
  #capacity = FIRST_CAPACITY;
  // Each table has an order of its own: minutes that come in the order of another table would
  // otherwise fill the beginning of a smaller one, and the search would become long.
  readonly #multiplier = Math.imul(2 * tables++ + 1, 0x9e3779b1);
  #size = 0;
  /** The row that was last changed: the next order is most often of the same minute. */
  #last = 0;

  /** How many minutes there are. */
  get size(): number {
    return this.#size;
  }

  /** The counts of a minute. */
  get(minute: Minute): MinuteCount | undefined {
    const at = this.#find(minute);
    return this.#rows[at] === minute
      ? { total: this.#rows[at + 1]!, failed: this.#rows[at + 2]! }
      : undefined;
  }

  /** Replaces the counts of a minute. */
  set(minute: Minute, { total, failed }: MinuteCount): void {
    const at = this.#claim(minute);
    this.#rows[at + 1] = total;
    this.#rows[at + 2] = failed;
  }

  /** Adds to the counts of a minute. */
  add(minute: Minute, { total, failed }: MinuteCount): void {
    const at = this.#claim(minute);
    this.#rows[at + 1]! += total;
    this.#rows[at + 2]! += failed;
  }

  /** Forgets a minute. */
  delete(minute: Minute): void {
    const rows = this.#rows;
    let hole = this.#find(minute);
    if (rows[hole] !== minute) return;
    this.#size--;
    // What would no longer be found beyond the hole moves into it.
    for (let at = this.#next(hole); !Number.isNaN(rows[at]); at = this.#next(at)) {
      const home = this.#home(rows[at]!);
      const isBetween = hole <= at ? hole < home && home <= at : hole < home || home <= at;
      if (isBetween) continue;
      rows.copyWithin(hole, at, at + ROW);
      hole = at;
    }
    rows[hole] = NaN;
  }

  /** The minutes, in no order. */
  *keys(): Generator<Minute> {
    for (let at = 0; at < this.#rows.length; at += ROW) {
      if (!Number.isNaN(this.#rows[at])) yield this.#rows[at]!;
    }
  }

  /** The minutes with their counts, in no order. */
  *[Symbol.iterator](): Generator<[Minute, MinuteCount]> {
    for (const minute of this.keys()) yield [minute, this.get(minute)!];
  }

  /** Where a minute is, or would be. */
  #find(minute: Minute): number {
    let at = this.#home(minute);
    while (this.#rows[at] !== minute && !Number.isNaN(this.#rows[at])) at = this.#next(at);
    return at;
  }

  /** Where the search for a minute begins. */
  #home(minute: Minute): number {
    const mixed = Math.imul(minute, this.#multiplier);
    // The capacity is a power of two.
    return ((mixed ^ mixed >>> 15) & this.#capacity - 1) * ROW;
  }

  #next(at: number): number {
    return at + ROW === this.#rows.length ? 0 : at + ROW;
  }

  /** The row of a minute; a new one has counts of 0. */
  #claim(minute: Minute): number {
    if (this.#rows[this.#last] === minute) return this.#last;
    let at = this.#find(minute);
    this.#last = at;
    if (this.#rows[at] === minute) return at;
    if (this.#size + 1 > this.#capacity * MAX_LOAD) {
      this.#grow();
      this.#last = at = this.#find(minute);
    }
    this.#size++;
    this.#rows.set([minute, 0, 0], at);
    return at;
  }

  #grow(): void {
    const rows = this.#rows;
    this.#capacity *= 2;
    this.#rows = new Float64Array(this.#capacity * ROW).fill(NaN);
    for (let at = 0; at < rows.length; at += ROW) {
      if (!Number.isNaN(rows[at])) {
        this.#rows.set(rows.subarray(at, at + ROW), this.#find(rows[at]!));
      }
    }
  }
}
