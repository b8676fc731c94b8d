/**
 * Reading an order as other writers write it, without parsing all of it as JSON: with its fields in any
 * order, white space around them, and escapes in its ids.
 *
 * It takes half as long again as scanOrder (order_scan.ts), and a third of the JSON parser's time. An order
 * that it does not take may still be valid, such as one with text beyond ASCII, exponents or other fields:
 * the JSON parser decides.
 *
 * @module
 */
import { isId, MAX_ID_CHARACTERS, MAX_ITEMS } from "./event_fields.ts";
import type { OrderItem, OrderPlaced, ParsedOrder } from "./order.ts";
import {
  after,
  ascii,
  BACKSLASH,
  CLOSING_BRACE,
  COMMA,
  idEnd,
  itemId,
  numberEnd,
  QUOTE,
  scanNumber,
  scanTimestamp,
  TIMESTAMP_LENGTH,
} from "./order_scan.ts";
import { parseTimestampMs } from "./timestamp.ts";

const encoder = new TextEncoder();

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BLANK = 0x20;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const LAST_ASCII = 0x7e;
/** No id is longer: a character takes twelve bytes as two escapes. */
const MAX_ESCAPED_BYTES = 12 * MAX_ID_CHARACTERS + 1;

function quoted(text: string): Uint8Array {
  return encoder.encode(`"${text}"`);
}

const EVENT_TYPE = quoted("event_type");
const ORDER_ID = quoted("order_id");
const USER_ID = quoted("user_id");
const ITEMS = quoted("items");
const TOTAL_AMOUNT = quoted("total_amount");
const STATUS = quoted("status");
const TIMESTAMP = quoted("timestamp");
const ITEM_ID = quoted("item_id");
const QUANTITY = quoted("quantity");
const PRICE = quoted("price");

/** A place in the documented order of fields. */
interface Place {
  /** What stands before its field. */
  before: number;
  /** The fields to look for: the one that belongs there first. */
  names: Uint8Array[];
}

function placesOf(...names: Uint8Array[]): Place[] {
  return names.map((_, index) => ({
    before: index === 0 ? OPENING_BRACE : COMMA,
    names: [...names.slice(index), ...names.slice(0, index)],
  }));
}

const ORDER_PLACES = placesOf(
  ...[EVENT_TYPE, ORDER_ID, USER_ID, ITEMS, TOTAL_AMOUNT, STATUS, TIMESTAMP],
);
const ITEM_PLACES = placesOf(ITEM_ID, QUANTITY, PRICE);
const ORDER_PLACED = quoted("OrderPlaced");
const PLACED = quoted("placed");
const FAILED = quoted("failed");

// What the functions below found last. An object for each would be garbage at once.
let valueAt = 0;
let itemIdAt = 0;
let itemIdEnd = 0;
let quantity = 0;
let price = 0;
let orderIdAt = 0;
let orderIdEnd = 0;
let userIdAt = 0;
let userIdEnd = 0;
let itemsAt = 0;
let totalAmount = 0;
let isPlaced = false;
let timestampAt = 0;
let timestampEnd = 0;
let timestampMs = 0;

/** The order of the last {@linkcode scanFields}; its texts are still bytes. */
class LooseOrder implements OrderPlaced {
  readonly event_type = "OrderPlaced";
  readonly status = isPlaced ? "placed" : "failed";
  readonly total_amount = totalAmount;
  private readonly orderIdAt = orderIdAt;
  private readonly orderIdEnd = orderIdEnd;
  private readonly userIdAt = userIdAt;
  private readonly userIdEnd = userIdEnd;
  private readonly itemsAt = itemsAt;
  private readonly timestampAt = timestampAt;
  private readonly timestampEnd = timestampEnd;

  constructor(private readonly bytes: Uint8Array) {}

  get order_id(): string {
    return textOf(this.bytes, this.orderIdAt, this.orderIdEnd);
  }

  get user_id(): string {
    return textOf(this.bytes, this.userIdAt, this.userIdEnd);
  }

  get items(): OrderItem[] {
    const items: OrderItem[] = [];
    const bytes = this.bytes;
    let at = this.itemsAt;
    do {
      at = scanItem(bytes, at);
      items.push({ item_id: itemId(bytes, itemIdAt, itemIdEnd, textOf), quantity, price });
    } while (bytes[at++] === COMMA);
    return items;
  }

  get timestamp(): string {
    return ascii(this.bytes, this.timestampAt, this.timestampEnd);
  }
}

/** Reads an order; `undefined` when the JSON parser has to decide. */
export function scanLooseOrder(bytes: Uint8Array): ParsedOrder | undefined {
  if (scanFields(bytes) !== bytes.length) return undefined;
  return { kind: "order", order: new LooseOrder(bytes), timestampMs };
}

/** Reads the fields of an order and returns the index behind it; −1 when there is something else. */
function scanFields(bytes: Uint8Array): number {
  let at = 0;
  orderIdAt = -1;
  userIdAt = -1;
  itemsAt = -1;
  timestampAt = -1;
  let hasType = false;
  let hasTotal = false;
  let hasStatus = false;
  for (const place of ORDER_PLACES) {
    // A field that is there twice leaves another one out, which is noticed at the end.
    switch (fieldAt(bytes, at, place)) {
      case EVENT_TYPE:
        at = after(bytes, valueAt, ORDER_PLACED);
        hasType = true;
        break;
      case ORDER_ID:
        at = textEnd(bytes, valueAt);
        orderIdAt = valueAt + 1;
        orderIdEnd = at - 1;
        break;
      case USER_ID:
        at = textEnd(bytes, valueAt);
        userIdAt = valueAt + 1;
        userIdEnd = at - 1;
        break;
      case ITEMS:
        at = scanItems(bytes, valueAt);
        break;
      case TOTAL_AMOUNT:
        totalAmount = scanNumber(bytes, valueAt);
        at = numberEnd;
        hasTotal = true;
        break;
      case STATUS:
        at = after(bytes, valueAt, PLACED);
        isPlaced = at > 0;
        if (!isPlaced) at = after(bytes, valueAt, FAILED);
        hasStatus = true;
        break;
      case TIMESTAMP:
        at = bytes[valueAt] === QUOTE ? idEnd(bytes, valueAt + 1) + 1 : -1;
        timestampAt = valueAt + 1;
        timestampEnd = at - 1;
        break;
      default:
        return -1;
    }
    if (at <= 0) return -1;
  }
  at = spaceEnd(bytes, at);
  const isWhole = hasType && orderIdAt >= 0 && userIdAt >= 0 && itemsAt >= 0 && hasTotal &&
    hasStatus && timestampAt >= 0 && bytes[at] === CLOSING_BRACE;
  if (!isWhole) return -1;
  timestampMs = timestampEnd - timestampAt === TIMESTAMP_LENGTH
    ? scanTimestamp(bytes, timestampAt)
    : parseTimestampMs(ascii(bytes, timestampAt, timestampEnd));
  return Number.isNaN(timestampMs) ? -1 : spaceEnd(bytes, at + 1);
}

/** Reads a list of items and returns the index behind it; −1 when there is something else. */
function scanItems(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== OPENING_BRACKET) return -1;
  itemsAt = start + 1;
  let at = start;
  let count = 0;
  do {
    at = scanItem(bytes, at + 1);
    if (at < 0 || ++count > MAX_ITEMS) return -1;
  } while (bytes[at] === COMMA);
  return bytes[at] === CLOSING_BRACKET ? at + 1 : -1;
}

/**
 * Reads an item, with the white space around it, and returns the index behind; −1 when there is
 * something else.
 */
function scanItem(bytes: Uint8Array, start: number): number {
  let at = start;
  itemIdAt = -1;
  quantity = NaN;
  price = NaN;
  for (const place of ITEM_PLACES) {
    switch (fieldAt(bytes, at, place)) {
      case ITEM_ID:
        at = textEnd(bytes, valueAt);
        itemIdAt = valueAt + 1;
        itemIdEnd = at - 1;
        break;
      case QUANTITY:
        quantity = scanNumber(bytes, valueAt);
        at = numberEnd;
        break;
      case PRICE:
        price = scanNumber(bytes, valueAt);
        at = numberEnd;
        break;
      default:
        return -1;
    }
    if (at < 0) return -1;
  }
  at = spaceEnd(bytes, at);
  const isItem = itemIdAt >= 0 && quantity >= 1 && Number.isInteger(quantity) && price >= 0 &&
    bytes[at] === CLOSING_BRACE;
  return isItem ? spaceEnd(bytes, at + 1) : -1;
}

/**
 * Reads a brace or comma, a name and a colon; returns which of the fields it names, and sets
 * {@linkcode valueAt}.
 */
function fieldAt(
  bytes: Uint8Array,
  start: number,
  { before, names }: Place,
): Uint8Array | undefined {
  const at = spaceEnd(bytes, start);
  if (bytes[at] !== before) return undefined;
  const nameAt = spaceEnd(bytes, at + 1);
  for (const name of names) {
    const nameEnd = after(bytes, nameAt, name);
    if (nameEnd < 0) continue;
    const colonAt = spaceEnd(bytes, nameEnd);
    valueAt = spaceEnd(bytes, colonAt + 1);
    return bytes[colonAt] === COLON ? name : undefined;
  }
  return undefined;
}

/** The index of what follows white space. */
function spaceEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;; at++) {
    const code = bytes[at]!;
    if (code > BLANK) return at;
    if (!(code === BLANK || code === LINE_FEED || code === TAB || code === CARRIAGE_RETURN)) {
      return at;
    }
  }
}

/** The index behind a text in quotes that is an id; −1 when there is something else. */
function textEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  const end = idEnd(bytes, at + 1);
  return end < 0 ? escapedTextEnd(bytes, at + 1) : end + 1;
}

/** As {@linkcode textEnd}, behind the quote, for an id with escapes. */
function escapedTextEnd(bytes: Uint8Array, start: number): number {
  const limit = Math.min(bytes.length, start + MAX_ESCAPED_BYTES);
  let end = start;
  for (; end < limit && bytes[end] !== QUOTE; end++) {
    const code = bytes[end]!;
    if (code < BLANK || code > LAST_ASCII) return -1;
    if (code === BACKSLASH) end++;
  }
  if (end >= limit) return -1;
  try {
    return isId(textOf(bytes, start, end)) ? end + 1 : -1;
  } catch {
    return -1;
  }
}

/** The text that stands between these places, as JSON writes it. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  const text = ascii(bytes, start, end);
  return text.includes("\\") ? JSON.parse(`"${text}"`) : text;
}
