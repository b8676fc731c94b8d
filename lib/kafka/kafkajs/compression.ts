/**
 * Reading what other clients have compressed. kafkajs supports only gzip and fails on the rest.
 *
 * A small batch can expand to gigabytes: what is read is bounded, or comes in pieces.
 *
 * The decompressors of snappy and LZ4 are loaded with the first batch that needs them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import type { Transform } from "node:stream";
import {
  createUnzip,
  createZstdDecompress,
  unzip,
  type ZlibOptions,
  zstdDecompress,
} from "node:zlib";
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
  compress(encoder: unknown): Promise<Buffer>;
  decompress(compressed: Buffer): Promise<Buffer>;
}

/** Compression types in the attributes of a record batch; https://kafka.apache.org/documentation/#recordbatch. */
const TYPE_MASK = 0x07;
const NONE = 0;
const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

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
  within: (compressed, maxBytes) => inflate(unzip as Unpack, compressed, maxBytes),
  pieces: (compressed) => through(createUnzip({ chunkSize: CHUNK_BYTES }), compressed),
};

const zstd: Decompressor = {
  within: (compressed, maxBytes) => inflate(zstdDecompress as Unpack, compressed, maxBytes),
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

/** Codecs for kafkajs that read snappy, LZ4 and Zstandard, by compression type. */
export const readingCodecs: Record<number, () => Codec> = {
  [SNAPPY]: () => reading(snappy),
  [LZ4]: () => reading(lz4),
  [ZSTD]: () => reading(zstd),
};

function reading({ within }: Decompressor): Codec {
  return {
    compress: () => Promise.reject(new Error("this compression is supported for reading only")),
    async decompress(compressed) {
      return (await within(compressed, Infinity))!;
    },
  };
}

/** `unzip` and `zstdDecompress` of node:zlib. */
type Unpack = (
  compressed: Buffer,
  options: ZlibOptions,
  callback: (error: Error | null, bytes: Buffer) => void,
) => void;

async function inflate(
  unpack: Unpack,
  compressed: Buffer,
  maxBytes: number,
): Promise<Buffer | undefined> {
  if (maxBytes < 1) return undefined;
  const options = maxBytes === Infinity ? {} : { maxOutputLength: maxBytes };
  try {
    return await promisify(unpack)(compressed, options);
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
  const { lz4Decompress } = await import("@platformatic/wasm-utils/bundled");
  return Buffer.from(lz4Decompress(compressed));
}

async function snappyWithin(compressed: Buffer, maxBytes: number): Promise<Buffer | undefined> {
  const blocks = [...snappyBlocks(compressed)];
  if (blocks.reduce((sum, block) => sum + snappySize(block), 0) > maxBytes) return undefined;
  const { snappyDecompress } = await import("@platformatic/wasm-utils/bundled");
  return Buffer.concat(blocks.map((block) => snappyDecompress(block)));
}

async function* snappyPieces(compressed: Buffer): AsyncGenerator<Buffer> {
  const { snappyDecompress } = await import("@platformatic/wasm-utils/bundled");
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
