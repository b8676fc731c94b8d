/**
 * Reading what other clients have compressed. kafkajs supports only gzip and fails on the rest.
 *
 * The decompressors are loaded with the first compressed batch.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";

/** A codec of kafkajs. */
interface Codec {
  compress(encoder: unknown): Promise<Buffer>;
  decompress(compressed: Buffer): Promise<Buffer>;
}

/** Compression types in the attributes of a record batch; https://kafka.apache.org/documentation/#recordbatch. */
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

/**
 * The header that snappy-java, and so Java's client, writes before its blocks; each block then follows
 * its length. Other clients write one block without a header or a length.
 */
const SNAPPY_JAVA_MAGIC = Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0]);
const SNAPPY_JAVA_HEADER_BYTES = 16;

/** Codecs that read snappy, LZ4 and Zstandard, by compression type. */
export const readingCodecs: Record<number, () => Codec> = {
  [SNAPPY]: () => reading(decompressSnappy),
  [LZ4]: () => reading(decompressLz4),
  [ZSTD]: () => reading(decompressZstd),
};

function reading(decompress: (compressed: Buffer) => Promise<Buffer>): Codec {
  return {
    compress: () => Promise.reject(new Error("this compression is supported for reading only")),
    decompress,
  };
}

async function decompressSnappy(compressed: Buffer): Promise<Buffer> {
  const { snappyDecompress } = await import("@platformatic/wasm-utils/bundled");
  return Buffer.concat([...snappyBlocks(compressed)].map((block) => snappyDecompress(block)));
}

function* snappyBlocks(compressed: Buffer): Generator<Buffer> {
  if (!compressed.subarray(0, SNAPPY_JAVA_MAGIC.length).equals(SNAPPY_JAVA_MAGIC)) {
    return yield compressed;
  }
  for (let at = SNAPPY_JAVA_HEADER_BYTES; at < compressed.length;) {
    const start = at + 4;
    at = start + compressed.readInt32BE(at);
    yield compressed.subarray(start, at);
  }
}

async function decompressLz4(compressed: Buffer): Promise<Buffer> {
  const { lz4Decompress } = await import("@platformatic/wasm-utils/bundled");
  return lz4Decompress(compressed);
}

async function decompressZstd(compressed: Buffer): Promise<Buffer> {
  const { zstdDecompress } = await import("node:zlib");
  return await promisify(zstdDecompress)(compressed) as Buffer;
}
