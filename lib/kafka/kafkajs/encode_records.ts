/**
 * Writing records as record batches have them (https://kafka.apache.org/documentation/#record).
 *
 * Each record is written once, at its place. Its length and those of its texts stand before them
 * and are not known yet, so room is left for as many bytes as they are likely to need; text beyond
 * ASCII is moved if that was too few.
 *
 * @module
 */

/** The part of kafkajs's `Encoder` that is used: a buffer and how far it is written. */
export interface Encoder {
  /** The bytes; replaced by larger ones when they are full. */
  buf: Uint8Array;
  /** How many bytes are written. */
  offset: number;
  /** Makes room for so many more bytes. */
  ensureAvailable(length: number): void;
}

/** A key, a value, or the value of a header. */
export type Field = string | Uint8Array | null | undefined;

/** A message as the users of kafkajs write it. */
export interface Message {
  /** The key. */
  key?: Field;
  /** The value. */
  value: Field;
  /** The headers; a list stands for several headers of one name. */
  headers?: Record<string, Field | Field[]>;
  /** When it was made, in milliseconds since the epoch. */
  timestamp?: string;
}

/** The largest length of a varint of 32 bits, in bytes. */
const MAX_VARINT_BYTES = 5;
/** Attributes, offset and timestamp, and the lengths of key, value and headers, at the most. */
const MAX_OVERHEAD_BYTES = 32;
/** A record's bytes beside key and value, mostly. */
const USUAL_OVERHEAD_BYTES = 8;
/** Up to this length a loop is faster than a call of the encoder. */
const SHORT_TEXT = 24;

const utf8 = new TextEncoder();

/** Appends a record. */
export function appendRecord(
  to: Encoder,
  { key, value, headers }: Message,
  { offsetDelta, timestampDelta }: { offsetDelta: number; timestampDelta: number },
): void {
  reserve(to, key, value);
  const prefixAt = to.offset;
  const likelyBytes = USUAL_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  const bodyAt = prefixAt + varIntSize(likelyBytes);
  to.offset = bodyAt;
  to.buf[to.offset++] = 0; // attributes: none are defined
  putVarLong(to, timestampDelta);
  putVarInt(to, offsetDelta);
  putField(to, key);
  putField(to, value);
  if (headers === undefined) to.buf[to.offset++] = 0;
  else putHeaders(to, headers);
  putLength(to, prefixAt, bodyAt);
}

function putHeaders(to: Encoder, headers: Record<string, Field | Field[]>): void {
  const list = Object.keys(headers).flatMap((name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.map((each) => ({ name, value: each })) : [{ name, value }];
  });
  putVarInt(to, list.length);
  for (const { name, value } of list) {
    reserve(to, name, value);
    putField(to, name);
    // The original throws a TypeError for `null`, which is a header like any other: a record that
    // was read with one could not be written again.
    putField(to, value);
  }
  reserve(to);
}

/** Makes room for two fields and everything else that may come with them. */
function reserve(to: Encoder, first?: Field, second?: Field): void {
  to.ensureAvailable(
    MAX_VARINT_BYTES + MAX_OVERHEAD_BYTES + 3 * ((first?.length ?? 0) + (second?.length ?? 0)),
  );
}

function putField(to: Encoder, field: Field): void {
  if (field === null || field === undefined) {
    putVarInt(to, -1);
  } else if (typeof field === "string") {
    const prefixAt = to.offset;
    const textAt = prefixAt + varIntSize(field.length);
    to.offset = textAt + putText(to.buf, field, textAt);
    putLength(to, prefixAt, textAt);
  } else if (field instanceof Uint8Array) {
    putVarInt(to, field.length);
    to.buf.set(field, to.offset);
    to.offset += field.length;
  } else {
    throw new TypeError(
      `a key, a value or a header of a message must be a string or a Buffer, got ${typeof field}`,
    );
  }
}

/** Writes UTF-8 and returns its length in bytes. */
function putText(buf: Uint8Array, text: string, at: number): number {
  const { length } = text;
  if (length <= SHORT_TEXT) {
    let index = 0;
    for (; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 0x7f) break;
      buf[at + index] = unit;
    }
    if (index === length) return length;
  }
  return utf8.encodeInto(text, buf.subarray(at, at + 3 * length)).written;
}

/** Writes the length of what stands from `bodyAt` on to `prefixAt`, right before it. */
function putLength(to: Encoder, prefixAt: number, bodyAt: number): void {
  const end = to.offset;
  const length = end - bodyAt;
  const shift = varIntSize(length) - (bodyAt - prefixAt);
  if (shift !== 0) to.buf.copyWithin(bodyAt + shift, bodyAt, end);
  to.offset = prefixAt;
  putVarInt(to, length);
  to.offset = end + shift;
}

/** How many bytes a number of 0 or more takes as a varint. */
function varIntSize(value: number): number {
  return value < 0x40 ? 1 : value < 0x2000 ? 2 : value < 0x100000 ? 3 : value < 0x8000000 ? 4 : 5;
}

/** Writes a number of 32 bits. */
function putVarInt(to: Encoder, value: number): void {
  const { buf } = to;
  let at = to.offset;
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) buf[at++] = rest & 0x7f | 0x80;
  buf[at++] = rest;
  to.offset = at;
}

/** Writes a number of 64 bits. */
function putVarLong(to: Encoder, value: number): void {
  if (value === (value | 0)) return putVarInt(to, value);
  const long = Number.isNaN(value) ? 0n : BigInt(value);
  let rest = BigInt.asUintN(64, (long << 1n) ^ (long >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) to.buf[to.offset++] = Number(rest & 0x7fn) | 0x80;
  to.buf[to.offset++] = Number(rest);
}
