import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { zstdCompressSync } from "node:zlib";
import { lz4Compress, snappyCompress } from "@platformatic/wasm-utils/bundled";
import { readingCodecs } from "./compression.ts";

Deno.test("snappy is read as Java writes it and as others do, LZ4 and Zstandard too", async () => {
  const text = Buffer.from("order ".repeat(10_000));
  const decompress = (type: number, compressed: Buffer) =>
    readingCodecs[type]!().decompress(compressed);
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
