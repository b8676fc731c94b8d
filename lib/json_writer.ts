/**
 * Writing JSON as bytes, without strings in between.
 *
 * An event of a dozen parts, joined as text and then encoded, takes twice as long, and the collector
 * of garbage has to take the texts away again.
 *
 * @module
 */

const utf8 = new TextEncoder();

/** ASCII characters that stand in JSON as they are. */
const PLAIN = Uint8Array.from(
  { length: 128 },
  (_, code) => code >= 0x20 && code !== 0x22 && code !== 0x5c ? 1 : 0,
);
const QUOTE = 0x22;
const POINT = 0x2e;
const ZERO = 0x30;
/** Numbers below this, with at most two decimals, are written digit by digit. */
const MAX_WHOLE = 1e7;
/** No number has more characters. */
const MAX_NUMBER_BYTES = 32;
const FIRST_SIZE = 4_096;

/** Bytes that grow as something is appended. */
export class JsonWriter {
  /** The bytes; replaced by a larger buffer when they are full. */
  buf: Uint8Array;
  /** The number of bytes written. */
  offset = 0;

  /**
   * Writes to a buffer.
   *
   * @param buf The first buffer; replaced when it is full.
   */
  constructor(buf: Uint8Array = new Uint8Array(FIRST_SIZE)) {
    this.buf = buf;
  }

  /** What is written; valid until something else is. */
  get bytes(): Uint8Array {
    return this.buf.subarray(0, this.offset);
  }

  /** Makes room for this many more bytes. */
  ensureAvailable(length: number): void {
    const needed = this.offset + length;
    if (needed <= this.buf.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.buf.length));
    larger.set(this.bytes);
    this.buf = larger;
  }

  /** Appends bytes as they are: punctuation, names of fields, a value that is JSON already. */
  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    this.ensureAvailable(length);
    // A loop is faster for the few bytes between two values.
    if (length > 64) this.buf.set(bytes, this.offset);
    else putBytes(this.buf, this.offset, bytes);
    this.offset += length;
  }

  /** Appends bytes as they are, and a text in quotes as `JSON.stringify` gives it. */
  string(before: Uint8Array, text: string): void {
    const { length } = text;
    this.ensureAvailable(before.length + length + 2);
    const { buf } = this;
    let at = putBytes(buf, this.offset, before);
    this.offset = at;
    buf[at++] = QUOTE;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (PLAIN[code] !== 1) return this.#text(JSON.stringify(text));
      buf[at++] = code;
    }
    buf[at++] = QUOTE;
    this.offset = at;
  }

  /** Appends bytes as they are, and a number as `JSON.stringify` gives it. */
  number(before: Uint8Array, value: number): void {
    this.ensureAvailable(before.length + MAX_NUMBER_BYTES);
    const { buf } = this;
    let at = this.offset = putBytes(buf, this.offset, before);
    // Whole numbers of 32 bits are divided several times faster than others.
    const cents = value < MAX_WHOLE ? value * 100 + 0.5 | 0 : -1;
    // Two numbers of two decimals are further apart than a double is exact: these are the digits.
    if (cents < 0 || cents / 100 !== value) return this.#text(JSON.stringify(value));
    const whole = cents / 100 | 0;
    at = putDigits(buf, at, whole);
    const decimals = cents - whole * 100;
    if (decimals !== 0) {
      const tenths = decimals / 10 | 0;
      buf[at++] = POINT;
      buf[at++] = ZERO + tenths;
      if (decimals !== tenths * 10) buf[at++] = ZERO + decimals - tenths * 10;
    }
    this.offset = at;
  }

  #text(text: string): void {
    this.ensureAvailable(3 * text.length);
    this.offset += utf8.encodeInto(text, this.buf.subarray(this.offset)).written;
  }
}

function putBytes(buf: Uint8Array, at: number, bytes: Uint8Array): number {
  const { length } = bytes;
  for (let i = 0; i < length; i++) buf[at + i] = bytes[i]!;
  return at + length;
}

/** Writes a whole number of 32 bits, at least 0, and returns the index behind it. */
function putDigits(buf: Uint8Array, at: number, value: number): number {
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = rest / 10 | 0) end++;
  let left = value;
  for (let digit = end - 1; digit >= at; digit--) {
    const tens = left / 10 | 0;
    buf[digit] = ZERO + left - tens * 10;
    left = tens;
  }
  return end;
}

/** What a function writes, as text. */
export function jsonOf<T>(value: T, write: (value: T, to: JsonWriter) => void): string {
  const to = new JsonWriter();
  write(value, to);
  return new TextDecoder().decode(to.bytes);
}
