/**
 * Reading what other clients have compressed. kafkajs knows gzip alone and gives up on the rest.
 *
 * The decompressors are loaded when the first compressed batch comes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";

/** What kafkajs takes for a codec. */
export interface Codec {
  /** Compresses what an encoder holds. */
  compress(encoder: unknown): Promise<Buffer>;
  /** Gives back what was compressed. */
  decompress(compressed: Buffer): Promise<Buffer>;
}

/** The numbers of compressions in record batches; https://kafka.apache.org/documentation/#recordbatch. */
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

/**
 * What Java's snappy-java writes before its blocks, each of which has its length before it. Other
 * clients write one block as it is.
 */
const SNAPPY_JAVA_MAGIC = Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0]);
const SNAPPY_JAVA_HEADER_BYTES = 16;

/** Codecs that read snappy, LZ4 and Zstandard, by the numbers of these. */
export const readingCodecs: Record<number, () => Codec> = {
  [SNAPPY]: () => reading(decompressSnappy),
  [LZ4]: () => reading(decompressLz4),
  [ZSTD]: () => reading(decompressZstd),
};

function reading(decompress: (compressed: Buffer) => Promise<Buffer>): Codec {
  return {
    compress: () => Promise.reject(new Error("this compression is for reading only")),
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
