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
/** Numbers with at most two decimals below this are written digit by digit. */
const MAX_CENTS = 1e9;
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
    const { buf } = this;
    let at = this.offset;
    // A loop is faster for the few bytes between two values.
    if (length > 64) buf.set(bytes, at);
    else for (let i = 0; i < length; i++) buf[at++] = bytes[i]!;
    this.offset += length;
  }

  /** Appends a text in quotes, as `JSON.stringify` gives it. */
  string(text: string): void {
    const { length } = text;
    this.ensureAvailable(length + 2);
    const { buf } = this;
    let at = this.offset;
    buf[at++] = QUOTE;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (PLAIN[code] !== 1) return this.#text(JSON.stringify(text));
      buf[at++] = code;
    }
    buf[at++] = QUOTE;
    this.offset = at;
  }

  /** Appends a number, as `JSON.stringify` gives it. */
  number(value: number): void {
    this.ensureAvailable(MAX_NUMBER_BYTES);
    const cents = Math.round(value * 100);
    // Two numbers of two decimals are further apart than a double is exact: these are the digits.
    if (!(cents >= 0 && cents < MAX_CENTS && cents / 100 === value)) {
      return this.#text(JSON.stringify(value));
    }
    const whole = Math.floor(cents / 100);
    this.#digits(whole);
    const decimals = cents - whole * 100;
    if (decimals === 0) return;
    const tenths = Math.floor(decimals / 10);
    const { buf } = this;
    buf[this.offset++] = POINT;
    buf[this.offset++] = ZERO + tenths;
    if (decimals !== tenths * 10) buf[this.offset++] = ZERO + decimals - tenths * 10;
  }

  #digits(value: number): void {
    let end = this.offset + 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++;
    this.offset = end;
    let rest = value;
    do {
      const tens = Math.floor(rest / 10);
      this.buf[--end] = ZERO + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
  }

  #text(text: string): void {
    this.ensureAvailable(3 * text.length);
    this.offset += utf8.encodeInto(text, this.buf.subarray(this.offset)).written;
  }
}

/** What a function writes, as text. */
export function jsonOf<T>(value: T, write: (value: T, to: JsonWriter) => void): string {
  const to = new JsonWriter();
  write(value, to);
  return new TextDecoder().decode(to.bytes);
}
