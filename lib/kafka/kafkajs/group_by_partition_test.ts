import { assertEquals } from "@std/assert";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { original, repaired } from "../../../tests/support/kafkajs.ts";
import { upTo } from "../../../tests/support/record_batches.ts";

Deno.test("groupMessagesPerPartition groups as the original does", () => {
  const random = xoroshiro128plus(1);
  const messages = Array.from({ length: 500 }, (_, value) => ({ value, to: upTo(random, 12) }));
  const partitioner = ({ message }: { message: { to: number } }) => message.to;
  for (const partitionMetadata of [[], [{}]]) {
    const [before, after] = [original, repaired].map((module) =>
      module("producer/groupMessagesPerPartition")({
        topic: "t",
        partitionMetadata,
        messages,
        partitioner,
      })
    );
    assertEquals(after, before);
    assertEquals(Object.keys(after).length, partitionMetadata.length === 0 ? 0 : 13);
  }
});
