/**
 * Encoding produce requests.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32c } from "./crc32c.ts";
import { appendRecord, type Encoder, type Message } from "./encode_records.ts";
import { Pieces } from "./frame_request.ts";
import { batchOf, recordCount } from "./record_batch.ts";

/** kafkajs's `Encoder`, with what is used here beyond {@linkcode Encoder}. */
interface RequestEncoder extends Encoder {
  buf: Buffer;
  writeInt8(value: number): this;
  writeInt16(value: number): this;
  writeInt32(value: number): this;
  writeInt64(value: unknown): this;
  /** Appends the length of the text and the text. */
  writeString(value: string | null): this;
  /** The bytes written. */
  readonly buffer: Buffer;
}

/** The parts of kafkajs that are used here. */
export interface EncodeInternals {
  /** The class of all request encoders. */
  Encoder: new (initialSize?: number) => RequestEncoder;
  /** Finds the codec of a compression type. */
  lookupCodec: (type: number) => {
    /** Compresses; `undefined` when the content would not become smaller. */
    compress(encoder: { buffer: Buffer }): Promise<Buffer | undefined>;
  };
}

interface ProduceOptions {
  /** The number of replicas that must have the messages; -1 for all in-sync ones. */
  acks: number;
  /** How long the broker may wait for them, in milliseconds. */
  timeout: number;
  transactionalId?: string | null;
  /** -1 for a producer that is not idempotent. */
  producerId?: unknown;
  producerEpoch?: number;
  /** The compression type; 0 for none. */
  compression?: number;
  topicData: { topic: string; partitions: PartitionData[] }[];
}

interface PartitionData {
  partition: number;
  /** The sequence number of the first message. */
  firstSequence?: number;
  messages: Message[];
}

/** The function of kafkajs's produce/v3/request.js, which later versions also call. */
export type ProduceRequest = (options: ProduceOptions) => {
  /** Encodes the request. */
  encode: () => Promise<RequestEncoder | Pieces>;
};

const MAGIC_BYTE = 2;
const COMPRESSION_MASK = 0x07;
const TRANSACTIONAL_FLAG = 0x10;

/** Records that stand in a request, but not in the buffer of its other bytes. */
interface Insertion {
  /** Where in that buffer. */
  at: number;
  records: Uint8Array;
}

/**
 * Creates requests that are encoded into a single buffer, which grows; records that are encoded or
 * compressed already are only referred to.
 *
 * The original allocates a zeroed buffer of at least 512 bytes for each record, batch, partition, topic
 * and request and copies it into the buffer of the next level. It computes lengths with BigInt and
 * turns each varint into an array and then into a buffer.
 */
export function encodingIntoOneBuffer(
  original: ProduceRequest,
  internals: EncodeInternals,
): ProduceRequest {
  return (options) => ({ ...original(options), encode: () => encode(options, internals) });
}

async function encode(
  options: ProduceOptions,
  internals: EncodeInternals,
): Promise<RequestEncoder | Pieces> {
  const { acks, timeout, transactionalId = null, compression = 0, topicData } = options;
  const to = new internals.Encoder(likelySize(compression === 0 ? topicData : []))
    .writeString(transactionalId)
    .writeInt16(acks)
    .writeInt32(timeout)
    .writeInt32(topicData.length);
  const insertions: Insertion[] = [];
  for (const { topic, partitions } of topicData) {
    to.writeString(topic).writeInt32(partitions.length);
    for (const data of partitions) {
      const insertion = await appendPartition(to, data, options, internals);
      if (insertion !== undefined) insertions.push(insertion);
    }
  }
  return insertions.length === 0 ? to : pieces(to, insertions);
}

function pieces({ buf, offset }: Encoder, insertions: Insertion[]): Pieces {
  let start = 0;
  const list = insertions.flatMap(({ at, records }) => {
    const before = buf.subarray(start, at);
    start = at;
    return [before, records];
  });
  return new Pieces([...list, buf.subarray(start, offset)]);
}

/** A little more than the size of an uncompressed request of ASCII texts without headers. */
function likelySize(topicData: { partitions: { messages: Message[] }[] }[]): number {
  let size = 512;
  for (const { partitions } of topicData) {
    for (const { messages } of partitions) {
      size += 128;
      // The records of a batch are inserted, not written into this buffer.
      if (batchOf(messages) !== undefined) continue;
      for (const { key, value } of messages) size += 16 + (key?.length ?? 0) + (value?.length ?? 0);
    }
  }
  return size;
}

/** Appends what belongs to a partition, and returns its records when they are to be inserted. */
async function appendPartition(
  to: RequestEncoder,
  data: PartitionData,
  options: ProduceOptions,
  internals: EncodeInternals,
): Promise<Insertion | undefined> {
  const { partition, messages, firstSequence = 0 } = data;
  const { transactionalId, producerId = -1, producerEpoch = 0, compression = 0 } = options;
  const now = Date.now();
  const count = recordCount(messages);
  const { first, max } = timestampRange(messages) ?? { first: now, max: now };

  to.writeInt32(partition);
  const sizeAt = to.offset;
  to.writeInt32(0).writeInt64(0); // the size of the batch, and its base offset
  const lengthAt = to.offset;
  to.writeInt32(0).writeInt32(0).writeInt8(MAGIC_BYTE); // the length, and the leader's epoch
  const crcAt = to.offset;
  to.writeInt32(0); // the checksum of all that follows
  const checkedAt = to.offset;
  const flags = transactionalId ? TRANSACTIONAL_FLAG : 0;
  to.writeInt16(flags | (compression & COMPRESSION_MASK))
    .writeInt32(count - 1)
    .writeInt64(first)
    .writeInt64(max)
    .writeInt64(producerId)
    .writeInt16(producerEpoch)
    .writeInt32(firstSequence)
    .writeInt32(count);

  let records = batchOf(messages)?.records;
  if (compression !== 0) {
    records ??= encodedMessages(messages, { first, now }, internals);
    const codec = internals.lookupCodec(compression);
    const compressed = await codec.compress({ buffer: bufferOf(records) });
    if (compressed === undefined) to.buf.writeInt16BE(flags, checkedAt);
    records = compressed ?? records;
  } else if (records === undefined) appendMessages(to, messages, { first, now });

  const { buf, offset } = to;
  const checked = crc32c(buf.subarray(checkedAt, offset));
  const insertedBytes = records?.length ?? 0;
  buf.writeInt32BE(offset - sizeAt - 4 + insertedBytes, sizeAt);
  buf.writeInt32BE(offset - lengthAt - 4 + insertedBytes, lengthAt);
  buf.writeUInt32BE(records === undefined ? checked : crc32c(records, checked), crcAt);
  return records && { at: offset, records };
}

/** What messages without a timestamp get, and what the timestamps are relative to. */
interface Times {
  first: string | number;
  now: number;
}

function encodedMessages(
  messages: Message[],
  times: Times,
  { Encoder }: EncodeInternals,
): Buffer {
  const to = new Encoder(likelySize([{ partitions: [{ messages }] }]));
  appendMessages(to, messages, times);
  return to.buffer;
}

function appendMessages(to: Encoder, messages: Message[], { first, now }: Times): void {
  for (const [index, message] of messages.entries()) {
    const timestampDelta = Number(message.timestamp || now) - Number(first);
    appendRecord(to, message, { offsetDelta: index, timestampDelta });
  }
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** The first and the last timestamp when sorted as text, as the original does. */
function timestampRange(messages: Message[]): { first: string; max: string } | undefined {
  let range: { first: string; max: string } | undefined;
  for (const { timestamp } of messages) {
    if (timestamp === null || timestamp === undefined) continue;
    range ??= { first: timestamp, max: timestamp };
    if (String(timestamp) < String(range.first)) range.first = timestamp;
    if (String(timestamp) > String(range.max)) range.max = timestamp;
  }
  return range;
}
