/**
 * Packing the outputs of a transaction into produce requests that brokers accept.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { IHeaders } from "kafkajs";
import type { TargetRecord } from "./records.ts";

/** The most that one partition gets in one request: brokers refuse more than 1 MiB by default. */
export const MAX_BATCH_BYTES = 1_000_000;
/** The setting `max.message.bytes` of a topic for which nothing else is set. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;
/** No less than the header of a record batch, in bytes. */
const BATCH_HEADER_BYTES = 100;
/** No less than what a record takes beside its fields, and a header beside its name and value. */
const RECORD_OVERHEAD_BYTES = 32;
const HEADER_OVERHEAD_BYTES = 10;

/** One call of `sendBatch`: the records by topic, and the partitions that they go to. */
export interface ProduceBatch {
  /** The records, in order. */
  topicMessages: { topic: string; messages: TargetRecord[] }[];
  /** Each partition that gets records, how many, and no less than their size in bytes. */
  targets: { topic: string; partition: number; count: number; bytes: number }[];
  /** Whether a record exceeds the limit of its topic and may only fit compressed. */
  isOversized: boolean;
}

/** How many bytes of records a topic takes at once, by its setting `max.message.bytes`. */
export function roomIn(maxMessageBytes: number): number {
  return maxMessageBytes - BATCH_HEADER_BYTES;
}

/**
 * Packs records, in order, so that no partition gets more than {@linkcode MAX_BATCH_BYTES} in a batch,
 * nor more than its topic takes. A record that alone is larger gets a batch in which its partition
 * holds nothing else.
 *
 * @param maxMessageBytes The setting `max.message.bytes` of topics, where it is known.
 */
export function packBatches(
  records: readonly TargetRecord[],
  maxMessageBytes: ReadonlyMap<string, number> = new Map(),
): ProduceBatch[] {
  const roomOf = (topic: string) => roomIn(maxMessageBytes.get(topic) ?? DEFAULT_MAX_MESSAGE_BYTES);
  const batches: ProduceBatch[] = [];
  let batch: ProduceBatch | undefined;
  for (const record of records) {
    const bytes = sizeLimit(record);
    let target = batch?.targets.find(({ topic, partition }) =>
      partition === record.partition && topic === record.topic
    );
    const room = roomOf(record.topic);
    const limit = Math.min(MAX_BATCH_BYTES, room);
    if (batch === undefined || (target !== undefined && target.bytes + bytes > limit)) {
      batch = { topicMessages: [], targets: [], isOversized: false };
      batches.push(batch);
      target = undefined;
    }
    if (target === undefined) {
      target = { topic: record.topic, partition: record.partition, count: 0, bytes: 0 };
      batch.targets.push(target);
    }
    target.count++;
    target.bytes += bytes;
    batch.isOversized ||= bytes > room;
    const sameTopic = batch.topicMessages.find(({ topic }) => topic === record.topic);
    if (sameTopic === undefined) {
      batch.topicMessages.push({ topic: record.topic, messages: [record] });
    } else sameTopic.messages.push(record);
  }
  return batches;
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
export function headersBytes(headers: IHeaders): number {
  let sum = 0;
  for (const [name, content] of Object.entries(headers)) {
    for (const value of Array.isArray(content) ? content : [content]) {
      sum += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + Buffer.byteLength(value ?? "");
    }
  }
  return sum;
}
