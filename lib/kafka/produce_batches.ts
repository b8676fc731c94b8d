/**
 * Packing the outputs of a transaction into produce requests that brokers accept.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { TargetRecord } from "./records.ts";

/** The most that one partition gets in one request: brokers refuse more than 1 MiB by default. */
export const MAX_BATCH_BYTES = 1_000_000;
/** No less than the header of a record batch, in bytes. */
const BATCH_HEADER_BYTES = 100;

/** One call of `sendBatch`: the records by topic, and the partitions that they go to. */
export interface ProduceBatch {
  /** The records, in order. */
  topicMessages: { topic: string; messages: TargetRecord[] }[];
  /** Each partition that gets records, how many, and no less than their size in bytes. */
  targets: { topic: string; partition: number; count: number; bytes: number }[];
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
  const batches: ProduceBatch[] = [];
  let batch: ProduceBatch | undefined;
  for (const record of records) {
    const bytes = sizeLimit(record);
    let target = batch?.targets.find(({ topic, partition }) =>
      partition === record.partition && topic === record.topic
    );
    const limit = batchLimit(record.topic, maxMessageBytes);
    if (batch === undefined || (target !== undefined && target.bytes + bytes > limit)) {
      batch = { topicMessages: [], targets: [] };
      batches.push(batch);
      target = undefined;
    }
    if (target === undefined) {
      target = { topic: record.topic, partition: record.partition, count: 0, bytes: 0 };
      batch.targets.push(target);
    }
    target.count++;
    target.bytes += bytes;
    const sameTopic = batch.topicMessages.find(({ topic }) => topic === record.topic);
    if (sameTopic === undefined) {
      batch.topicMessages.push({ topic: record.topic, messages: [record] });
    } else sameTopic.messages.push(record);
  }
  return batches;
}

/** The most that one partition of the topic gets in one request, in bytes. */
export function batchLimit(topic: string, maxMessageBytes: ReadonlyMap<string, number>): number {
  const limit = maxMessageBytes.get(topic);
  return limit === undefined
    ? MAX_BATCH_BYTES
    : Math.min(MAX_BATCH_BYTES, limit - BATCH_HEADER_BYTES);
}

/** No less than the size of a record on the wire, in bytes, without encoding its text. */
function sizeLimit({ key, value, headers }: TargetRecord): number {
  const bytes = (part: string | Buffer | null) =>
    part === null ? 0 : typeof part === "string" ? part.length * 3 : part.length;
  let sum = 32 + bytes(key) + bytes(value);
  for (const [name, content] of Object.entries(headers ?? {})) {
    sum += 16 + 3 * (name.length + String(content).length);
  }
  return sum;
}
