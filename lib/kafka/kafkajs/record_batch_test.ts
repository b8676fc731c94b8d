import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { original, repaired } from "../../../tests/support/kafkajs.ts";
import {
  encodeProduce,
  LENGTHS,
  pick,
  randomField,
  randomMessage,
  upTo,
} from "../../../tests/support/record_batches.ts";
import { BATCH_OVERHEAD_BYTES, type Message } from "./encode_records.ts";
import { batchMessage, RecordBatch } from "./record_batch.ts";

/** A batch of messages; those with a value of bytes are written by a function. */
function batchOfAll(messages: readonly Message[]): RecordBatch {
  const batch = new RecordBatch();
  for (const message of messages) {
    const { key, value, headers } = message;
    if (value instanceof Uint8Array) {
      batch.appendWritten(key, (to) => to.raw(value), headers);
    } else batch.append(message);
  }
  return batch;
}

/** A record of this length, written by a function. */
function record(valueBytes: number, key: string | null = null): Message {
  return { key, value: new Uint8Array(valueBytes).fill(120) };
}

/** What the records before and after a split would be in batches of their own. */
function assertSplit(messages: readonly Message[], index: number): void {
  const first = batchOfAll(messages);
  const rest = first.splitAt(index);
  for (
    const [batch, expected] of [
      [first, messages.slice(0, index)],
      [rest, messages.slice(index)],
    ] as const
  ) {
    assertEquals(batch.count, expected.length);
    assertEquals(batch.records, batchOfAll(expected).records);
  }
}

Deno.test("a produce request of record batches has the bytes of the original's messages", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = xoroshiro128plus(seed);
    const partitions = Array.from({ length: upTo(random, 3) }, (_, partition) => ({
      partition,
      firstSequence: 7,
      messages: Array.from(
        { length: 1 + upTo(random, 80) },
        () =>
          upTo(random, 1) === 0 ? randomMessage(random) : {
            key: pick(random, [null, randomField(random)]),
            value: Buffer.alloc(pick(random, LENGTHS), "v"),
            ...pick(random, [{}, {
              headers: { trace: "t".repeat(pick(random, LENGTHS)), ü: "" },
            }]),
          },
      ),
    }));
    const options = (messagesOf: (partition: typeof partitions[number]) => unknown[]) => ({
      acks: -1,
      timeout: 30_000,
      transactionalId: pick(xoroshiro128plus(seed), [null, "inventory-order-events-0"]),
      producerId: 4711,
      producerEpoch: 3,
      compression: seed % 3 === 0 ? 1 : 0,
      topicData: [{
        topic: "order-events",
        partitions: partitions.map((of) => ({ ...of, messages: messagesOf(of) })),
      }],
    });
    // The original knows no compression but gzip, and compresses also what becomes larger.
    const expected = await encodeProduce(
      seed % 3 === 0 ? repaired : original,
      7,
      options(({ messages }) => messages),
    );
    const actual = await encodeProduce(
      repaired,
      7,
      options(({ messages, partition }) => [
        batchMessage(partition, batchOfAll(messages as unknown as Message[])),
      ]),
    );
    assertEquals(Buffer.compare(actual, expected), 0, `seed ${seed}: other bytes`);
  }
});

Deno.test("RecordBatch.splitAt numbers the records of both batches from 0", () => {
  const few = [record(0), record(60), record(64, "key"), record(8_192), record(5, "ü")];
  for (let index = 0; index <= few.length; index++) assertSplit(few, index);
  const many = Array.from({ length: 8_300 }, (_, index) => record(index % 70, `order_${index}`));
  for (const index of [0, 1, 63, 64, 65, 8_191, 8_192, 8_299]) assertSplit(many, index);
});

Deno.test("RecordBatch.bytesAlone and countWithin are the sizes of batches of these records", () => {
  const sizes = [0, 50, 54, 55, 56, 57, 58, 8_180, 8_190, 8_200, 100_000];
  const messages = Array.from({ length: 200 }, (_, index) => record(sizes[index % 11]!, "k"));
  const batch = batchOfAll(messages);
  for (const [index, message] of messages.entries()) {
    assertEquals(batch.bytesAlone(index), batchOfAll([message]).bytes);
  }
  assertEquals(batch.bytes, BATCH_OVERHEAD_BYTES + batch.records.length);
  for (const count of [1, 2, 64, 65, 199, 200]) {
    const { bytes } = batchOfAll(messages.slice(0, count));
    assertEquals(batch.countWithin(bytes), count);
    assertEquals(batch.countWithin(bytes - 1), Math.max(1, count - 1));
  }
});

Deno.test("RecordBatch.keyAt gives the key of a record as text", () => {
  const keys = ["", "burger", "寿司", "k".repeat(63), "k".repeat(64), "k".repeat(9_000)];
  const batch = batchOfAll(keys.map((key) => record(10, key)));
  assertEquals(keys.map((_, index) => batch.keyAt(index)), keys);
});
