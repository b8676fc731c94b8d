import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";
import {
  CONTROL_FLAG,
  decodeFetched,
  storedBatch,
  TRANSACTIONAL_FLAG,
} from "../../../tests/support/record_batches.ts";

/** What a consumer makes of a fetch response. */
async function fetchedBatch(
  module: Modules,
  bytes: Buffer,
  { fetchedOffset, abortedTransactions = [] }: {
    fetchedOffset: string;
    abortedTransactions?: unknown[];
  },
) {
  const { source: messages } = await decodeFetched(module, bytes);
  const Batch = module("consumer/batch");
  const highWatermark = "1000";
  return new Batch("t", fetchedOffset, {
    partition: 0,
    highWatermark,
    abortedTransactions,
    messages,
  });
}

// deno-lint-ignore no-explicit-any
function summary(batch: any) {
  return {
    offsets: batch.messages.map(({ offset }: { offset: string }) => offset),
    firstOffset: batch.firstOffset(),
    lastOffset: batch.lastOffset(),
    isEmpty: batch.isEmpty(),
    isEmptyDueToFiltering: batch.isEmptyDueToFiltering(),
    offsetLag: batch.offsetLag(),
    offsetLagLow: batch.offsetLagLow(),
  };
}

Deno.test("Batch does as the original where no batch of the log has lost its last records", async () => {
  const bytes = Buffer.concat([
    await storedBatch([{ value: "a" }, { value: "b" }], { firstOffset: 8n }),
    await storedBatch([{ value: "c" }], { firstOffset: 10n, flags: TRANSACTIONAL_FLAG }),
    await storedBatch([{ key: Buffer.from([0, 0, 0, 0]), value: "" }], {
      firstOffset: 11n,
      flags: TRANSACTIONAL_FLAG | CONTROL_FLAG,
    }),
  ]);
  const aborted = [{ producerId: "4711", firstOffset: "10" }];
  for (const fetchedOffset of ["7", "8", "9", "10", "11"]) {
    for (const abortedTransactions of [[], aborted, null] as unknown[][]) {
      const options = { fetchedOffset, abortedTransactions };
      const before = summary(await fetchedBatch(original, bytes, options));
      // Except that each is shown, also the one without records, and the user moves past it.
      const shown = { ...before, isEmpty: false, isEmptyDueToFiltering: false };
      assertEquals(summary(await fetchedBatch(repaired, bytes, options)), shown);
      assertEquals(before.lastOffset, "11");
    }
  }
  const nothing = { fetchedOffset: "1000" };
  const before = summary(await fetchedBatch(original, Buffer.alloc(0), nothing));
  assertEquals(summary(await fetchedBatch(repaired, Buffer.alloc(0), nothing)), before);
  assertEquals([before.lastOffset, before.isEmptyDueToFiltering], ["999", false]);
});

Deno.test("Batch moves past a batch of the log that compaction has emptied", async () => {
  const bytes = await storedBatch([], { firstOffset: 20n, lastOffsetDelta: 4 });
  const before = summary(await fetchedBatch(original, bytes, { fetchedOffset: "20" }));
  // So the original asks for offset 20 again, for ever.
  assertEquals(before.isEmptyDueToFiltering, false);
  const after = summary(await fetchedBatch(repaired, bytes, { fetchedOffset: "20" }));
  assertEquals(after, {
    offsets: [],
    firstOffset: null,
    lastOffset: "24",
    isEmpty: false,
    isEmptyDueToFiltering: false,
    offsetLag: "975",
    offsetLagLow: "0",
  });
});

Deno.test("Batch moves past the records that compaction has taken from the end of a batch", async () => {
  const bytes = await storedBatch([{ value: "a" }], { firstOffset: 20n, lastOffsetDelta: 4 });
  const moves = [];
  for (const module of [original, repaired]) {
    for (const fetchedOffset of ["20", "21", "24"]) {
      moves.push((await fetchedBatch(module, bytes, { fetchedOffset })).lastOffset());
    }
  }
  assertEquals(moves, ["20", "21", "24", "24", "24", "24"]);
});
