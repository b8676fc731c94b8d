import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { gunzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { lz4Compress, snappyCompress } from "@platformatic/wasm-utils/bundled";
import { compressionType } from "../../compression.ts";
import { codecs, compressRecords } from "./compression.ts";
import { lz4Pieces } from "./lz4.ts";

Deno.test("snappy is read as Java writes it and as others do, LZ4 and Zstandard too", async () => {
  const text = Buffer.from("order ".repeat(10_000));
  const decompress = (type: number, compressed: Buffer) => codecs[type]!().decompress(compressed);
  const block = Buffer.from(snappyCompress(text));
  const halves = [text.subarray(0, 30_000), text.subarray(30_000)].flatMap((half) => {
    const compressed = Buffer.from(snappyCompress(half));
    const length = Buffer.alloc(4);
    length.writeInt32BE(compressed.length);
    return [length, compressed];
  });
  const header = Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1");
  for (
    const [type, compressed] of [
      [2, block],
      [2, Buffer.concat([header, ...halves])],
      [3, Buffer.from(lz4Compress(text))],
      [4, zstdCompressSync(text)],
    ] as const
  ) {
    assertEquals((await decompress(type, compressed)).equals(text), true);
  }
});

/** Decoders that have nothing to do with what compresses. */
const DECODERS: [type: number, decode: (compressed: Buffer) => Uint8Array][] = [
  [compressionType("gzip"), gunzipSync],
  [compressionType("snappy"), decodeSnappyBlock],
  [compressionType("lz4"), (compressed) => Buffer.concat([...lz4Pieces(compressed)])],
  [compressionType("zstd"), zstdDecompressSync],
];

Deno.test("compressRecords writes what others read, whatever the size", async () => {
  const line = () => `{"order_id":"${randomBytes(4).toString("hex")}","status":"placed"}\n`;
  for (const [type, decode] of DECODERS) {
    for (const bytes of [2_000, 65_536, 65_537, 300_000, 3_000_000]) {
      const records = Buffer.from(
        Array.from({ length: Math.ceil(bytes / 43) }, line).join("").slice(0, bytes),
      );
      const compressed = await compressRecords(type, records);
      assert(compressed !== undefined && compressed.length < 0.95 * bytes, `type ${type}`);
      assert(records.equals(decode(compressed)), `type ${type}, ${bytes} bytes`);
    }
  }
});

Deno.test("compressRecords leaves alone what would not become smaller", async () => {
  for (const [type] of DECODERS) {
    for (const bytes of [0, 1, 20, 70_000, 1_100_000]) {
      assertEquals(await compressRecords(type, randomBytes(bytes)), undefined);
    }
  }
});

Deno.test("compressRecords leaves alone what is short, but for gzip", async () => {
  for (const [type] of DECODERS) {
    const compressed = await compressRecords(type, Buffer.alloc(1_023));
    assertEquals(compressed !== undefined, type === compressionType("gzip"));
  }
});

Deno.test("LZ4 has the frame that Java's client accepts: independent blocks, a header with its checksum", async () => {
  // The checksum is the second byte of the xxHash of the two bytes before it.
  const headers = { 60_000: "6040" + "82", 200_000: "6050" + "fb", 900_000: "6070" + "73" };
  for (const [bytes, header] of Object.entries(headers)) {
    const compressed = await compressRecords(compressionType("lz4"), Buffer.alloc(Number(bytes)));
    assertEquals(compressed?.subarray(0, 7).toString("hex"), "04224d18" + header);
  }
});

/** https://github.com/google/snappy/blob/main/format_description.txt */
function decodeSnappyBlock(block: Buffer): Buffer {
  let at = 0;
  let size = 0;
  for (let shift = 0;; shift += 7) {
    const byte = block[at++]!;
    size |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const out = Buffer.alloc(size);
  let end = 0;
  while (at < block.length) {
    const tag = block[at++]!;
    const kind = tag & 3;
    let length = tag >> 2;
    if (kind === 0) {
      if (length >= 60) {
        const lengthBytes = length - 59;
        length = block.readUIntLE(at, lengthBytes);
        at += lengthBytes;
      }
      end += block.copy(out, end, at, at + length + 1);
      at += length + 1;
      continue;
    }
    const offset = kind === 1
      ? (tag >> 5) << 8 | block[at]!
      : block.readUIntLE(at, kind === 2 ? 2 : 4);
    if (kind === 1) length &= 7;
    const copied = kind === 1 ? length + 4 : length + 1;
    at += [0, 1, 2, 4][kind]!;
    for (let index = 0; index < copied; index++, end++) out[end] = out[end - offset]!;
  }
  return out.subarray(0, end);
}
