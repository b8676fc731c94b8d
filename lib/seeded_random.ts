/**
 * Random numbers from a seed.
 *
 * @module
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A source of random numbers; each call draws the next one. */
export interface SeededRandom {
  /** A whole number, both bounds included. */
  whole(from: number, to: number): number;
  /** A number from 0, included, to 1, excluded. */
  share(): number;
}

/**
 * Makes a source of random numbers; the same seed gives the same numbers.
 *
 * @param seed An unsigned whole number of 32 bits.
 * @throws {RangeError} When the seed is anything else.
 */
export function seededRandom(seed: number): SeededRandom {
  if (seed >>> 0 !== seed) {
    throw new RangeError(`expected a seed from 0 to 4294967295, got ${seed}`);
  }
  const random = xoroshiro128plus(seed);
  // Its first numbers show the seed's own bits: neighbouring seeds would begin alike.
  random.jump();
  return {
    whole: (from, to) => uniformInt(random, from, to),
    share: () => uniformFloat64(random),
  };
}
