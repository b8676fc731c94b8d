/**
 * Which partition a key belongs to, by the rule of Kafka's own clients, so that records of one key
 * written by any of them stay in order.
 *
 * @module
 */

const encoder = new TextEncoder();
const MULTIPLIER = 0x5bd1e995;
const SEED = 0x9747b28c;

/**
 * MurmurHash2, 32 bit, with the seed of Kafka's Java client, of the first `length` bytes.
 *
 * Source of the rule: `org.apache.kafka.common.utils.Utils.murmur2`.
 */
export function murmur2(bytes: Uint8Array, length: number = bytes.length): number {
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> 24;
    word = Math.imul(word, MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  const left = length - at;
  if (left >= 3) hash ^= bytes[at + 2]! << 16;
  if (left >= 2) hash ^= bytes[at + 1]! << 8;
  if (left >= 1) hash = Math.imul(hash ^ bytes[at]!, MULTIPLIER);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  hash ^= hash >>> 15;
  return hash;
}

const scratch = new Uint8Array(512);

/** The partition of a key: `toPositive(murmur2(key)) % partitions`. */
export function partitionOf(key: string, partitions: number): number {
  const hash = putAscii(key) ? murmur2(scratch, key.length) : murmur2(encoder.encode(key));
  return (hash & 0x7fffffff) % partitions;
}

/** Puts a text into the scratch buffer; `false` when it is too long, or not ASCII. */
function putAscii(text: string): boolean {
  if (text.length > scratch.length) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    scratch[i] = code;
  }
  return true;
}

/** How many keys a {@linkcode cachingPartitioner} keeps. */
const MAX_KEYS = 10_000;

/** As {@linkcode partitionOf}, for keys that come again and again: each is hashed once. */
export function cachingPartitioner(partitions: number): (key: string) => number {
  const known = new Map<string, number>();
  return (key) => {
    let partition = known.get(key);
    if (partition === undefined) {
      if (known.size >= MAX_KEYS) known.clear();
      known.set(key, partition = partitionOf(key, partitions));
    }
    return partition;
  };
}
