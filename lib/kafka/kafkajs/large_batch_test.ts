import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { lz4Compress, snappyCompress } from "@platformatic/wasm-utils/bundled";
import { repaired } from "../../../tests/support/kafkajs.ts";
import { decodeFetched, plainRecord, storedBatch } from "../../../tests/support/record_batches.ts";
import { fetchedLog, type FetchedRecord, PIECE_COST, RECORDS_AT } from "./fetched_records.ts";
import { LargeBatch } from "./large_batch.ts";

/** The snappy of Java's client: a header, and blocks of 32 KiB with their lengths. */
function javaSnappy(bytes: Buffer): Buffer {
  const parts = [Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1")];
  for (let at = 0; at < bytes.length; at += 32_768) {
    const block = Buffer.from(snappyCompress(bytes.subarray(at, at + 32_768)));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** The ways to compress, by the number that a batch has for them. */
const COMPRESSIONS: [type: number, compress: (bytes: Buffer) => Buffer][] = [
  [0, (bytes) => bytes],
  [1, (bytes) => gzipSync(bytes)],
  [2, javaSnappy],
  [2, (bytes) => Buffer.from(snappyCompress(bytes))],
  [3, (bytes) => Buffer.from(lz4Compress(bytes))],
  [4, (bytes) => zstdCompressSync(bytes)],
];

/** A batch with its records compressed. */
function compressed(batch: Buffer, [type, compress]: typeof COMPRESSIONS[number]): Buffer {
  const whole = Buffer.concat([
    batch.subarray(0, RECORDS_AT),
    compress(batch.subarray(RECORDS_AT)),
  ]);
  whole.writeInt16BE(whole.readInt16BE(21) | type, 21);
  whole.writeInt32BE(whole.length - 12, 8);
  return whole;
}

/** Reads a batch to its end, as fetches would; returns the records and how many pieces they came in. */
async function readAll(batch: Buffer, from: bigint, lastOffset: bigint) {
  let progress = 0;
  const reader = new LargeBatch(batch, () => Promise.resolve(void progress++));
  const records: FetchedRecord[] = [];
  let pieces = 0;
  for (let offset = from; offset <= lastOffset; pieces++) {
    const piece = await reader.read(offset);
    records.push(...piece);
    const kept = piece.reduce(
      (sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0),
      0,
    );
    assert(kept <= 2 * PIECE_COST, `a piece of ${kept} bytes`);
    offset = fetchedLog(piece)!.lastOffset! + 1n;
    assertEquals(reader.continuesAt(offset, batch), true);
    assertEquals(reader.continuesAt(offset + 1n, batch), false);
  }
  return { records, pieces, progress };
}

Deno.test("LargeBatch gives all records of a batch in bounded pieces, however compressed", async () => {
  const messages = Array.from({ length: 3_000 }, (_, index) => ({
    key: `key-${index}`,
    value: index % 3 === 0 ? null : `${index} `.repeat(index % 7 * 500),
    headers: { index: String(index) },
  }));
  const plain = await storedBatch(messages, { firstOffset: 100n, lastOffsetDelta: 3_005 });
  const { records: expected } = await decodeFetched(
    repaired,
    await storedBatch(messages.slice(0, 500), { firstOffset: 100n, lastOffsetDelta: 3_005 }),
  );
  for (const compression of COMPRESSIONS) {
    const batch = compressed(plain, compression);
    const { source } = await decodeFetched(repaired, batch);
    assertEquals([source.length, fetchedLog(source)?.large?.length], [0, batch.length]);

    const { records, pieces } = await readAll(batch, 100n, 3_105n);
    assert(pieces >= 2, `${pieces} pieces`);
    assertEquals(
      records.map(({ offset, key, value }) => `${offset} ${key} ${value}`),
      messages.map(({ key, value }, index) => `${100 + index} ${key} ${value}`),
    );
    const withoutContext = ({ batchContext: _, ...record }: ReturnType<typeof plainRecord>) =>
      record;
    assertEquals(
      records.slice(0, 500).map(plainRecord).map(withoutContext),
      expected.map(withoutContext),
    );
    // A fetch in the middle of the batch.
    const { records: rest } = await readAll(batch, 3_050n, 3_105n);
    assertEquals(rest.map(({ offset }) => offset).at(0), "3050");
    assertEquals(rest.length, 50);
  }
});

Deno.test("LargeBatch keeps the beginning of a record of hundreds of megabytes", async () => {
  const zeros = Buffer.alloc(300_000_000);
  const plain = await storedBatch([
    { key: "before", value: "a" },
    { key: "bomb", value: zeros },
    { key: "after", value: "b" },
  ], { firstOffset: 0n });
  for (const compression of COMPRESSIONS.filter(([type]) => type !== 0 && type !== 2)) {
    const batch = compressed(plain, compression);
    const { records, progress } = await readAll(batch, 0n, 2n);
    assertEquals(records.map(({ key }) => String(key)), ["before", "bomb", "after"]);
    const bomb = records[1]!;
    assertEquals([bomb.isCut, bomb.size > zeros.length], [true, true]);
    assert(bomb.value!.length > 8_000_000 && bomb.value!.length < 9_000_000);
    assert(progress > 50, "the bytes come in chunks, with heartbeats between");
  }
});

Deno.test("LargeBatch refuses a batch that is cut off or not what it says", async () => {
  const plain = await storedBatch([{ value: "a".repeat(1_000) }], { firstOffset: 0n });
  for (const compression of COMPRESSIONS) {
    const batch = compressed(plain, compression);
    for (const broken of [batch.subarray(0, batch.length - 20), breakBody(batch)]) {
      const { source } = await decodeFetched(repaired, relengthened(broken));
      assertEquals(source.length, 0);
      const reader = new LargeBatch(relengthened(broken), () => Promise.resolve());
      await assertRejects(() => reader.read(0n), Error, "");
    }
  }
});

function relengthened(batch: Buffer): Buffer {
  const copy = Buffer.from(batch);
  copy.writeInt32BE(copy.length - 12, 8);
  return copy;
}

function breakBody(batch: Buffer): Buffer {
  const copy = Buffer.from(batch);
  copy.fill(0xff, RECORDS_AT, RECORDS_AT + 6);
  return copy;
}
