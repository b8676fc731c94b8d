/**
 * Reading an order as `encodeOrder` writes it, without a JSON parser.
 *
 * The services spend most of their time on reading orders, and most orders have their fields in the
 * documented order, without white space or escapes. {@linkcode scanOrder} takes these from the bytes
 * in one pass, with every check of the schema, and makes strings and items only when they are
 * asked for. An order that it does not take may still be valid: loose_order_scan.ts and the JSON parser
 * decide.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { MAX_ID_CHARACTERS, MAX_ITEMS } from "./event_fields.ts";
import type { OrderItem, OrderPlaced, ParsedOrder } from "./order.ts";
import { parseTimestampMs } from "./timestamp.ts";

const encoder = new TextEncoder();
const BEFORE_ORDER_ID = encoder.encode('{"event_type":"OrderPlaced","order_id":"');
const BEFORE_USER_ID = encoder.encode('","user_id":"');
const BEFORE_ITEMS = encoder.encode('","items":[');
const BEFORE_ITEM_ID = encoder.encode('{"item_id":"');
const BEFORE_QUANTITY = encoder.encode('","quantity":');
const BEFORE_PRICE = encoder.encode(',"price":');
const BEFORE_TOTAL = encoder.encode('],"total_amount":');
const BEFORE_STATUS = encoder.encode(',"status":"');
const PLACED = encoder.encode("placed");
const FAILED = encoder.encode("failed");
const BEFORE_TIMESTAMP = encoder.encode('","timestamp":"');
const END = encoder.encode('"}');

/** The ASCII code of `"`. */
export const QUOTE = 0x22;
/** The ASCII code of `,`. */
export const COMMA = 0x2c;
const POINT = 0x2e;
const ZERO = 0x30;
/** The ASCII code of the backslash. */
export const BACKSLASH = 0x5c;
/** The ASCII code of `}`. */
export const CLOSING_BRACE = 0x7d;

/** With this many digits a number and the power of ten that it is divided by are exact doubles. */
const MAX_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: MAX_DIGITS + 1 }, (_, power) => 10 ** power);

/** The length of `2024-01-15T10:30`. */
const MINUTE_LENGTH = 16;
/** The length of `2024-01-15T10:30:00.000Z`. */
export const TIMESTAMP_LENGTH = 24;

/** Where the last {@linkcode scanNumber} ended. */
export let numberEnd = 0;
/** What the last {@linkcode scanItem} found. */
let itemIdAt = 0;
let itemIdEnd = 0;
let quantity = 0;
let price = 0;

/** An order whose texts are still bytes. */
class ScannedOrder implements OrderPlaced {
  readonly event_type = "OrderPlaced";

  constructor(
    private readonly bytes: Uint8Array,
    readonly status: OrderPlaced["status"],
    readonly total_amount: number,
    private readonly userIdAt: number,
    private readonly itemsAt: number,
    private readonly timestampAt: number,
  ) {}

  get order_id(): string {
    return ascii(this.bytes, BEFORE_ORDER_ID.length, this.userIdAt - BEFORE_USER_ID.length);
  }

  get user_id(): string {
    return ascii(this.bytes, this.userIdAt, this.itemsAt - BEFORE_ITEMS.length);
  }

  get items(): OrderItem[] {
    const items: OrderItem[] = [];
    let at = this.itemsAt;
    do {
      at = scanItem(this.bytes, at) + 1;
      items.push({ item_id: itemId(this.bytes, itemIdAt, itemIdEnd), quantity, price });
    } while (this.bytes[at - 1] === COMMA);
    return items;
  }

  get timestamp(): string {
    return ascii(this.bytes, this.timestampAt, this.timestampAt + TIMESTAMP_LENGTH);
  }
}

/** Reads an order; `undefined` when it is written in another way, or is no valid order. */
export function scanOrder(bytes: Uint8Array): ParsedOrder | undefined {
  const orderIdEnd = idEnd(bytes, after(bytes, 0, BEFORE_ORDER_ID));
  const userIdAt = after(bytes, orderIdEnd, BEFORE_USER_ID);
  const itemsAt = after(bytes, idEnd(bytes, userIdAt), BEFORE_ITEMS);
  let items = 0;
  let at = itemsAt;
  do {
    at = scanItem(bytes, at);
    if (at < 0) return undefined;
    items++;
  } while (bytes[at] === COMMA && at++ > 0);

  const total = scanNumber(bytes, after(bytes, at, BEFORE_TOTAL));
  const statusAt = after(bytes, numberEnd, BEFORE_STATUS);
  if (statusAt < 0 || items > MAX_ITEMS) return undefined;
  const isPlaced = after(bytes, statusAt, PLACED) > 0;
  if (!isPlaced && after(bytes, statusAt, FAILED) < 0) return undefined;

  const timestampAt = after(bytes, statusAt + PLACED.length, BEFORE_TIMESTAMP);
  const timestampMs = scanTimestamp(bytes, timestampAt);
  if (Number.isNaN(timestampMs)) return undefined;
  if (after(bytes, timestampAt + TIMESTAMP_LENGTH, END) !== bytes.length) return undefined;
  const status = isPlaced ? "placed" : "failed";
  return {
    kind: "order",
    order: new ScannedOrder(bytes, status, total, userIdAt, itemsAt, timestampAt),
    timestampMs,
  };
}

/** Reads an item and returns the index behind it; −1 when it is something else. */
function scanItem(bytes: Uint8Array, at: number): number {
  itemIdAt = after(bytes, at, BEFORE_ITEM_ID);
  itemIdEnd = idEnd(bytes, itemIdAt);
  quantity = scanNumber(bytes, after(bytes, itemIdEnd, BEFORE_QUANTITY));
  price = scanNumber(bytes, after(bytes, numberEnd, BEFORE_PRICE));
  const isItem = numberEnd > 0 && bytes[numberEnd] === CLOSING_BRACE && quantity >= 1 &&
    Number.isInteger(quantity);
  return isItem ? numberEnd + 1 : -1;
}

/** The index behind the expected bytes; −1 when they do not stand there, or `at` is −1. */
export function after(bytes: Uint8Array, at: number, expected: Uint8Array): number {
  if (at < 0) return -1;
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return -1;
  return at + expected.length;
}

/** The index of the quote that ends an id without escapes; −1 when there is something else. */
export function idEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  const limit = Math.min(bytes.length, at + MAX_ID_CHARACTERS + 1);
  for (let end = at; end < limit; end++) {
    const code = bytes[end]!;
    if (code === QUOTE) return end === at ? -1 : end;
    // What is not ASCII is left to the JSON parser.
    if (code < 0x20 || code > 0x7e || code === BACKSLASH) return -1;
  }
  return -1;
}

/**
 * Reads digits, or digits with a point between; sets {@linkcode numberEnd}, −1 when there is
 * something else.
 */
export function scanNumber(bytes: Uint8Array, at: number): number {
  numberEnd = -1;
  if (at < 0) return NaN;
  let value = 0;
  let decimals = -1;
  let end = at;
  for (; end < bytes.length; end++) {
    const digit = bytes[end]! - ZERO;
    if (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      if (decimals >= 0) decimals++;
    } else if (digit === POINT - ZERO && decimals < 0) decimals = 0;
    else break;
  }
  const digits = end - at - (decimals < 0 ? 0 : 1);
  const wholeDigits = digits - Math.max(0, decimals);
  const hasLeadingZero = bytes[at] === ZERO && wholeDigits > 1;
  if (wholeDigits === 0 || digits > MAX_DIGITS || decimals === 0 || hasLeadingZero) return NaN;
  numberEnd = end;
  return decimals < 0 ? value : value / POWERS_OF_TEN[decimals]!;
}

/** The minute of the last {@linkcode scanTimestamp}: orders of one minute come together. */
const lastMinute = new Uint8Array(MINUTE_LENGTH);
let lastMinuteMs = NaN;

/** Reads a time such as `2024-01-15T10:30:00.000Z`; `NaN` when there is something else. */
export function scanTimestamp(bytes: Uint8Array, at: number): number {
  if (at < 0 || at + TIMESTAMP_LENGTH > bytes.length) return NaN;
  if (after(bytes, at, lastMinute) < 0) {
    lastMinuteMs = parseTimestampMs(ascii(bytes, at, at + MINUTE_LENGTH));
    for (let i = 0; i < MINUTE_LENGTH; i++) lastMinute[i] = bytes[at + i]!;
  }
  const digit = (index: number) => {
    const value = bytes[at + index]! - ZERO;
    return value >= 0 && value <= 9 ? value : NaN;
  };
  const second = digit(17) * 10 + digit(18);
  const ms = digit(20) * 100 + digit(21) * 10 + digit(22);
  const isTime = second <= 59 && bytes[at + 16] === 0x3a && bytes[at + 19] === POINT &&
    bytes[at + 23] === 0x5a;
  return isTime ? lastMinuteMs + second * 1_000 + ms : NaN;
}

/** The text that these bytes are, which are ASCII. */
export function ascii(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}

/** Texts of items by a hash of their bytes: a menu is short, and decoding costs ten times as much. */
const KNOWN_ITEMS = 1_024;
const knownItems = new Array<{ bytes: Uint8Array; text: string } | undefined>(KNOWN_ITEMS);

/**
 * As {@linkcode ascii}, for texts that come again and again.
 *
 * @param read Reads a text that is not known yet.
 */
export function itemId(bytes: Uint8Array, start: number, end: number, read = ascii): string {
  let hash = 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + bytes[i]! | 0;
  const slot = hash & (KNOWN_ITEMS - 1);
  const known = knownItems[slot];
  if (
    known !== undefined && known.bytes.length === end - start &&
    after(bytes, start, known.bytes) > 0
  ) return known.text;
  const text = read(bytes, start, end);
  knownItems[slot] = { bytes: new Uint8Array(bytes.subarray(start, end)), text };
  return text;
}
