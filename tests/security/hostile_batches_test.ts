/**
 * Record batches with any bytes, as a broken disk or a hostile broker may send them: what decodes them
 * gives records that lie within the batch, or an error, in bounded time and memory.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { compressionType } from "../../lib/compression.ts";
import {
  fetchedLog,
  type FetchedRecord,
  RECORDS_AT,
} from "../../lib/kafka/kafkajs/fetched_records.ts";
import { LargeBatch } from "../../lib/kafka/kafkajs/large_batch.ts";
import { compressRecords, decompressorFor } from "../../lib/kafka/kafkajs/compression.ts";
import { fuzz, mutated, type Mutation, mutations } from "../support/fuzz.ts";
import { repaired } from "../support/kafkajs.ts";
import { decodeFetched, storedBatch } from "../support/record_batches.ts";

const TYPES = (["none", "gzip", "snappy", "lz4", "zstd"] as const).map(compressionType);
const FIRST_OFFSET = 7n;

const stored = storedBatch(
  Array.from({ length: 40 }, (_, index) => ({
    key: index % 5 === 0 ? null : `key-${index}`,
    value: index % 7 === 0 ? null : `${index} `.repeat(index * 4),
    headers: index % 3 === 0 ? { "dlq.reason": "why", again: ["a", "b"] } : {},
    timestamp: String(1_700_000_000_000 + index),
  })),
  { firstOffset: FIRST_OFFSET },
);

/** The batch with compressed records, and with the changes made before and after the compression. */
async function batchOf(type: number, inner: Mutation[], outer: Mutation[]): Promise<Buffer> {
  const plain = await stored;
  const records = Buffer.from(mutated(plain.subarray(RECORDS_AT), inner));
  const packed = type === 0 ? records : await compressRecords(type, records) ?? records;
  const batch = Buffer.concat([plain.subarray(0, RECORDS_AT), packed]);
  batch.writeInt16BE(type, 21);
  batch.writeInt32BE(batch.length - 12, 8);
  return Buffer.from(mutated(batch, outer));
}

/** Reads all that a service reads of a record. */
function touch(record: FetchedRecord): void {
  const { key, value, headers, offset, timestamp, size } = record;
  BigInt(offset);
  BigInt(timestamp);
  assert((key?.length ?? 0) + (value?.length ?? 0) <= size, "more than the record holds");
  for (const header of Object.values(headers).flat()) {
    assert(header === null || header instanceof Buffer);
  }
}

/** Decodes what was fetched, at once or in pieces; returns the number of records, or the error. */
async function decoded(bytes: Buffer): Promise<number | Error> {
  try {
    const { source, rest } = await decodeFetched(repaired, bytes);
    assertEquals(rest, "rest", "the rest of the response is read where it begins");
    source.forEach(touch);
    const large = fetchedLog(source)?.large;
    if (large === undefined) return source.length;
    const reader = new LargeBatch(large, () => Promise.resolve());
    const records = await reader.read(0n);
    records.forEach(touch);
    await reader.close();
    return source.length + records.length;
  } catch (error) {
    assert(error instanceof Error && error.name !== "AssertionError", String(error));
    assert(error.message !== "");
    return error;
  }
}

Deno.test("fetched batches with any bytes are decoded, or an error", async () => {
  const some = fc.option(mutations, { nil: [] as Mutation[] });
  const outcomes = { whole: 0, part: 0, error: 0 };
  await fuzz(
    { kind: "record batch", runs: 500 },
    fc.tuple(fc.constantFrom(...TYPES), some, some),
    async ([type, inner, outer]) => {
      const found = await decoded(await batchOf(type, inner, outer));
      outcomes[found instanceof Error ? "error" : found === 40 ? "whole" : "part"]++;
    },
  );
  assert(outcomes.whole > 10 && outcomes.error > 10, JSON.stringify(outcomes));
});

Deno.test("lengths and counts of all sizes in a batch are refused or end it", async () => {
  const numbers = fc.oneof(
    fc.integer(),
    fc.integer({ min: -300, max: 300 }),
    fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -12, -13, -1, 0, 49),
  );
  const places = fc.constantFrom(
    ...[[8, 4], [16, 1], [21, 2], [23, 4], [57, 4], [61, 1], [62, 4], [70, 4]] as const,
  );
  await fuzz(
    { kind: "length or count in a batch", runs: 500 },
    fc.tuple(fc.constantFrom(...TYPES), places, numbers),
    async ([type, [at, size], number]) => {
      const batch = await batchOf(type, [], []);
      batch.writeIntBE(Number(BigInt.asIntN(8 * size, BigInt(number))), at, size);
      await decoded(Buffer.concat([batch, await stored]));
    },
  );
});

const JAVA_SNAPPY = -1;

/** As Java's client frames it: a header, and the length of each block. */
function javaSnappy(block: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(block.length);
  const header = Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1");
  return Buffer.concat([header, length, block]);
}

Deno.test("a snappy block of no or of negative length is an error", async () => {
  for (const length of [0, -1, -4, -20, -(2 ** 31), 2 ** 31 - 1]) {
    const bytes = javaSnappy(Buffer.from("x"));
    bytes.writeInt32BE(length, 16);
    const { within, pieces } = decompressorFor(compressionType("snappy"));
    await assertRejects(() => within(bytes, 100), Error, "cut off");
    await assertRejects(() => Array.fromAsync(pieces(bytes)), Error, "cut off");
  }
});

Deno.test("compressed bytes of all kinds expand within the limit, or are an error", async () => {
  const limit = 100_000;
  const content = Buffer.alloc(5_000, "order ");
  await fuzz(
    { kind: "compressed bytes", runs: 500 },
    fc.tuple(fc.constantFrom(...TYPES.slice(1), JAVA_SNAPPY), mutations, fc.boolean()),
    async ([kind, changes, isLong]) => {
      const type = kind === JAVA_SNAPPY ? compressionType("snappy") : kind;
      const packed = (await compressRecords(type, isLong ? content : content.subarray(0, 2_000)))!;
      const framed = kind === JAVA_SNAPPY ? javaSnappy(packed) : packed;
      const hostile = Buffer.from(mutated(framed, changes));
      const decompressor = decompressorFor(type);
      let expanded: Buffer | undefined;
      try {
        expanded = await decompressor.within(hostile, limit);
      } catch (error) {
        assert(error instanceof Error || typeof error === "string", String(error));
      }
      assert((expanded?.length ?? 0) <= limit, `${expanded?.length} bytes`);
      let size = 0;
      try {
        for await (const piece of decompressor.pieces(hostile)) {
          size = Math.max(size, piece.length);
        }
      } catch (error) {
        assert(error instanceof Error || typeof error === "string", String(error));
      }
      assert(size <= 4_194_304, `a piece of ${size} bytes`);
    },
  );
});
