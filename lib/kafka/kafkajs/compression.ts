/**
 * Compressing records, and reading what any client has compressed. kafkajs supports only gzip and
 * fails on the rest.
 *
 * A small batch can expand to gigabytes: what is read is bounded, or comes in pieces.
 *
 * The code for snappy and LZ4 is loaded with the first batch that needs it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Transform } from "node:stream";
import {
  constants,
  createUnzip,
  createZstdDecompress,
  gzipSync,
  unzipSync,
  type ZlibOptions,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { compressionType } from "../../compression.ts";
import { lz4MaxBytes, lz4Pieces } from "./lz4.ts";

/** Reads one kind of compression. */
export interface Decompressor {
  /** The whole content; `undefined` when it has more than `maxBytes`. */
  within(compressed: Buffer, maxBytes: number): Promise<Buffer | undefined>;
  /** The content in pieces, none of which depends on the size of the whole. */
  pieces(compressed: Buffer): AsyncIterable<Buffer>;
}

/** A codec of kafkajs. */
interface Codec {
  /** Compresses what the encoder holds; `undefined` when it would not become smaller. */
  compress(encoder: { buffer: Buffer }): Promise<Buffer | undefined>;
  decompress(compressed: Buffer): Promise<Buffer>;
}

/** Compression types in the attributes of a record batch; https://kafka.apache.org/documentation/#recordbatch. */
const TYPE_MASK = 0x07;
const NONE = compressionType("none");
const GZIP = compressionType("gzip");
const SNAPPY = compressionType("snappy");
const LZ4 = compressionType("lz4");
const ZSTD = compressionType("zstd");

/** How much a stream expands at a time, in bytes. */
const CHUNK_BYTES = 262_144;
/** Snappy copies 64 bytes with three at most. */
const MAX_SNAPPY_RATIO = 22;

/**
 * The header that snappy-java, and so Java's client, writes before its blocks; each block then follows
 * its length. Other clients write one block without a header or a length.
 */
const SNAPPY_JAVA_MAGIC = Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0]);
const SNAPPY_JAVA_HEADER_BYTES = 16;

const uncompressed: Decompressor = {
  within: (bytes, maxBytes) => Promise.resolve(bytes.length > maxBytes ? undefined : bytes),
  async *pieces(bytes) {
    yield bytes;
  },
};

const gzip: Decompressor = {
  within: (...compressed) => Promise.resolve(inflate(unzipSync as Unpack, ...compressed)),
  pieces: (compressed) => through(createUnzip({ chunkSize: CHUNK_BYTES }), compressed),
};

const zstd: Decompressor = {
  within: (...compressed) => Promise.resolve(inflate(zstdDecompressSync as Unpack, ...compressed)),
  pieces: (compressed) => through(createZstdDecompress({ chunkSize: CHUNK_BYTES }), compressed),
};

const snappy: Decompressor = { within: snappyWithin, pieces: snappyPieces };

const lz4: Decompressor = {
  within: lz4Within,
  async *pieces(compressed) {
    yield* lz4Pieces(compressed);
  },
};

const decompressors = new Map([
  [NONE, uncompressed],
  [GZIP, gzip],
  [SNAPPY, snappy],
  [LZ4, lz4],
  [ZSTD, zstd],
]);

/**
 * What reads the records of a batch with these attributes.
 *
 * @throws {Error} When the compression is of a newer kind.
 */
export function decompressorFor(attributes: number): Decompressor {
  const found = decompressors.get(attributes & TYPE_MASK);
  if (found === undefined) throw new Error(`unknown compression type ${attributes & TYPE_MASK}`);
  return found;
}

/** Fewer bytes are sent as they are: a compressor takes longer to set up than they take on any link. */
const MIN_BYTES = 1_024;
/** Level 1 is faster than the usual level 3, and makes orders and movements smaller. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/**
 * What compresses, by compression type. All of it runs on this thread, as the asynchronous functions of
 * the runtime also do.
 *
 * Java's client writes snappy with a header and in blocks; one block without them is what librdkafka
 * and franz-go write, and every client reads it.
 */
const compressors = new Map<number, (records: Buffer) => Buffer | Promise<Buffer>>([
  // At the usual level, by which dead_letter.ts finds out whether a record fits compressed.
  [GZIP, (records) => gzipSync(records)],
  [SNAPPY, async (records) => (await wasmUtils()).snappyCompress(records)],
  [LZ4, async (records) => (await wasmUtils()).lz4Compress(records)],
  [ZSTD, (records) => zstdCompressSync(records, ZSTD_OPTIONS)],
]);

function wasmUtils() {
  return import("@platformatic/wasm-utils/bundled");
}

/**
 * Compresses the records of a batch. Returns `undefined` when they would not become smaller: then
 * they must be sent as they are, so that a batch is never larger than it was thought to be.
 *
 * @param type The compression type, not 0.
 */
export async function compressRecords(type: number, records: Buffer): Promise<Buffer | undefined> {
  // A record that fits into its topic only with gzip is compressed however short it is.
  if (records.length < MIN_BYTES && type !== GZIP) return undefined;
  const compressed = await compressors.get(type)!(records);
  return compressed.length < records.length ? compressed : undefined;
}

/** Codecs for kafkajs, by compression type. */
export const codecs: Record<number, () => Codec> = Object.fromEntries(
  [...compressors.keys()].map((type) => [type, () => ({
    compress: ({ buffer }) => compressRecords(type, buffer),
    async decompress(compressed) {
      return (await decompressorFor(type).within(compressed, Infinity))!;
    },
  })]),
);

/** `unzipSync` and `zstdDecompressSync` of node:zlib. */
type Unpack = (compressed: Buffer, options: ZlibOptions) => Buffer;

function inflate(unpack: Unpack, compressed: Buffer, maxBytes: number): Buffer | undefined {
  if (maxBytes < 1) return undefined;
  const options = maxBytes === Infinity ? {} : { maxOutputLength: maxBytes };
  try {
    return unpack(compressed, options);
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw error;
  }
}

async function* through(stream: Transform, compressed: Buffer): AsyncGenerator<Buffer> {
  stream.end(compressed);
  yield* stream;
}

async function lz4Within(compressed: Buffer, maxBytes: number): Promise<Buffer | undefined> {
  if (lz4MaxBytes(compressed) > maxBytes) return undefined;
  const { lz4Decompress } = await wasmUtils();
  return Buffer.from(lz4Decompress(compressed));
}

async function snappyWithin(compressed: Buffer, maxBytes: number): Promise<Buffer | undefined> {
  const blocks = [...snappyBlocks(compressed)];
  if (blocks.reduce((sum, block) => sum + snappySize(block), 0) > maxBytes) return undefined;
  const { snappyDecompress } = await wasmUtils();
  return Buffer.concat(blocks.map((block) => snappyDecompress(block)));
}

async function* snappyPieces(compressed: Buffer): AsyncGenerator<Buffer> {
  const { snappyDecompress } = await wasmUtils();
  for (const block of snappyBlocks(compressed)) {
    if (snappySize(block) > block.length * MAX_SNAPPY_RATIO) {
      throw new Error("a snappy block names a size that it cannot have");
    }
    yield Buffer.from(snappyDecompress(block));
  }
}

function* snappyBlocks(compressed: Buffer): Generator<Buffer> {
  if (!compressed.subarray(0, SNAPPY_JAVA_MAGIC.length).equals(SNAPPY_JAVA_MAGIC)) {
    return yield compressed;
  }
  for (let at = SNAPPY_JAVA_HEADER_BYTES; at < compressed.length;) {
    const start = at + 4;
    at = start + compressed.readInt32BE(at);
    if (at <= start || at > compressed.length) throw new Error("a snappy block is cut off");
    yield compressed.subarray(start, at);
  }
}

/** The size of a block's content, with which it begins. */
function snappySize(block: Buffer): number {
  let size = 0;
  for (let at = 0, factor = 1; at < 5; at++, factor *= 128) {
    const byte = block[at] ?? 0;
    size += (byte & 0x7f) * factor;
    if (byte <= 0x7f) break;
  }
  return size;
}
