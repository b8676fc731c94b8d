/**
 * Decoding the records of fetch responses.
 *
 * What a response holds is decoded at once as long as it is small. A batch that is large, most often
 * because it is compressed, is left as it is: large_batch.ts reads it in pieces.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { DecodedRecord } from "./aborted_records.ts";
import { decompressorFor } from "./compression.ts";

/** kafkajs's `Decoder`, as far as it is used here. */
interface Decoder {
  buffer: Buffer;
  /** The number of bytes read. */
  offset: number;
}

/** The function of kafkajs's fetch/v4/decodeMessages.js, which later versions also call. */
export type DecodeMessages = (decoder: Decoder) => Promise<DecodedRecord[]>;

/** The header of a record batch, as kafkajs gives it with each record. */
export interface BatchContext {
  firstOffset: string;
  firstTimestamp: string;
  partitionLeaderEpoch: number;
  inTransaction: boolean;
  isControlBatch: boolean;
  lastOffsetDelta: number;
  producerId: string;
  producerEpoch: number;
  firstSequence: number;
  maxTimestamp: string;
  timestampType: number;
  magicByte: number;
}

/** What a fetch response held of a partition, beside the records that were decoded. */
export interface FetchedLog {
  /** The header of the first batch. */
  first: BatchContext;
  /**
   * The last offset of the batches that held the records; `undefined` if there was none.
   *
   * The last record can have a smaller offset, and there can be no records at all: compaction removes
   * records from a batch and keeps its offsets.
   */
  lastOffset: bigint | undefined;
  /** The batch that comes next, too large to be decoded at once, or impossible to decode. */
  large: Buffer | undefined;
}

/** What a fetch response held of a partition, in bytes. */
export interface FetchedSize {
  /** All that came. */
  bytes: number;
  /** The batches that were decoded, as they came. */
  decodedBytes: number;
  /** The same batches without compression. */
  expandedBytes: number;
}

/** The offsets of the fields of a record batch; https://kafka.apache.org/documentation/#recordbatch. */
const LENGTH_AT = 8;
const PARTITION_LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const FIRST_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const FIRST_SEQUENCE_AT = 53;
const RECORD_COUNT_AT = 57;
/** Where the header of a batch ends and its records begin. */
export const RECORDS_AT = 61;

const MAGIC_BYTE = 2;
const LOG_APPEND_TIME_FLAG = 0x08;
const TRANSACTIONAL_FLAG = 0x10;
const CONTROL_FLAG = 0x20;

/** How much of a partition is decoded at once, by {@linkcode costOf}; about the memory that it takes. */
export const PIECE_COST = 8_388_608;
/** What a record costs beside its bytes. */
const RECORD_COST = 200;
/** How many headers of a record are shown. */
const MAX_HEADERS = 20_000;

const sizes = new WeakMap<object, FetchedSize>();

const logs = new WeakMap<object, FetchedLog>();

/** What a response held beside these records; `undefined` if there was no batch. */
export function fetchedLog(records: readonly unknown[]): FetchedLog | undefined {
  return logs.get(records);
}

/** Remembers what a response held beside these records. */
export function setFetchedLog(records: unknown[], log: FetchedLog): void {
  logs.set(records, log);
}

/** What it takes to hold records. */
export function costOf(bytes: number, count = 1): number {
  return bytes + count * RECORD_COST;
}

/** What held these records. */
export function fetchedSizeOf(records: unknown[]): FetchedSize {
  return sizes.get(records) ?? { bytes: 0, decodedBytes: 0, expandedBytes: 0 };
}

/**
 * Decodes at a third of the cost of the original, and records the {@linkcode fetchedLog}.
 *
 * The original creates a decoder and a buffer for each record and computes its offset and timestamp
 * with BigInt and strings. It also fails on a batch of more than about 120,000 records, which it passes
 * as the arguments of one call, treats a header named like a method of `Object`, such as "constructor",
 * as a repeated one, and expands a compressed batch however large it becomes.
 */
export function decodingInPlace(original: DecodeMessages): DecodeMessages {
  return async (decoder) => {
    const { buffer, offset } = decoder;
    const start = offset + 4;
    const end = start + buffer.readInt32BE(offset);
    // A format before Kafka 0.11, or no records.
    if (end > buffer.length || end <= start + MAGIC_AT || buffer[start + MAGIC_AT] !== MAGIC_BYTE) {
      return original(decoder);
    }
    decoder.offset = end;
    const records: DecodedRecord[] = [];
    const size = { bytes: end - start, decodedBytes: 0, expandedBytes: 0 };
    sizes.set(records, size);
    let budget = PIECE_COST;
    let at = start;
    while (at + RECORDS_AT <= end) {
      const next = at + LENGTH_AT + 4 + buffer.readInt32BE(at + LENGTH_AT);
      // The broker cuts at the requested size: the last batch may be incomplete.
      if (next > end) break;
      if (next < at + RECORDS_AT) {
        throw new Error("a fetched record batch is shorter than its header");
      }
      const batch = buffer.subarray(at, next);
      const header = batchHeader(batch);
      const log: FetchedLog = logs.get(records) ??
        { first: header.context, lastOffset: undefined, large: undefined };
      logs.set(records, log);
      const expandedBytes = await appendBatch(records, batch, { ...header, budget });
      if (expandedBytes === undefined) {
        log.large = batch;
        break;
      }
      budget -= costOf(expandedBytes, header.count);
      size.decodedBytes += batch.length;
      size.expandedBytes += RECORDS_AT + expandedBytes;
      log.lastOffset = lastOffsetOf(header.context);
      at = next;
    }
    return records;
  };
}

/** The header of a record batch. */
export function batchHeader(
  batch: Buffer,
): { context: BatchContext; attributes: number; count: number } {
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  const context: BatchContext = {
    firstOffset: String(batch.readBigInt64BE(0)),
    firstTimestamp: String(batch.readBigInt64BE(FIRST_TIMESTAMP_AT)),
    partitionLeaderEpoch: batch.readInt32BE(PARTITION_LEADER_EPOCH_AT),
    inTransaction: (attributes & TRANSACTIONAL_FLAG) !== 0,
    isControlBatch: (attributes & CONTROL_FLAG) !== 0,
    lastOffsetDelta: batch.readInt32BE(LAST_OFFSET_DELTA_AT),
    producerId: String(batch.readBigInt64BE(PRODUCER_ID_AT)),
    producerEpoch: batch.readInt16BE(PRODUCER_EPOCH_AT),
    firstSequence: batch.readInt32BE(FIRST_SEQUENCE_AT),
    maxTimestamp: String(batch.readBigInt64BE(MAX_TIMESTAMP_AT)),
    timestampType: (attributes & LOG_APPEND_TIME_FLAG) !== 0 ? 1 : 0,
    magicByte: MAGIC_BYTE,
  };
  return { context, attributes, count: batch.readInt32BE(RECORD_COUNT_AT) };
}

/** The last offset of a batch. */
export function lastOffsetOf({ firstOffset, lastOffsetDelta }: BatchContext): bigint {
  return BigInt(firstOffset) + BigInt(lastOffsetDelta);
}

/** Appends the records of a batch and returns their bytes; `undefined` if they cannot be decoded within the budget. */
async function appendBatch(
  records: DecodedRecord[],
  batch: Buffer,
  { context, attributes, count, budget }: {
    context: BatchContext;
    attributes: number;
    count: number;
    budget: number;
  },
): Promise<number | undefined> {
  if (count <= 0) return 0;
  const before = records.length;
  try {
    const maxBytes = budget - costOf(0, count);
    const bytes = await decompressorFor(attributes).within(batch.subarray(RECORDS_AT), maxBytes);
    if (bytes === undefined) return undefined;
    const from: Reader = { bytes, at: 0 };
    const decode = recordDecoder(context);
    for (let index = 0; index < count; index++) {
      const length = readVarInt(from);
      const next = from.at + length;
      if (length < 0 || next > bytes.length) throw invalidRecord();
      records.push(decode(from, length));
      from.at = next;
    }
    return bytes.length;
  } catch {
    // Whoever reads it as a large batch says what is wrong, and where.
    records.length = before;
    return undefined;
  }
}

/** Where a part of a record is. */
interface Span {
  at: number;
  /** The number of bytes; for headers, how many there are. */
  length: number;
}

/** The error for a record whose size is wrong. */
export function invalidRecord(): Error {
  return new RangeError(
    "a record is longer than its batch, or a part of it longer than the record",
  );
}

/** A record as it was fetched. What services rarely need is decoded when it is asked for. */
export class FetchedRecord implements DecodedRecord {
  readonly magicByte = MAGIC_BYTE;
  readonly isControlRecord: boolean;
  #bytes: Buffer;
  #offsetDelta: number;
  #keyAt: number;
  #keyLength: number;
  #headersAt: number;
  #headerCount: number;

  constructor(
    bytes: Buffer,
    readonly batchContext: BatchContext,
    readonly attributes: number,
    readonly timestamp: string,
    readonly value: Buffer | null,
    parts: { offsetDelta: number; key: Span; headers: Span },
    /** The size of the record as it is stored, in bytes. */
    readonly size: number,
    /** Whether only its beginning was kept, or not all of its headers are shown. */
    readonly isCut: boolean,
  ) {
    this.isControlRecord = batchContext.isControlBatch;
    this.#bytes = bytes;
    this.#offsetDelta = parts.offsetDelta;
    this.#keyAt = parts.key.at;
    this.#keyLength = parts.key.length;
    this.#headersAt = parts.headers.at;
    this.#headerCount = parts.headers.length;
  }

  get offset(): string {
    return String(BigInt(this.batchContext.firstOffset) + BigInt(this.#offsetDelta));
  }

  get key(): Buffer | null {
    return this.#keyLength === -1
      ? null
      : this.#bytes.subarray(this.#keyAt, this.#keyAt + this.#keyLength);
  }

  /** The headers by name; a name that is repeated has a list. */
  get headers(): Record<string, unknown> {
    if (this.#headerCount === 0) return {};
    return readHeaders({ bytes: this.#bytes, at: this.#headersAt }, this.#headerCount);
  }
}

/**
 * Makes a function that decodes the records of a batch. The bytes may end before the record does: what
 * is missing is then empty. It throws an error when a part of a record is longer than the record.
 */
export function recordDecoder(
  context: BatchContext,
): (from: Reader, size: number) => FetchedRecord {
  const timestampOf = context.timestampType === 1
    ? () => context.maxTimestamp
    : textOfSum(context.firstTimestamp);
  return (from, size) => {
    const { bytes } = from;
    const end = from.at + size;
    const isShort = end > bytes.length;
    const attributes = bytes.readInt8(from.at++);
    const timestamp = timestampOf(readVarLong(from));
    const offsetDelta = readVarInt(from);
    const keyLength = readVarInt(from);
    const keyAt = from.at;
    if (keyLength > 0) from.at += keyLength;
    const value = readBytes(from);
    if (keyLength < -1 || (from.at > end && !isShort)) throw invalidRecord();
    const headerCount = readVarInt(from);
    return new FetchedRecord(
      bytes,
      context,
      attributes,
      timestamp,
      value,
      {
        offsetDelta,
        key: { at: keyAt, length: keyLength },
        headers: { at: from.at, length: headerCount },
      },
      size,
      isShort || headerCount > MAX_HEADERS,
    );
  };
}

/** Adds to a number and returns the sum as text; the same delta as before costs nothing. */
function textOfSum(base: string): (delta: number | bigint) => string {
  const exact = BigInt(base);
  const fast = Number(base);
  // Far enough from 2^53 for every delta that is not a bigint.
  const safe = Math.abs(fast) < 2 ** 52;
  let lastDelta: number | bigint | undefined;
  let text = "";
  return (delta) => {
    if (delta !== lastDelta) {
      lastDelta = delta;
      text = safe && typeof delta === "number"
        ? String(fast + delta)
        : String(exact + BigInt(delta));
    }
    return text;
  };
}

/** Bytes, and the number of them that are read. */
export interface Reader {
  bytes: Buffer;
  at: number;
}

function readBytes(from: Reader): Buffer | null {
  const length = readVarInt(from);
  if (length < 0) return null;
  const start = from.at;
  from.at += length;
  return from.bytes.subarray(start, from.at);
}

function readHeaders(from: Reader, count: number): Record<string, unknown> {
  const headers = new Map<string, unknown>();
  const shown = Math.min(count, MAX_HEADERS);
  for (let index = 0; index < shown && from.at < from.bytes.length; index++) {
    const name = String(readBytes(from));
    const value = readBytes(from);
    const known = headers.get(name);
    if (Array.isArray(known)) known.push(value);
    else headers.set(name, headers.has(name) ? [known, value] : value);
  }
  // It defines its properties: assigning a header named "__proto__" would set the prototype.
  return Object.fromEntries(headers);
}

/** Reads a 32-bit number. */
export function readVarInt(from: { bytes: Uint8Array; at: number }): number {
  const { bytes } = from;
  let byte = bytes[from.at++]!;
  let value = byte & 0x7f;
  for (let shift = 7; byte > 0x7f; shift += 7) {
    byte = bytes[from.at++]!;
    value |= (byte & 0x7f) << shift;
  }
  return (value >>> 1) ^ -(value & 1);
}

/** Reads a 64-bit number; returns a bigint if it has more than 48 bits. */
function readVarLong(from: Reader): number | bigint {
  const start = from.at;
  let byte = from.bytes[from.at++]!;
  let value = byte & 0x7f;
  for (let factor = 2 ** 7; byte > 0x7f; factor *= 2 ** 7) {
    if (factor > 2 ** 42) {
      from.at = start;
      return readBigVarLong(from);
    }
    byte = from.bytes[from.at++]!;
    value += (byte & 0x7f) * factor;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function readBigVarLong(from: Reader): bigint {
  let value = 0n;
  let byte: number;
  let shift = 0n;
  do {
    if (shift > 63n) throw new Error("expected a number of at most 10 bytes in a fetched record");
    byte = from.bytes[from.at++]!;
    value += BigInt(byte & 0x7f) << shift;
    shift += 7n;
  } while (byte > 0x7f);
  return (value >> 1n) ^ -(value & 1n);
}
