import { assertEquals } from "@std/assert";
import { cachingPartitioner, murmur2, partitionOf } from "./partitioner.ts";

const encoder = new TextEncoder();

Deno.test("murmur2 gives the published values of Kafka's Java client", () => {
  // From UtilsTest.testMurmur2 in apache/kafka, clients/src/test/java/…/common/utils.
  const published: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of published) assertEquals(murmur2(encoder.encode(text)), hash, text);
});

Deno.test("partitionOf handles keys of any length and script", () => {
  for (const key of ["", "order_ä", "ä".repeat(400), "x".repeat(512), "x".repeat(513), "🍕"]) {
    assertEquals(partitionOf(key, 6), (murmur2(encoder.encode(key)) & 0x7fffffff) % 6);
  }
});

Deno.test("cachingPartitioner says what partitionOf says, however many keys there are", () => {
  const remembered = cachingPartitioner(6);
  for (let i = 0; i < 25_000; i++) {
    const key = `item-${i % 12_000}`;
    assertEquals(remembered(key), partitionOf(key, 6));
  }
});
