/**
 * Dead letters: records that could not be read, kept as they came.
 *
 * @module
 */
import type { SourceRecord, TargetRecord } from "./records.ts";

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

/**
 * The dead letter of a record: its key, value bytes and headers, plus headers `dlq.topic`,
 * `dlq.partition`, `dlq.offset`, `dlq.group` and `dlq.reason`.
 */
export function deadLetter(
  record: SourceRecord,
  to: string,
  { topic, partition, group, reason }: DeadLetterOrigin,
): TargetRecord {
  return {
    topic: to,
    partition: 0,
    key: record.key,
    value: record.value,
    headers: {
      ...record.headers,
      "dlq.topic": topic,
      "dlq.partition": String(partition),
      "dlq.offset": record.offset,
      "dlq.group": group,
      "dlq.reason": reason,
    },
  };
}
