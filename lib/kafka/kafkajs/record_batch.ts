/**
 * A record batch under construction: records are encoded as they come, and a send only adds the header
 * and the checksum.
 *
 * kafkajs takes messages as objects, which live until their batch is confirmed; thousands of them with
 * their texts cost more than the encoding itself. A {@linkcode RecordBatch} is handed to kafkajs as the
 * only message of its partition ({@linkcode batchMessage}); the repairs of sending and encoding know it.
 *
 * @module
 */
import type { Message as KafkaMessage } from "kafkajs";
import { JsonWriter } from "../../json_writer.ts";
import {
  appendRecord,
  appendWritten,
  BATCH_OVERHEAD_BYTES,
  type Field,
  type Message,
  putVarInt,
  varIntSize,
} from "./encode_records.ts";
import { readVarInt } from "./fetched_records.ts";

/** The first size of a buffer, in bytes. */
const FIRST_SIZE = 65_536;
/** No more than this is kept for batches to come, in bytes: a second's worth at the highest rates. */
const MAX_SPARE_BYTES = 8 * 1024 * 1024;

/** Buffers of batches that are stored. New ones would have to be zeroed, grown and collected. */
const spare: Uint8Array[] = [];
let spareBytes = 0;

function takeBuffer(): Uint8Array {
  const buf = spare.pop();
  spareBytes -= buf?.length ?? 0;
  return buf ?? new Uint8Array(FIRST_SIZE);
}

/** The attributes and the time of a record: a byte each, as they are always 0. */
const BEFORE_OFFSET_BYTES = 2;

/** The encoded records of one partition. */
export class RecordBatch {
  #to = new JsonWriter(takeBuffer());
  /** Where each record begins. */
  #starts: number[] = [];

  /** How many records there are. */
  get count(): number {
    return this.#starts.length;
  }

  /** The size of the batch with its header, in bytes. */
  get bytes(): number {
    return BATCH_OVERHEAD_BYTES + this.#to.offset;
  }

  /** The encoded records; valid until another is appended. */
  get records(): Uint8Array {
    return this.#to.bytes;
  }

  /** Gives the memory away to other batches; this one is empty then. Call it when the batch is stored. */
  release(): void {
    const { buf } = this.#to;
    this.#to = new JsonWriter(new Uint8Array(0));
    this.#starts = [];
    if (spareBytes + buf.length > MAX_SPARE_BYTES) return;
    spare.push(buf);
    spareBytes += buf.length;
  }

  /** Appends a record. */
  append(message: Message): void {
    this.#starts.push(this.#to.offset);
    appendRecord(this.#to, message, { offsetDelta: this.count - 1, timestampDelta: 0 });
  }

  /** Appends a record whose value the function writes. */
  appendWritten(
    key: Field,
    write: (to: JsonWriter) => void,
    headers?: Message["headers"],
  ): void {
    this.#starts.push(this.#to.offset);
    appendWritten(this.#to, key, { write, offsetDelta: this.count - 1, headers });
  }

  /** The size that a batch of the record at this index alone has, in bytes. */
  bytesAlone(index: number): number {
    const tailBytes = this.#end(index) - this.#tailAt(index);
    const length = BEFORE_OFFSET_BYTES + varIntSize(0) + tailBytes;
    return BATCH_OVERHEAD_BYTES + varIntSize(length) + length;
  }

  /** How many of the first records fit into a batch of this size; at least one. */
  countWithin(bytes: number): number {
    if (this.bytes <= bytes) return this.count;
    const over = this.#starts.findIndex((_, index) =>
      BATCH_OVERHEAD_BYTES + this.#end(index) > bytes
    );
    return Math.max(1, over);
  }

  /** The key of the record at this index, as text. */
  keyAt(index: number): string {
    const from = { bytes: this.#to.buf, at: this.#tailAt(index) };
    const length = readVarInt(from);
    return new TextDecoder().decode(from.bytes.subarray(from.at, from.at + length));
  }

  /** Takes the records from this index on out of the batch, into one of their own. */
  splitAt(index: number): RecordBatch {
    const rest = new RecordBatch();
    for (let from = index; from < this.count; from++) {
      rest.#appendTail(this.#to.buf.subarray(this.#tailAt(from), this.#end(from)));
    }
    this.truncate(index);
    return rest;
  }

  /** Removes the records from this index on. */
  truncate(index: number): void {
    this.#to.offset = this.#starts[index] ?? this.#to.offset;
    this.#starts.length = Math.min(index, this.count);
  }

  #end(index: number): number {
    return this.#starts[index + 1] ?? this.#to.offset;
  }

  /** Where key, value and headers of a record begin: they do not depend on its position. */
  #tailAt(index: number): number {
    const { buf } = this.#to;
    let at = this.#starts[index]!;
    while (buf[at]! > 0x7f) at++; // its length, a varint
    return at + 1 + BEFORE_OFFSET_BYTES + varIntSize(index);
  }

  #appendTail(tail: Uint8Array): void {
    const to = this.#to;
    const offsetDelta = this.count;
    this.#starts.push(to.offset);
    const length = BEFORE_OFFSET_BYTES + varIntSize(offsetDelta) + tail.length;
    to.ensureAvailable(varIntSize(length) + length);
    putVarInt(to, length);
    to.buf.fill(0, to.offset, to.offset += BEFORE_OFFSET_BYTES);
    putVarInt(to, offsetDelta);
    to.raw(tail);
  }
}

/** The message that stands for a batch; kafkajs's types know no such value. */
export function batchMessage(partition: number, batch: RecordBatch): KafkaMessage {
  return { partition, value: batch as unknown as Buffer };
}

/** The batch that stands among messages; `undefined` when they are messages themselves. */
export function batchOf(messages: readonly { value?: unknown }[]): RecordBatch | undefined {
  const value = messages[0]?.value;
  return messages.length === 1 && value instanceof RecordBatch ? value : undefined;
}

/** How many records messages are. */
export function recordCount(messages: readonly { value?: unknown }[]): number {
  return batchOf(messages)?.count ?? messages.length;
}
