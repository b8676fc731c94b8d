/**
 * Encoding produce requests.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { crc32c } from "./crc32c.ts";
import { appendRecord, type Encoder, type Message } from "./encode_records.ts";

/** kafkajs's `Encoder`, with what is used here beyond {@linkcode Encoder}. */
interface RequestEncoder extends Encoder {
  buf: Buffer;
  writeInt8(value: number): this;
  writeInt16(value: number): this;
  writeInt32(value: number): this;
  writeInt64(value: unknown): this;
  /** Appends the length of the text and the text. */
  writeString(value: string | null): this;
  /** Appends bytes without their length. */
  writeBuffer(value: Buffer): this;
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
    compress(encoder: RequestEncoder): Promise<Buffer | undefined>;
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
  encode: () => Promise<RequestEncoder>;
};

const MAGIC_BYTE = 2;
const COMPRESSION_MASK = 0x07;
const TRANSACTIONAL_FLAG = 0x10;

/**
 * Creates requests that are encoded into a single buffer, which grows.
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
): Promise<RequestEncoder> {
  const { acks, timeout, transactionalId = null, compression = 0, topicData } = options;
  const to = new internals.Encoder(likelySize(compression === 0 ? topicData : []))
    .writeString(transactionalId)
    .writeInt16(acks)
    .writeInt32(timeout)
    .writeInt32(topicData.length);
  for (const { topic, partitions } of topicData) {
    to.writeString(topic).writeInt32(partitions.length);
    for (const data of partitions) await appendPartition(to, data, options, internals);
  }
  return to;
}

/** A little more than the size of an uncompressed request of ASCII texts without headers. */
function likelySize(topicData: { partitions: { messages: Message[] }[] }[]): number {
  let size = 512;
  for (const { partitions } of topicData) {
    for (const { messages } of partitions) {
      size += 128;
      for (const { key, value } of messages) size += 16 + (key?.length ?? 0) + (value?.length ?? 0);
    }
  }
  return size;
}

async function appendPartition(
  to: RequestEncoder,
  { partition, messages, firstSequence = 0 }: PartitionData,
  options: ProduceOptions,
  internals: EncodeInternals,
): Promise<void> {
  const { transactionalId, producerId = -1, producerEpoch = 0, compression = 0 } = options;
  const now = Date.now();
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
    .writeInt32(messages.length - 1)
    .writeInt64(first)
    .writeInt64(max)
    .writeInt64(producerId)
    .writeInt16(producerEpoch)
    .writeInt32(firstSequence)
    .writeInt32(messages.length);

  const records = compression === 0
    ? to
    : new internals.Encoder(likelySize([{ partitions: [{ messages }] }]));
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]!;
    const timestampDelta = Number(message.timestamp || now) - Number(first);
    appendRecord(records, message, { offsetDelta: index, timestampDelta });
  }
  if (records !== to) {
    const compressed = await internals.lookupCodec(compression).compress(records);
    to.writeBuffer(compressed ?? records.buffer);
    if (compressed === undefined) to.buf.writeInt16BE(flags, checkedAt);
  }

  const { buf, offset } = to;
  buf.writeInt32BE(offset - sizeAt - 4, sizeAt);
  buf.writeInt32BE(offset - lengthAt - 4, lengthAt);
  buf.writeUInt32BE(crc32c(buf.subarray(checkedAt, offset)), crcAt);
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
