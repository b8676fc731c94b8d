/**
 * What the readers and writers of events share: the schemas of their fields, from bytes to a value
 * that conforms to a schema, the reasons for which a value is refused, and from text to JSON.
 *
 * One schema of valibot gives the type of an event, the check of what others wrote, and the JSON
 * Schema in docs/asyncapi.yaml.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import * as v from "valibot";
import { parseTimestampMs } from "./timestamp.ts";

/** The fields of a JSON object, of which nothing is known yet. */
export type JsonObject = Record<string, unknown>;

/** A value that is not a valid event; the message gives the reason. */
export class MalformedEvent extends Error {}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The longest id, in Unicode code points. */
export const MAX_ID_CHARACTERS = 256;
/** How many items an order can have. */
export const MAX_ITEMS = 1_000;

/** How much of a value a reason quotes, in UTF-16 units. */
const QUOTED_LENGTH = 40;

/**
 * Decodes UTF-8.
 *
 * @throws {MalformedEvent} When the bytes are something else.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  // Three times as fast as TextDecoder, but puts U+FFFD for what is not UTF-8: when there is one,
  // the strict decoder finds out whether it stands in the bytes.
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
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw new MalformedEvent(`not a JSON object, but ${shown(value)}`);
}

/** Whether a text is an id: 1 to 256 characters, counted as in JSON Schema, by Unicode code points. */
export function isId(text: string): boolean {
  if (text.length <= MAX_ID_CHARACTERS) return text !== "";
  return text.length <= 2 * MAX_ID_CHARACTERS && [...text].length <= MAX_ID_CHARACTERS;
}

/** Whether a text is a timestamp that {@linkcode parseTimestampMs} reads. */
export function isTimestamp(text: string): boolean {
  return !Number.isNaN(parseTimestampMs(text));
}

/** The schema of an id. */
export function id(description: string): v.GenericSchema<string> {
  const message = expected(`a text of 1 to ${MAX_ID_CHARACTERS} characters`);
  return v.pipe(v.string(message), v.check(isId, message), v.description(description));
}

/** The schema of a whole number. */
export function wholeNumber(min: number, description: string): v.GenericSchema<number> {
  const message = expected(`a whole number of at least ${min}`);
  return v.pipe(
    v.number(message),
    v.safeInteger(message),
    v.minValue(min, message),
    v.description(description),
  );
}

/** The schema of an amount of money: a finite number of at least 0. */
export function amount(description: string): v.GenericSchema<number> {
  const message = expected("a number of at least 0");
  return v.pipe(
    v.number(message),
    v.finite(message),
    v.minValue(0, message),
    v.description(description),
  );
}

/** The schema of one of a few words. */
export function oneOf<const T extends string>(
  words: readonly T[],
  description: string,
): v.GenericSchema<T> {
  const message = expected(words.map((word) => `"${word}"`).join(" or "));
  return v.pipe(v.picklist(words, message), v.description(description));
}

/** The schema of an event time. */
export function timestamp(description: string): v.GenericSchema<string> {
  const message = expected("ISO 8601 such as 2024-01-15T10:30:00");
  return v.pipe(v.string(message), v.check(isTimestamp, message), v.description(description));
}

/** The message of a schema: what was expected and what was found. */
export function expected(what: string): (issue: v.BaseIssue<unknown>) => string {
  return ({ input }) => `expected ${what}, got ${shown(input)}`;
}

/**
 * Checks a value against a schema and leaves out the fields that the schema does not know.
 *
 * @throws {MalformedEvent} When it breaks the schema; the message names the first wrong field.
 */
export function conform<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  const { field, message } = fieldError(issues[0]);
  throw new MalformedEvent(`${field}${field && ": "}${message}`);
}

/** What is wrong with a field, with the names that it has in JSON. */
export interface FieldError {
  /** Where it is, such as `items[0].quantity`; empty for the whole. */
  field: string;
  /** What was expected, and what was found. */
  message: string;
}

/**
 * As {@linkcode conform}, with what is wrong with each field.
 *
 * @param maxErrors How many of them are wanted at most.
 */
export function conformOrErrors<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  maxErrors: number,
): { output: v.InferOutput<S> } | { errors: FieldError[] } {
  const { success, output, issues } = v.safeParse(schema, value, { abortPipeEarly: true });
  return success ? { output } : { errors: issues.slice(0, maxErrors).map(fieldError) };
}

function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  const path: readonly v.IssuePathItem[] = issue.path ?? [];
  const field = path.map(({ key }) => typeof key === "number" ? `[${key}]` : `.${key}`).join("");
  const isMissing = path.at(-1)?.origin === "key";
  return { field: field.replace(/^\./, ""), message: isMissing ? "missing" : issue.message };
}

/** The reason for which reading failed; an error of any other kind is a bug and goes on. */
export function reasonOf(error: unknown): string {
  if (error instanceof MalformedEvent) return error.message;
  throw error;
}

/** A value in a few words: values come from outside and may be long or deeply nested. */
function shown(value: unknown): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  }
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
