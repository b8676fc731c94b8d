/**
 * Dead letters: records that could not be read, kept as they came.
 *
 * @module
 */
import type { IHeaders } from "kafkajs";
import type { SourceRecord, TargetRecord } from "./records.ts";

/** The header that counts how often a record was sent back. */
const RESENT = "dlq.resent";

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

/** Where a dead letter came from, with the offset there; `undefined` when it is not a dead letter. */
export function originOf(
  { headers = {} }: SourceRecord,
): DeadLetterOrigin & { offset: string } | undefined {
  const [topic, partition, offset] = ["dlq.topic", "dlq.partition", "dlq.offset"]
    .map((name) => headerText(headers, name));
  if (topic === undefined || offset === undefined || !/^\d+$/.test(partition ?? "")) {
    return undefined;
  }
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
  const times = Number(headerText(headers, RESENT) ?? 0) + 1;
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
