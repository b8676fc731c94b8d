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
 * What the programs use unless `--compression` says otherwise. Of all compressions zstd takes the least
 * time on a link of 100 Mbit/s, a third of what is not compressed, and no more than that on loopback;
 * the figures are in docs/decisions/0009-compression.md.
 */
export const DEFAULT_COMPRESSION: Compression = "zstd";

/** The number of a compression in the attributes of a record batch. */
export function compressionType(compression: Compression = "none"): number {
  return COMPRESSIONS.indexOf(compression);
}
