import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { MAX_BATCH_BYTES, Outputs } from "./outputs.ts";
import type { TargetRecord } from "./records.ts";

function record(topic: string, partition: number, bytes: number): TargetRecord {
  return { topic, partition, key: null, value: Buffer.alloc(bytes) };
}

/** The requests for these records, by topic, partition and number of records. */
function requestsOf(records: TargetRecord[], limits?: Map<string, number>) {
  const outputs = new Outputs(limits);
  for (const each of records) outputs.add(each);
  return outputs.requests().map(({ topicMessages, targets, isOversized }) => {
    assertEquals(
      topicMessages.map(({ messages }) => messages.length),
      [
        ...new Map(targets.map(({ topic }) => [topic, 0])).keys(),
      ].map((name) => targets.filter(({ topic }) => topic === name).length),
    );
    assert(isOversized || targets.every(({ bytes }) => bytes <= MAX_BATCH_BYTES));
    const sent = targets.map(({ topic, partition, count }) => `${topic}/${partition} ${count}`);
    return isOversized ? ["oversized", ...sent] : sent;
  });
}

Deno.test("Outputs puts small records of all topics and partitions into one request", () => {
  const records = [record("a", 0, 10), record("b", 1, 20), record("a", 1, 30), record("a", 0, 40)];
  assertEquals(requestsOf(records), [["a/0 2", "a/1 1", "b/1 1"]]);
  assertEquals(requestsOf([]), []);
});

Deno.test("Outputs begins a new batch when a partition has had as much as brokers accept", () => {
  const half = MAX_BATCH_BYTES / 2;
  const records = [record("a", 0, half), record("a", 1, half), record("a", 0, half)];
  assertEquals(requestsOf(records), [["a/0 1", "a/1 1"], ["a/0 1"]]);
});

Deno.test("Outputs sends a record that alone is too large by itself", () => {
  const records = [10, 2 * MAX_BATCH_BYTES, 10].map((bytes) => record("a", 0, bytes));
  assertEquals(requestsOf(records), [["a/0 1"], ["oversized", "a/0 1"], ["a/0 1"]]);
});

Deno.test("Outputs fills batches up to what the topic takes, to the byte", () => {
  const records = Array.from({ length: 10 }, () => record("small", 0, 400));
  const outputs = new Outputs();
  records.slice(0, 2).forEach((each) => outputs.add(each));
  const { bytes } = outputs.requests()[0]!.targets[0]!;
  for (const [limit, count] of [[bytes - 1, 1], [bytes, 2], [bytes + 1, 2]] as const) {
    assertEquals(
      requestsOf(records, new Map([["small", limit]])),
      Array.from({ length: 10 / count }, () => [`small/0 ${count}`]),
    );
  }
});
