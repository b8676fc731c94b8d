/**
 * Reading LZ4 frames block by block: the library that reads whole frames needs memory for all of it.
 * The format is at https://github.com/lz4/lz4/tree/dev/doc.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const MAGIC = 0x184d2204;
/** Flags of a frame: what its header and its blocks hold. */
const BLOCK_CHECKSUM = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const DICTIONARY_ID = 0x01;
/** The bit in the size of a block that is stored as it is. */
const STORED = 0x80000000;
/** How far back a block may refer, in bytes. */
const HISTORY_BYTES = 65_536;
const MIN_MATCH = 4;

/** A block of a frame. */
interface Block {
  bytes: Buffer;
  isStored: boolean;
  /** The most that it can expand to. */
  maxBytes: number;
}

/** No less than the size of the content, in bytes, without reading it. */
export function lz4MaxBytes(compressed: Buffer): number {
  let sum = 0;
  for (const { bytes, isStored, maxBytes } of lz4Blocks(compressed)) {
    sum += isStored ? bytes.length : maxBytes;
  }
  return sum;
}

/**
 * The content of each block.
 *
 * @throws {Error} When the bytes are not LZ4 frames.
 */
export function* lz4Pieces(compressed: Buffer): Generator<Buffer> {
  let window = Buffer.alloc(0);
  let history = 0;
  for (const { bytes, isStored, maxBytes } of lz4Blocks(compressed)) {
    if (window.length < HISTORY_BYTES + maxBytes) {
      window = Buffer.concat([window.subarray(0, history)], HISTORY_BYTES + maxBytes);
    }
    const end = isStored
      ? history + bytes.copy(window, history)
      : expandBlock(bytes, window, history);
    yield Buffer.from(window.subarray(history, end));
    const kept = Math.min(end, HISTORY_BYTES);
    window.copyWithin(0, end - kept, end);
    history = kept;
  }
}

function* lz4Blocks(bytes: Buffer): Generator<Block> {
  for (let at = 0; at < bytes.length;) {
    if (bytes.readUInt32LE(at) !== MAGIC) throw new Error("expected an LZ4 frame");
    const flags = bytes.readUInt8(at + 4);
    // 4 to 7 stand for 64 KiB, 256 KiB, 1 MiB and 4 MiB.
    const maxBytes = 2 ** (8 + 2 * (bytes.readUInt8(at + 5) >> 4 & 7));
    at += 7 + (flags & CONTENT_SIZE ? 8 : 0) + (flags & DICTIONARY_ID ? 4 : 0);
    for (;;) {
      const size = bytes.readUInt32LE(at);
      at += 4;
      if (size === 0) break;
      const end = at + size % STORED;
      if (end > bytes.length) throw new Error("an LZ4 block is cut off");
      yield { bytes: bytes.subarray(at, end), isStored: size >= STORED, maxBytes };
      at = end + (flags & BLOCK_CHECKSUM ? 4 : 0);
    }
    at += flags & CONTENT_CHECKSUM ? 4 : 0;
  }
}

/** Expands a block behind the history that it refers to; returns where its content ends. */
function expandBlock(block: Buffer, window: Buffer, history: number): number {
  let from = 0;
  let at = history;
  const lengthOf = (nibble: number) => {
    let length = nibble;
    for (let more = nibble === 15; more;) {
      const byte = block.readUInt8(from++);
      length += byte;
      more = byte === 255;
    }
    return length;
  };
  while (from < block.length) {
    const token = block.readUInt8(from++);
    const literals = lengthOf(token >> 4);
    if (from + literals > block.length || at + literals > window.length) throw invalidBlock();
    block.copy(window, at, from, from + literals);
    at += literals;
    from += literals;
    if (from === block.length) break;
    const distance = block.readUInt16LE(from);
    from += 2;
    const end = at + MIN_MATCH + lengthOf(token & 15);
    if (distance === 0 || distance > at || end > window.length) throw invalidBlock();
    if (distance >= end - at) window.copyWithin(at, at - distance, at - distance + end - at);
    else for (; at < end; at++) window[at] = window[at - distance]!;
    at = end;
  }
  return at;
}

function invalidBlock(): Error {
  return new Error("an LZ4 block is invalid");
}
