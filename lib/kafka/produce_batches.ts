/**
 * Packing the outputs of a transaction into produce requests that brokers accept.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { TargetRecord } from "./records.ts";

/** The most that one partition gets in one request: brokers refuse more than 1 MiB by default. */
export const MAX_BATCH_BYTES = 1_000_000;

/** One call of `sendBatch`: the records by topic, and the partitions that they go to. */
export interface ProduceBatch {
  /** The records, in order. */
  topicMessages: { topic: string; messages: TargetRecord[] }[];
  /** Each partition that gets records, and no less than their size in bytes. */
  targets: { topic: string; partition: number; bytes: number }[];
}

/**
 * Packs records, in order, so that no partition gets more than {@linkcode MAX_BATCH_BYTES} in a batch.
 * A record that alone is larger gets a batch in which its partition holds nothing else.
 */
export function packBatches(records: readonly TargetRecord[]): ProduceBatch[] {
  const batches: ProduceBatch[] = [];
  let batch: ProduceBatch | undefined;
  for (const record of records) {
    const bytes = sizeLimit(record);
    let target = batch?.targets.find(({ topic, partition }) =>
      partition === record.partition && topic === record.topic
    );
    if (batch === undefined || (target !== undefined && target.bytes + bytes > MAX_BATCH_BYTES)) {
      batch = { topicMessages: [], targets: [] };
      batches.push(batch);
      target = undefined;
    }
    if (target === undefined) {
      target = { topic: record.topic, partition: record.partition, bytes: 0 };
      batch.targets.push(target);
    }
    target.bytes += bytes;
    const sameTopic = batch.topicMessages.find(({ topic }) => topic === record.topic);
    if (sameTopic === undefined) {
      batch.topicMessages.push({ topic: record.topic, messages: [record] });
    } else sameTopic.messages.push(record);
  }
  return batches;
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
