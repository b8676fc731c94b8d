/**
 * The compressions of Kafka's record batches.
 *
 * @module
 */

/** The compressions; the index of each is its number in the attributes of a record batch. */
export const COMPRESSIONS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** How the records of a batch are compressed. */
export type Compression = typeof COMPRESSIONS[number];

/**
 * What the programs use unless `--compression` says otherwise. Measured with 200,000 orders, it takes a
 * quarter to a third of the time of "none" on a link of 100 Mbit/s, no more than any other, and as
 * much as "none" on loopback; docs/decisions/0009-compression.md has the figures.
 */
export const DEFAULT_COMPRESSION: Compression = "zstd";

/** The number of a compression in the attributes of a record batch. */
export function compressionType(compression: Compression = "none"): number {
  return COMPRESSIONS.indexOf(compression);
}
