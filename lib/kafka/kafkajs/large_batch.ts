/**
 * Reading a batch that is too large to be decoded at once, in pieces.
 *
 * One megabyte of zeros is a thousand when it is expanded. A broker sends a batch whole or not at all,
 * so each piece is a fetch of its own: the position moves past the piece, the next fetch brings the
 * batch again, and the reading goes on where it was.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { decompressorFor } from "./compression.ts";
import {
  batchHeader,
  costOf,
  type FetchedRecord,
  invalidRecord,
  lastOffsetOf,
  PIECE_COST,
  readVarInt,
  recordDecoder,
  RECORDS_AT,
  setFetchedLog,
} from "./fetched_records.ts";

/**
 * How much of a record is kept, in bytes. What comes after that is dropped: no valid event is as long.
 */
const MAX_RECORD_BYTES = 8_388_608;
/** The largest size of a 32-bit varint. */
const MAX_VARINT_BYTES = 5;

/** A large batch, as far as it is read. */
export class LargeBatch {
  #batch: Buffer;
  #header;
  #records: AsyncGenerator<FetchedRecord, void>;
  #nextOffset: bigint;

  /** @param onProgress Awaited after each chunk, which are many. */
  constructor(batch: Buffer, onProgress: () => Promise<void>) {
    this.#batch = batch;
    this.#header = batchHeader(batch);
    this.#records = decodeInChunks(batch, onProgress);
    this.#nextOffset = BigInt(this.#header.context.firstOffset);
  }

  /** Whether a fetch at this offset, which brought this batch, continues the reading. */
  continuesAt(offset: bigint, batch: Buffer): boolean {
    return this.#nextOffset === offset &&
      batch.subarray(0, RECORDS_AT).equals(this.#batch.subarray(0, RECORDS_AT));
  }

  /**
   * The next records that are not before the offset.
   *
   * @throws {Error} When the batch cannot be decoded.
   */
  async read(offset: bigint): Promise<FetchedRecord[]> {
    const { context } = this.#header;
    const records: FetchedRecord[] = [];
    let lastOffset = lastOffsetOf(context);
    for (let cost = 0; cost < PIECE_COST;) {
      const { value: record } = await this.#records.next();
      if (record === undefined) {
        lastOffset = lastOffsetOf(context);
        break;
      }
      lastOffset = BigInt(record.offset);
      if (lastOffset < offset) continue;
      records.push(record);
      cost += costOf(Math.min(record.size, MAX_RECORD_BYTES));
    }
    this.#nextOffset = lastOffset + 1n;
    setFetchedLog(records, { first: context, lastOffset, large: undefined });
    return records;
  }

  /** Lets go of what the reading needs. */
  async close(): Promise<void> {
    await this.#records.return(undefined).catch(() => {});
  }
}

async function* decodeInChunks(batch: Buffer, onProgress: () => Promise<void>) {
  const { context, attributes, count } = batchHeader(batch);
  const decode = recordDecoder(context);
  const chunks = new Chunks(
    decompressorFor(attributes).pieces(batch.subarray(RECORDS_AT)),
    onProgress,
  );
  try {
    for (let index = 0; index < count; index++) {
      const size = await chunks.varInt();
      if (size < 0) throw invalidRecord();
      const bytes = await chunks.take(Math.min(size, MAX_RECORD_BYTES));
      await chunks.skip(size - bytes.length);
      yield decode({ bytes, at: 0 }, size);
    }
  } finally {
    await chunks.close();
  }
}

/** Bytes that come in chunks. */
class Chunks {
  #chunks: AsyncIterator<Buffer>;
  #onProgress: () => Promise<void>;
  #current: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>, onProgress: () => Promise<void>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#onProgress = onProgress;
  }

  async varInt(): Promise<number> {
    if (this.#current.length < MAX_VARINT_BYTES) await this.#fill(MAX_VARINT_BYTES);
    if (this.#current.length === 0) throw new RangeError("the batch ends before its last record");
    const from = { bytes: this.#current, at: 0 };
    const value = readVarInt(from);
    this.#current = this.#current.subarray(from.at);
    return value;
  }

  async take(length: number): Promise<Buffer> {
    if (this.#current.length < length) await this.#fill(length);
    if (this.#current.length < length) throw invalidRecord();
    const taken = this.#current.subarray(0, length);
    this.#current = this.#current.subarray(length);
    return taken;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      if (this.#current.length === 0) await this.#fill(1);
      if (this.#current.length === 0) throw invalidRecord();
      const skipped = Math.min(left, this.#current.length);
      this.#current = this.#current.subarray(skipped);
      left -= skipped;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Makes that many bytes available, unless there are no more. */
  async #fill(length: number): Promise<void> {
    const parts: Buffer[] = [this.#current];
    for (let available = this.#current.length; available < length;) {
      const { value, done } = await this.#chunks.next();
      if (done) break;
      await this.#onProgress();
      parts.push(value);
      available += value.length;
    }
    this.#current = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
