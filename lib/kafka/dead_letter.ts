/**
 * Dead letters: records that could not be read, kept as they came.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { IHeaders } from "kafkajs";
import { visible } from "../visible_text.ts";
import type { MessageLimit } from "./message_limits.ts";
import type { SourceRecord, TargetRecord } from "./records.ts";

/** The header that counts how often a record was sent back. */
const RESENT = "dlq.resent";
/** The header that says which parts of the record were cut, such as `value`. */
const TRUNCATED = "dlq.truncated";
/** The header of a truncated record that says how many bytes it had. */
const ORIGINAL_BYTES = "dlq.original-bytes";
/** How many of a record's own headers a dead letter keeps. */
const MAX_HEADERS = 10_000;
/** What compression takes beside the value, at the most. */
const COMPRESSION_MARGIN_BYTES = 2_048;

/** No less than the header of a record batch, in bytes. */
const BATCH_HEADER_BYTES = 100;
/** No less than what a record takes beside its fields, and a header beside its name and value. */
const RECORD_OVERHEAD_BYTES = 32;
const HEADER_OVERHEAD_BYTES = 10;

/** Where a record came from and why it could not be read. */
export interface DeadLetterOrigin {
  /** The topic that it was read from. */
  topic: string;
  /** The partition that it was read from. */
  partition: number;
  /** The consumer group that read it. */
  group: string;
  /** What is wrong with it. */
  reason: string;
}

/** A topic of dead letters, and how large they may be. */
export interface DeadLetterTopic extends MessageLimit {
  topic: string;
}

/**
 * The dead letter of a record: its key, value bytes and headers, plus headers `dlq.topic`,
 * `dlq.partition`, `dlq.offset`, `dlq.group` and `dlq.reason`.
 *
 * When the topic does not take it as it is, neither compressed, it is truncated: `dlq.truncated` then
 * lists the parts that were cut, and `dlq.original-bytes` is the size of the record.
 */
export function deadLetter(
  record: SourceRecord,
  to: DeadLetterTopic,
  { topic, partition, group, reason }: DeadLetterOrigin,
): TargetRecord {
  const origin = {
    "dlq.topic": topic,
    "dlq.partition": String(partition),
    "dlq.offset": record.offset,
    "dlq.group": group,
    "dlq.reason": reason,
  };
  const { key, value } = record;
  const letter = { key, value, headers: { ...record.headers, ...origin } };
  return {
    topic: to.topic,
    partition: 0,
    ...(fits(record, letter, to) ? letter : truncated(record, origin, to)),
  };
}

type Letter = Pick<TargetRecord, "key" | "value"> & { headers: IHeaders };

function fits(
  { isCut = false, headers = {} }: SourceRecord,
  letter: Letter & { value: Buffer | null },
  { maxMessageBytes, keepsCompression }: MessageLimit,
): boolean {
  if (isCut || Object.keys(headers).length > MAX_HEADERS) return false;
  const room = roomIn(maxMessageBytes);
  const bytes = sizeLimit(letter);
  if (bytes <= room) return true;
  const { value } = letter;
  return keepsCompression && value !== null &&
    bytes - value.length + gzipSync(value).length + COMPRESSION_MARGIN_BYTES <= room;
}

/** The key and the headers get a quarter of the room each, at the most; the value gets the rest. */
function truncated(
  record: SourceRecord,
  origin: Record<string, string>,
  { maxMessageBytes }: MessageLimit,
): Letter {
  const { key, value, headers = {}, isCut = false } = record;
  const marks = {
    [TRUNCATED]: "key, headers, value",
    [ORIGINAL_BYTES]: String(record.size ?? sizeLimit(record)),
  };
  const room = roomIn(maxMessageBytes) -
    sizeLimit({ key: null, value: null, headers: { ...origin, ...marks } });
  const keptKey = beginning(key, room / 4);
  const keptHeaders: IHeaders = {};
  let headerRoom = room / 4;
  let count = 0;
  for (const [name, content] of Object.entries(headers)) {
    headerRoom -= headersBytes({ [name]: content });
    if (headerRoom < 0 || ++count > MAX_HEADERS) break;
    keptHeaders[name] = content;
  }
  const used = (keptKey?.length ?? 0) + headersBytes(keptHeaders);
  const keptValue = beginning(value, room - used);
  const cut = [
    ...(keptKey?.length === key?.length ? [] : ["key"]),
    ...(count === Object.keys(headers).length ? [] : ["headers"]),
    ...(keptValue?.length === value?.length ? [] : ["value"]),
  ];
  // The end of it was not even fetched.
  if (isCut && cut.length === 0) cut.push("value");
  return {
    key: keptKey,
    value: keptValue,
    headers: { ...keptHeaders, ...origin, ...marks, [TRUNCATED]: cut.join(", ") },
  };
}

function beginning(bytes: Buffer | null, length: number): Buffer | null {
  return bytes === null ? null : bytes.subarray(0, Math.max(0, Math.floor(length)));
}

/** Whether a dead letter is not the whole record. */
export function isTruncated({ headers = {} }: SourceRecord): boolean {
  return headers[TRUNCATED] !== undefined;
}

/** Where a dead letter came from, with the offset there; `undefined` when it is not a dead letter. */
export function originOf(
  { headers = {} }: SourceRecord,
): DeadLetterOrigin & { offset: string } | undefined {
  const [topic, partition, offset] = ["dlq.topic", "dlq.partition", "dlq.offset"]
    .map((name) => headerText(headers, name));
  const isPlace = /^\d{1,9}$/.test(partition ?? "") && /^\d{1,19}$/.test(offset ?? "");
  if (topic === undefined || offset === undefined || !isPlace) return undefined;
  return {
    topic,
    partition: Number(partition),
    offset,
    group: headerText(headers, "dlq.group") ?? "",
    reason: headerText(headers, "dlq.reason") ?? "",
  };
}

/**
 * The record that a dead letter was, for the partition that it came from: with its key, value and
 * headers, and a header `dlq.resent` that counts how often it was sent back.
 */
export function resent(
  record: SourceRecord,
  { topic, partition }: Pick<DeadLetterOrigin, "topic" | "partition">,
): TargetRecord {
  const { key, value, headers = {} } = record;
  const original = Object.entries(headers).filter(([name]) => !name.startsWith("dlq."));
  const before = headerText(headers, RESENT) ?? "";
  const times = (/^\d{1,9}$/.test(before) ? Number(before) : 0) + 1;
  return {
    topic,
    partition,
    key,
    value,
    headers: { ...Object.fromEntries(original), [RESENT]: String(times) },
  };
}

function headerText(headers: IHeaders, name: string): string | undefined {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value)?.toString();
}

/** How many dead letters are reported one by one in a second. */
const NOTES_PER_SECOND = 5;

/** Reports dead letters: a few in each second, and how many more there were. */
export class DeadLetterNotes {
  readonly #note: (line: string) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #count = 0;

  /** @param note Takes a line for the user. */
  constructor(note: (line: string) => void) {
    this.#note = note;
  }

  /** A record has become a dead letter. */
  add(offset: string, { topic, partition, reason }: DeadLetterOrigin): void {
    this.#timer ??= setTimeout(() => this.close(), 1_000);
    if (++this.#count > NOTES_PER_SECOND) return;
    this.#note(
      `dead letter: partition ${partition} of ${topic}, offset ${offset}: ${visible(reason)}`,
    );
  }

  /** Reports what has not been reported. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const more = this.#count - NOTES_PER_SECOND;
    if (more > 0) this.#note(`… ${more} more dead letter${more === 1 ? "" : "s"}`);
    this.#count = 0;
  }
}

/** How many bytes of a record a topic takes, by its setting `max.message.bytes`. */
export function roomIn(maxMessageBytes: number): number {
  return maxMessageBytes - BATCH_HEADER_BYTES;
}

/** No less than the size of a record on the wire, in bytes, without encoding its text. */
export function sizeLimit(
  { key, value, headers }: Pick<TargetRecord, "key" | "value" | "headers">,
): number {
  const bytes = (part: string | Buffer | null) =>
    part === null ? 0 : typeof part === "string" ? part.length * 3 : part.length;
  return RECORD_OVERHEAD_BYTES + bytes(key) + bytes(value) +
    (headers === undefined ? 0 : headersBytes(headers));
}

/** No less than the size of headers on the wire, in bytes. */
function headersBytes(headers: IHeaders): number {
  let sum = 0;
  for (const [name, content] of Object.entries(headers)) {
    for (const value of Array.isArray(content) ? content : [content]) {
      sum += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + Buffer.byteLength(value ?? "");
    }
  }
  return sum;
}
