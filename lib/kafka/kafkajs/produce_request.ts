/**
 * Encoding produce requests.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { crc32c } from "./crc32c.ts";
import { appendRecord, type Encoder, type Message } from "./encode_records.ts";

/** kafkajs's `Encoder`. */
export interface RequestEncoder extends Encoder {
  /** The bytes, which are of this type in kafkajs. */
  buf: Buffer;
  /** Appends a number of 8 bits. */
  writeInt8(value: number): this;
  /** Appends a number of 16 bits. */
  writeInt16(value: number): this;
  /** Appends a number of 32 bits. */
  writeInt32(value: number): this;
  /** Appends a number of 64 bits. */
  writeInt64(value: unknown): this;
  /** Appends a text and, before it, its length. */
  writeString(value: string | null): this;
  /** Appends bytes. */
  writeBuffer(value: Buffer): this;
}

/** What the encoding takes of kafkajs. */
export interface Internals {
  /** The class. */
  Encoder: new (initialSize?: number) => RequestEncoder;
  /** The codec of a compression. */
  lookupCodec: (type: number) => { compress(encoder: RequestEncoder): Promise<Buffer> };
}

/** What a produce request says. */
export interface ProduceOptions {
  /** How many replicas must have it; -1 for all. */
  acks: number;
  /** How long the broker may wait for them, in milliseconds. */
  timeout: number;
  /** The transactional id, if any. */
  transactionalId?: string | null;
  /** The producer's id; -1 for none. */
  producerId?: unknown;
  /** The producer's epoch. */
  producerEpoch?: number;
  /** The compression; 0 for none. */
  compression?: number;
  /** The messages by topic and partition. */
  topicData: { topic: string; partitions: PartitionData[] }[];
}

/** The messages for one partition. */
export interface PartitionData {
  /** The partition. */
  partition: number;
  /** The sequence number of the first message. */
  firstSequence?: number;
  /** The messages. */
  messages: Message[];
}

/** A function like that of kafkajs's produce/v3/request.js, which the later versions call too. */
export type ProduceRequest = (options: ProduceOptions) => {
  /** Encodes the request. */
  encode: () => Promise<RequestEncoder>;
};

const MAGIC_BYTE = 2;
const COMPRESSION_MASK = 0x07;
const TRANSACTIONAL_FLAG = 0x10;

/**
 * Makes the requests encode themselves into one buffer that grows.
 *
 * The original writes each record, batch, partition, topic and request into a zeroed buffer of its
 * own, of 512 bytes at the least, and then copies it into that of the next level; it computes
 * lengths with BigInt, and turns each varint into an array and that into a buffer.
 */
export function encodingIntoOneBuffer(
  original: ProduceRequest,
  internals: Internals,
): ProduceRequest {
  return (options) => ({ ...original(options), encode: () => encode(options, internals) });
}

async function encode(options: ProduceOptions, internals: Internals): Promise<RequestEncoder> {
  const { acks, timeout, transactionalId = null, topicData } = options;
  const to = new internals.Encoder(likelySize(topicData))
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

/** The size of a request of ASCII texts without headers and compression, and some more. */
function likelySize(topicData: ProduceOptions["topicData"]): number {
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
  internals: Internals,
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
  to.writeInt16((compression & COMPRESSION_MASK) | (transactionalId ? TRANSACTIONAL_FLAG : 0))
    .writeInt32(messages.length - 1)
    .writeInt64(first)
    .writeInt64(max)
    .writeInt64(producerId)
    .writeInt16(producerEpoch)
    .writeInt32(firstSequence)
    .writeInt32(messages.length);

  const records = compression === 0 ? to : new internals.Encoder(likelySize([]));
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]!;
    const timestampDelta = Number(message.timestamp || now) - Number(first);
    appendRecord(records, message, { offsetDelta: index, timestampDelta });
  }
  if (records !== to) to.writeBuffer(await internals.lookupCodec(compression).compress(records));

  const { buf, offset } = to;
  buf.writeInt32BE(offset - sizeAt - 4, sizeAt);
  buf.writeInt32BE(offset - lengthAt - 4, lengthAt);
  buf.writeUInt32BE(crc32c(buf.subarray(checkedAt, offset)), crcAt);
}

/** The first and last timestamp in the order of their texts, as the original sorts them. */
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
