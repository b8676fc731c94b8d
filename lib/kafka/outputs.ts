/**
 * What a transaction writes: records, encoded as they come, in batches that their topics accept.
 *
 * @module
 */
import type { Message } from "kafkajs";
import type { JsonWriter } from "../json_writer.ts";
import { batchMessage, RecordBatch } from "./kafkajs/record_batch.ts";
import { DEFAULT_MAX_MESSAGE_BYTES } from "./message_limits.ts";
import type { TargetRecord } from "./records.ts";

/** The most that one partition gets in one request, in bytes. */
export const MAX_BATCH_BYTES = 1_000_000;

/** One call of `sendBatch`: a batch for each of some partitions. */
export interface ProduceBatch {
  topicMessages: { topic: string; messages: Message[] }[];
  /** Each partition that gets records, how many, and their size in bytes. */
  targets: { topic: string; partition: number; count: number; bytes: number }[];
  /** Whether a record exceeds the limit of its topic and may only fit compressed. */
  isOversized: boolean;
}

/** The outputs of one transaction. */
export class Outputs {
  #maxMessageBytes: ReadonlyMap<string, number>;
  #topics = new Map<string, TopicOutputs>();

  /** @param maxMessageBytes The setting `max.message.bytes` of topics, where it is known. */
  constructor(maxMessageBytes: ReadonlyMap<string, number> = new Map()) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** The outputs for a topic. */
  to(topic: string): TopicOutputs {
    let outputs = this.#topics.get(topic);
    if (outputs === undefined) {
      const maxBytes = this.#maxMessageBytes.get(topic) ?? DEFAULT_MAX_MESSAGE_BYTES;
      this.#topics.set(topic, outputs = new TopicOutputs(maxBytes));
    }
    return outputs;
  }

  /** Adds a record. */
  add({ topic, partition, ...message }: TargetRecord): void {
    this.to(topic).add(partition, message);
  }

  /** The requests that write everything, in the order of each partition. */
  requests(): ProduceBatch[] {
    const requests: ProduceBatch[] = [];
    for (const [topic, outputs] of this.#topics) {
      for (const { partition, batches } of outputs.partitions()) {
        for (const [index, batch] of batches.entries()) {
          const request = requests[index] ??= {
            topicMessages: [],
            targets: [],
            isOversized: false,
          };
          const message = batchMessage(partition, batch);
          const sameTopic = request.topicMessages.at(-1);
          if (sameTopic?.topic === topic) sameTopic.messages.push(message);
          else request.topicMessages.push({ topic, messages: [message] });
          const { count, bytes } = batch;
          request.targets.push({ topic, partition, count, bytes });
          request.isOversized ||= bytes > outputs.maxBytes;
        }
      }
    }
    return requests;
  }

  /** Call it when everything is stored: the memory is used again. */
  release(): void {
    for (const outputs of this.#topics.values()) {
      for (const { batches } of outputs.partitions()) batches.forEach((batch) => batch.release());
    }
  }
}

/** The outputs of one transaction for one topic. */
export class TopicOutputs {
  #partitions: RecordBatch[][] = [];

  /** @param maxBytes The setting `max.message.bytes` of the topic. */
  constructor(readonly maxBytes: number) {}

  /** Adds a record. */
  add(partition: number, message: Pick<TargetRecord, "key" | "value" | "headers">): void {
    const batches = this.#partitions[partition] ??= [new RecordBatch()];
    batches.at(-1)!.append(message);
    this.#splitIfFull(batches);
  }

  /** Adds a record whose value the function writes. */
  addWritten(
    partition: number,
    { key, headers }: { key: string; headers?: Record<string, string> | undefined },
    write: (to: JsonWriter) => void,
  ): void {
    const batches = this.#partitions[partition] ??= [new RecordBatch()];
    batches.at(-1)!.appendWritten(key, write, headers);
    this.#splitIfFull(batches);
  }

  /** The partitions that get records, and their batches. */
  *partitions(): Generator<{ partition: number; batches: RecordBatch[] }> {
    for (const [partition, batches] of this.#partitions.entries()) {
      if (batches !== undefined) yield { partition, batches };
    }
  }

  /** A record that does not fit begins a batch; one that never fits has a batch for itself. */
  #splitIfFull(batches: RecordBatch[]): void {
    const last = batches.at(-1)!;
    if (last.bytes <= Math.min(MAX_BATCH_BYTES, this.maxBytes) || last.count === 1) return;
    batches.push(last.splitAt(last.count - 1));
  }
}
