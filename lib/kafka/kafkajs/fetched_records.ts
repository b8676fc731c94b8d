/**
 * Decoding the records of fetch responses.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { DecodedRecord } from "./aborted_records.ts";

/** kafkajs's `Decoder`, as far as it is used here. */
interface Decoder {
  buffer: Buffer;
  /** The number of bytes read. */
  offset: number;
}

/** The function of kafkajs that is used here. */
export interface DecodeInternals {
  /** The codec for the compression in the attributes of a batch; `null` for none. */
  lookupCodecByAttributes: (
    attributes: number,
  ) => { decompress(bytes: Buffer): Promise<Buffer> } | null;
}

/** The function of kafkajs's fetch/v4/decodeMessages.js, which later versions also call. */
export type DecodeMessages = (decoder: Decoder) => Promise<DecodedRecord[]>;

/** The header of a record batch. */
interface BatchContext {
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
const RECORDS_AT = 61;

const MAGIC_BYTE = 2;
const LOG_APPEND_TIME_FLAG = 0x08;
const TRANSACTIONAL_FLAG = 0x10;
const CONTROL_FLAG = 0x20;

const lastOffsets = new WeakMap<object, bigint>();
const fetchedBytes = new WeakMap<object, number>();

/**
 * Returns the last offset of the batches that held these records; `undefined` if there was no batch.
 *
 * The last record can have a smaller offset, and there can be no records at all: compaction removes
 * records from a batch and keeps its offsets.
 */
export function lastOffsetOf(records: unknown[]): bigint | undefined {
  return lastOffsets.get(records);
}

/** Returns how many bytes of a response held these records. */
export function fetchedBytesOf(records: unknown[]): number {
  return fetchedBytes.get(records) ?? 0;
}

/**
 * Decodes at a third of the cost of the original, and records the {@linkcode lastOffsetOf} the batches.
 *
 * The original creates a decoder and a buffer for each record and computes its offset and timestamp
 * with BigInt and strings. It also fails on a batch of more than about 120,000 records, which it passes
 * as the arguments of one call, and treats a header named like a method of `Object`, such as
 * "constructor", as a repeated one.
 */
export function decodingInPlace(
  original: DecodeMessages,
  internals: DecodeInternals,
): DecodeMessages {
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
    let at = start;
    while (at + RECORDS_AT <= end) {
      const next = at + LENGTH_AT + 4 + buffer.readInt32BE(at + LENGTH_AT);
      // The broker cuts at the requested size: the last batch may be incomplete.
      if (next > end) break;
      await appendBatch(records, buffer.subarray(at, next), internals);
      at = next;
    }
    fetchedBytes.set(records, end - start);
    return records;
  };
}

async function appendBatch(
  records: DecodedRecord[],
  batch: Buffer,
  { lookupCodecByAttributes }: DecodeInternals,
): Promise<void> {
  const firstOffset = batch.readBigInt64BE(0);
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  const lastOffsetDelta = batch.readInt32BE(LAST_OFFSET_DELTA_AT);
  const context: BatchContext = {
    firstOffset: String(firstOffset),
    firstTimestamp: String(batch.readBigInt64BE(FIRST_TIMESTAMP_AT)),
    partitionLeaderEpoch: batch.readInt32BE(PARTITION_LEADER_EPOCH_AT),
    inTransaction: (attributes & TRANSACTIONAL_FLAG) !== 0,
    isControlBatch: (attributes & CONTROL_FLAG) !== 0,
    lastOffsetDelta,
    producerId: String(batch.readBigInt64BE(PRODUCER_ID_AT)),
    producerEpoch: batch.readInt16BE(PRODUCER_EPOCH_AT),
    firstSequence: batch.readInt32BE(FIRST_SEQUENCE_AT),
    maxTimestamp: String(batch.readBigInt64BE(MAX_TIMESTAMP_AT)),
    timestampType: (attributes & LOG_APPEND_TIME_FLAG) !== 0 ? 1 : 0,
    magicByte: MAGIC_BYTE,
  };
  const count = batch.readInt32BE(RECORD_COUNT_AT);
  if (count > 0) {
    const codec = lookupCodecByAttributes(attributes);
    const stored = batch.subarray(RECORDS_AT);
    appendRecords(records, codec === null ? stored : await codec.decompress(stored), {
      count,
      context,
    });
  }
  lastOffsets.set(records, firstOffset + BigInt(lastOffsetDelta));
}

function appendRecords(
  records: DecodedRecord[],
  bytes: Buffer,
  { count, context }: { count: number; context: BatchContext },
): void {
  const { isControlBatch, magicByte, maxTimestamp } = context;
  const offsetOf = textOfSum(context.firstOffset);
  const timestampOf = context.timestampType === 1
    ? () => maxTimestamp
    : textOfSum(context.firstTimestamp);
  const from: Reader = { bytes, at: 0 };
  for (let index = 0; index < count; index++) {
    const length = readVarInt(from);
    const next = from.at + length;
    const attributes = bytes.readInt8(from.at++);
    const timestamp = timestampOf(readVarLong(from));
    const offset = offsetOf(readVarInt(from));
    records.push({
      magicByte,
      attributes,
      timestamp,
      offset,
      key: readBytes(from),
      value: readBytes(from),
      headers: readHeaders(from),
      isControlRecord: isControlBatch,
      batchContext: context,
    } as DecodedRecord);
    from.at = next;
  }
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
interface Reader {
  bytes: Buffer;
  at: number;
}

function readBytes(from: Reader): Buffer | null {
  const length = readVarInt(from);
  if (length === -1) return null;
  const start = from.at;
  from.at += length;
  return from.bytes.subarray(start, from.at);
}

function readHeaders(from: Reader): Record<string, unknown> {
  let headers: Record<string, unknown> = {};
  for (let count = readVarInt(from); count > 0; count--) {
    const name = String(readBytes(from));
    const value = readBytes(from);
    const known = Object.hasOwn(headers, name) ? headers[name] : undefined;
    // A literal, because assigning a header named "__proto__" would set the prototype.
    headers = {
      ...headers,
      [name]: known === undefined
        ? value
        : Array.isArray(known)
        ? [...known, value]
        : [known, value],
    };
  }
  return headers;
}

/** Reads a 32-bit number. */
function readVarInt(from: Reader): number {
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
