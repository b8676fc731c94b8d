/**
 * Writing records in the format of record batches (https://kafka.apache.org/documentation/#record).
 *
 * Each record is written directly into the buffer of the request. The length of a record or a text
 * comes before it and is not known yet, so the likely number of bytes is left free for it; when that
 * was too few, as with text beyond ASCII, what follows is moved.
 *
 * @module
 */

/** kafkajs's `Encoder`, as far as it is used here. */
export interface Encoder {
  /** The bytes; replaced by a larger buffer when it is full. */
  buf: Uint8Array;
  /** The number of bytes written. */
  offset: number;
  /** Makes room for this many more bytes. */
  ensureAvailable(length: number): void;
}

/** A key, a value, or the value of a header. */
export type Field = string | Uint8Array | null | undefined;

/** A message as users of kafkajs write it. */
export interface Message {
  /** Decides about the partition, unless the user does. */
  key?: Field;
  /** The content; without one the message is a tombstone. */
  value: Field;
  /** Values by name; a list becomes several headers of the same name. */
  headers?: Record<string, Field | Field[]>;
  /** Milliseconds since the epoch, as text. */
  timestamp?: string;
}

/** The largest size of a 32-bit varint. */
const MAX_VARINT_BYTES = 5;
/** The most that attributes, offset, timestamp and the lengths of key, value and headers can take. */
const MAX_OVERHEAD_BYTES = 32;
/** The size of the length of most records, and of most values that are events. */
const USUAL_PREFIX_BYTES = 2;
/** What a record usually takes beside its key and value. */
const USUAL_OVERHEAD_BYTES = 8;
/** Up to this length a loop is faster than calling `TextEncoder`. */
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

/** Appends a record whose value a function writes, with the time of its batch. */
export function appendWritten<E extends Encoder>(
  to: E,
  key: Field,
  { write, offsetDelta, headers }: {
    write: (to: E) => void;
    offsetDelta: number;
    headers: Message["headers"];
  },
): void {
  reserve(to, key);
  const prefixAt = to.offset;
  const bodyAt = prefixAt + USUAL_PREFIX_BYTES;
  to.offset = bodyAt;
  to.buf[to.offset++] = 0; // attributes
  to.buf[to.offset++] = 0; // time
  putVarInt(to, offsetDelta);
  putField(to, key);
  const valuePrefixAt = to.offset;
  const valueAt = valuePrefixAt + USUAL_PREFIX_BYTES;
  to.offset = valueAt;
  write(to);
  reserve(to);
  putLength(to, valuePrefixAt, valueAt);
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
    // The original throws a TypeError for `null`, which is a valid header: a record that was read
    // with one could not be written again.
    putField(to, value);
  }
  reserve(to);
}

/** Makes room for two fields and everything that may be written around them. */
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

/** Writes the length of what begins at `bodyAt` to `prefixAt`, and moves it to follow its length. */
function putLength(to: Encoder, prefixAt: number, bodyAt: number): void {
  const end = to.offset;
  const length = end - bodyAt;
  const shift = varIntSize(length) - (bodyAt - prefixAt);
  if (shift !== 0) to.buf.copyWithin(bodyAt + shift, bodyAt, end);
  to.offset = prefixAt;
  putVarInt(to, length);
  to.offset = end + shift;
}

/** The size of a batch without records, with its offset and length, in bytes. */
export const BATCH_OVERHEAD_BYTES = 61;

/** The size of a number of at least 0 as a varint. */
export function varIntSize(value: number): number {
  return value < 0x40 ? 1 : value < 0x2000 ? 2 : value < 0x100000 ? 3 : value < 0x8000000 ? 4 : 5;
}

/** Writes a 32-bit number. */
export function putVarInt(to: Encoder, value: number): void {
  const { buf } = to;
  let at = to.offset;
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) buf[at++] = rest & 0x7f | 0x80;
  buf[at++] = rest;
  to.offset = at;
}

/** Writes a 64-bit number. */
function putVarLong(to: Encoder, value: number): void {
  if (value === (value | 0)) return putVarInt(to, value);
  const long = Number.isNaN(value) ? 0n : BigInt(value);
  let rest = BigInt.asUintN(64, (long << 1n) ^ (long >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) to.buf[to.offset++] = Number(rest & 0x7fn) | 0x80;
  to.buf[to.offset++] = Number(rest);
}
