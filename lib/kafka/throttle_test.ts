import { assertEquals } from "@std/assert";
import type { SourceRecord } from "./records.ts";
import { commitSlices } from "./throttle.ts";

function records(...offsets: number[]): SourceRecord[] {
  return offsets.map((offset) => ({ offset: String(offset), key: null, value: null }));
}

const UNLIMITED = () => Infinity;

Deno.test("commitSlices commits a whole batch at once without a throttle", () => {
  const batch = records(3, 4, 7);
  assertEquals([...commitSlices(batch, 9n, { throttleMs: 0, maxRecords: UNLIMITED })], [{
    records: batch,
    nextOffset: 9n,
  }]);
});

Deno.test("commitSlices commits the end of a batch without records, such as one of markers", () => {
  assertEquals([...commitSlices([], 5n, { throttleMs: 0, maxRecords: UNLIMITED })], [{
    records: [],
    nextOffset: 5n,
  }]);
  assertEquals([...commitSlices([], 5n, { throttleMs: 100, maxRecords: UNLIMITED })], [{
    records: [],
    nextOffset: 5n,
  }]);
});

Deno.test("commitSlices takes about a quarter of a second's records at a time under a throttle", () => {
  const batch = records(0, 1, 2, 3, 6);
  assertEquals([...commitSlices(batch, 8n, { throttleMs: 100, maxRecords: UNLIMITED })], [
    { records: batch.slice(0, 2), nextOffset: 2n },
    { records: batch.slice(2, 4), nextOffset: 4n },
    { records: batch.slice(4), nextOffset: 8n },
  ]);
});

Deno.test("commitSlices commits about a megabyte at once, and a larger record by itself", () => {
  const sizes = [400_000, 500_000, 200_000, 5_000_000, 100];
  const batch = sizes.map((bytes, index) => ({
    offset: String(index),
    key: null,
    value: Buffer.alloc(bytes),
  }));
  const slices = [...commitSlices(batch, 9n, { throttleMs: 0, maxRecords: UNLIMITED })];
  assertEquals(slices.map(({ records }) => records.map(({ offset }) => offset).join()), [
    "0,1",
    "2",
    "3",
    "4",
  ]);
  assertEquals(slices.map(({ nextOffset }) => nextOffset), [2n, 3n, 4n, 9n]);
});

Deno.test("commitSlices takes single records when each waits longer than a step", () => {
  const batch = records(0, 5);
  assertEquals([...commitSlices(batch, 6n, { throttleMs: 10_000, maxRecords: UNLIMITED })], [
    { records: batch.slice(0, 1), nextOffset: 1n },
    { records: batch.slice(1), nextOffset: 6n },
  ]);
});

Deno.test("commitSlices asks for each slice how many records it may have", () => {
  const batch = records(0, 1, 2, 3, 6);
  const sizes = [1, 3, 9];
  assertEquals([...commitSlices(batch, 8n, { throttleMs: 0, maxRecords: () => sizes.shift()! })], [
    { records: batch.slice(0, 1), nextOffset: 1n },
    { records: batch.slice(1, 4), nextOffset: 4n },
    { records: batch.slice(4), nextOffset: 8n },
  ]);
});
