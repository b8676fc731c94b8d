import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { MAX_BATCH_BYTES, packBatches } from "./produce_batches.ts";
import type { TargetRecord } from "./records.ts";

function record(topic: string, partition: number, bytes: number): TargetRecord {
  return { topic, partition, key: null, value: Buffer.alloc(bytes) };
}

Deno.test("packBatches puts small records of all topics and partitions into one batch, in order", () => {
  const records = [record("a", 0, 10), record("b", 1, 20), record("a", 1, 30), record("a", 0, 40)];
  const [batch, ...others] = packBatches(records);
  assertEquals(others, []);
  assertEquals(batch!.topicMessages, [
    { topic: "a", messages: [records[0]!, records[2]!, records[3]!] },
    { topic: "b", messages: [records[1]!] },
  ]);
  assertEquals(
    batch!.targets.map(({ topic, partition }) => `${topic}/${partition}`),
    ["a/0", "b/1", "a/1"],
  );
});

Deno.test("packBatches begins a new batch when one partition has had as much as brokers accept", () => {
  const half = MAX_BATCH_BYTES / 2;
  const records = [record("a", 0, half), record("a", 1, half), record("a", 0, half)];
  const batches = packBatches(records);
  assertEquals(batches.length, 2);
  assertEquals(batches[1]!.topicMessages, [{ topic: "a", messages: [records[2]!] }]);
  for (const { targets } of batches) {
    assert(targets.every(({ bytes }) => bytes <= MAX_BATCH_BYTES));
  }
});

Deno.test("packBatches sends a record that alone is too large by itself", () => {
  const large = record("a", 0, 2 * MAX_BATCH_BYTES);
  const batches = packBatches([record("a", 0, 10), large, record("a", 0, 10)]);
  assertEquals(batches.length, 3);
  assertEquals(batches[1]!.topicMessages[0]!.messages, [large]);
  assertEquals(batches.map(({ isOversized }) => isOversized), [false, true, false]);
});

Deno.test("packBatches counts texts and headers with the most bytes that they can take", () => {
  const text = "€".repeat(1_000);
  const [batch] = packBatches([
    { topic: "a", partition: 0, key: text, value: text, headers: { reason: text } },
  ]);
  assert(batch!.targets[0]!.bytes >= 9_000);
});

Deno.test("packBatches packs less where the topic takes less", () => {
  const records = Array.from({ length: 10 }, () => record("small", 0, 400));
  const batches = packBatches([...records, record("b", 0, 4_000)], new Map([["small", 1_100]]));
  assertEquals(batches.map(({ targets }) => targets.map(({ topic }) => topic)), [
    ...Array.from({ length: 4 }, () => ["small"]),
    ["small", "b"],
  ]);
  assertEquals(batches.map(({ isOversized }) => isOversized), Array(5).fill(false));
});

Deno.test("packBatches makes no batch of nothing", () => {
  assertEquals(packBatches([]), []);
});

Deno.test("packBatches begins a new batch when the topic of a partition takes no more", () => {
  const records = Array.from({ length: 10 }, () => record("small", 0, 300));
  const batches = packBatches([...records, record("a", 0, 300)], new Map([["small", 1_000]]));
  assertEquals(batches.flatMap(({ targets }) => targets.map(({ count }) => count)), [
    ...[2, 2, 2, 2, 2, 1],
  ]);
  assert(batches.every(({ targets }) => targets[0]!.bytes <= 900));
});
