/**
 * What the readers and writers of events share: from bytes to a JSON object, the reasons for which
 * a value is refused, and from text to JSON.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** The fields of a JSON object, of which nothing is known yet. */
export type JsonObject = Record<string, unknown>;

/** A value that is not the event it should be; the message says what is wrong with it. */
export class MalformedEvent extends Error {}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How much of a value a reason quotes, in UTF-16 units. */
const QUOTED_LENGTH = 40;

/**
 * Decodes UTF-8.
 *
 * @throws {MalformedEvent} When the bytes are something else.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  // Three times as fast as TextDecoder, but puts U+FFFD for what is not UTF-8: when there is one,
  // the strict decoder tells whether it was so in the bytes.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  if (!text.includes("\ufffd")) return text;
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw new MalformedEvent("not UTF-8");
  }
}

/**
 * Parses a JSON object.
 *
 * @throws {MalformedEvent} When the text is something else.
 */
export function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MalformedEvent(`not JSON: ${printable((error as Error).message)}`);
  }
  if (!isObject(value)) throw new MalformedEvent(`not a JSON object, but ${shown(value)}`);
  return value;
}

/** Whether a JSON value is an object: neither a list nor `null`. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value can be a quantity: a whole number of at least 1. */
export function isQuantity(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** Whether a value can be a price: a number of at least 0. */
export function isAmount(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

/**
 * The value of a field that must be a text and not empty.
 *
 * @throws {MalformedEvent} When it is something else.
 */
export function nonEmptyText(field: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw refusal(field, "a text that is not empty", value);
}

/** The refusal of a field: where, what was expected there, and what was found. */
export function refusal(field: string, expected: string, got: unknown): MalformedEvent {
  return new MalformedEvent(`${field}: expected ${expected}, got ${shown(got)}`);
}

/** The reason for which reading failed; an error of any other kind is a bug and goes on. */
export function reasonOf(error: unknown): string {
  if (error instanceof MalformedEvent) return error.message;
  throw error;
}

/** A value in a few words: values come from outside and may be long or deeply nested. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "string") {
    return value.length <= QUOTED_LENGTH
      ? printable(`"${value}"`)
      : printable(`"${value.slice(0, QUOTED_LENGTH)}…"`);
  }
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Text from outside without what would steer a terminal or cannot be UTF-8. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, "\ufffd");
}

/** A string as JSON: what `JSON.stringify` gives, but faster for the ids that events consist of. */
export function jsonText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Controls, quotes and backslashes need escapes, as does a surrogate that stands alone.
    if (code < 0x20 || code === 0x22 || code === 0x5c || (code >= 0xd800 && code <= 0xdfff)) {
      return JSON.stringify(text);
    }
  }
  return `"${text}"`;
}
