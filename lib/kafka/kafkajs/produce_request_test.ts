import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { original, repaired } from "../../../tests/support/kafkajs.ts";
import {
  addTimestamps,
  BATCH_AT,
  decodeFetched,
  encodeProduce,
  pick,
  randomMessage,
  randomText,
  storedBatch,
  upTo,
} from "../../../tests/support/record_batches.ts";
import { batchHeader } from "./fetched_records.ts";

function randomProduce(random: RandomGenerator): Record<string, unknown> {
  const partition = () => {
    const messages = Array.from(
      { length: pick(random, [0, 1, 3, 20]) },
      () => randomMessage(random),
    );
    addTimestamps(random, messages);
    return {
      partition: upTo(random, 11),
      messages,
      firstSequence: pick(random, [undefined, 0, 4711, 2 ** 31 - 1]),
    };
  };
  return {
    acks: pick(random, [-1, 0, 1]),
    timeout: upTo(random, 60_000),
    transactionalId: pick(random, [undefined, null, "inventory-order-events-0"]),
    producerId: pick(random, [undefined, -1, 4711, "9007199254740993"]),
    producerEpoch: pick(random, [undefined, 0, 32_767]),
    compression: pick(random, [undefined, 0]),
    topicData: Array.from({ length: upTo(random, 2) }, () => ({
      topic: randomText(random, 60),
      partitions: Array.from({ length: upTo(random, 3) }, partition),
    })),
  };
}

Deno.test("a produce request has the same bytes as the original, whatever is in it", async () => {
  let total = 0;
  for (let seed = 0; seed < 400; seed++) {
    const options = randomProduce(xoroshiro128plus(seed));
    const version = seed % 2 === 0 ? 3 : 7;
    const before = await encodeProduce(original, version, options);
    const after = await encodeProduce(repaired, version, options);
    assert(before.equals(after), `seed ${seed}: other bytes than the original`);
    total += before.length;
  }
  assert(total > 1e6, `only ${total} bytes`);
});

Deno.test("a batch is compressed where that makes it smaller, and means the same", async () => {
  for (const compression of [1, 2, 3, 4]) {
    for (
      const { value, stored } of [
        { value: "order ".repeat(200), stored: compression },
        { value: "order", stored: 0 },
      ]
    ) {
      const messages = [{ key: "k", value }, { key: "k", value: null }];
      const plain = await storedBatch(messages, { firstOffset: 0n });
      const batch = await storedBatch(messages, { firstOffset: 0n, compression });
      assertEquals(batchHeader(batch).attributes, stored);
      assert(stored === 0 ? batch.equals(plain) : batch.length < plain.length);
      const [before, after] = [
        await decodeFetched(repaired, plain),
        await decodeFetched(repaired, batch),
      ];
      assertEquals(after.records, before.records);
    }
  }
});

/** A produce request with one message. */
function produceOne(message: Record<string, unknown>) {
  return {
    acks: -1,
    timeout: 0,
    topicData: [{ topic: "t", partitions: [{ partition: 0, messages: [message] }] }],
  };
}

Deno.test("a header of a message may be null, which the original refuses", async () => {
  const options = produceOne({ key: "k", value: "v", headers: { a: null, b: [undefined, "c"] } });
  await assertRejects(() => encodeProduce(original, 3, options), TypeError);
  const bytes = await encodeProduce(repaired, 3, options);
  const Decoder = original("protocol/decoder");
  const batch = new Decoder(bytes.subarray(BATCH_AT));
  const { records } = await original("protocol/recordBatch/v0/decoder")(batch);
  assertEquals(records[0].headers, { a: null, b: [null, Buffer.from("c")] });
});

Deno.test("a message of bytes that are no Buffer is written as these bytes", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const written = await encodeProduce(repaired, 3, produceOne({ key: null, value: bytes }));
  const asBuffer = produceOne({ key: null, value: Buffer.from(bytes) });
  assertEquals(written, await encodeProduce(original, 3, asBuffer));
});

Deno.test("a message of anything but text and bytes is refused, as the original does", async () => {
  for (const value of [5, true, {}, []]) {
    const options = produceOne({ key: null, value });
    await assertRejects(() => encodeProduce(original, 3, options), TypeError);
    await assertRejects(() => encodeProduce(repaired, 3, options), TypeError);
  }
});
