import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { original } from "../../../tests/support/kafkajs.ts";
import { pick, upTo } from "../../../tests/support/record_batches.ts";
import { filterAbortedMessages } from "./aborted_records.ts";

/** A partition's log as transactions write it: what a fetch says of it, and what is committed. */
class TransactionLog {
  /** The records, markers included. */
  messages: Record<string, unknown>[] = [];
  /** The list, in the order of the abort markers, as brokers keep it. */
  abortedTransactions: { producerId: string; firstOffset: string }[] = [];
  /** The offsets of the records that a reader must see, and of the markers. */
  visible: string[] = [];
  #open = new Map<number, string[]>();
  #offset = 0;

  /** Appends a batch of so many records. */
  write(producer: number, count: number, { transactional = true, key = "key" } = {}): void {
    const batch = this.#batch(producer, count, transactional);
    for (let index = 0; index < count; index++) {
      const offset = String(this.#offset++);
      this.messages.push({ ...batch, offset, key: Buffer.from(key), isControlRecord: false });
      if (!transactional) this.visible.push(offset);
      else this.#open.set(producer, [...this.#open.get(producer) ?? [], offset]);
    }
  }

  /** Appends the marker that ends the producer's transaction. */
  end(producer: number, outcome: "commit" | "abort"): void {
    const offsets = this.#open.get(producer) ?? [];
    this.#open.delete(producer);
    if (outcome === "commit") this.visible.push(...offsets);
    else if (offsets.length > 0) {
      this.abortedTransactions.push({ producerId: String(producer), firstOffset: offsets[0]! });
    }
    const key = Buffer.from([0, 0, 0, outcome === "commit" ? 1 : 0]);
    const batch = this.#batch(producer, 1, true);
    const offset = String(this.#offset++);
    this.messages.push({ ...batch, offset, key, isControlRecord: true });
    this.visible.push(offset);
  }

  /** The producers whose transaction is open. */
  get openProducers(): number[] {
    return [...this.#open.keys()];
  }

  #batch(producer: number, count: number, inTransaction: boolean) {
    return {
      batchContext: {
        firstOffset: String(this.#offset),
        lastOffsetDelta: count - 1,
        producerId: String(producer),
        inTransaction,
      },
    };
  }
}

// deno-lint-ignore no-explicit-any
function visibleOffsets(filter: any, { messages, abortedTransactions }: TransactionLog): string[] {
  return filter({ messages, abortedTransactions }).map(({ offset }: { offset: string }) => offset);
}

function inOrder(offsets: string[]): string[] {
  return offsets.toSorted((a, b) => Number(a) - Number(b));
}

Deno.test("filterAbortedMessages shows what is committed when transactions interleave", () => {
  const log = new TransactionLog();
  log.write(1, 2);
  log.write(2, 2);
  log.write(1, 1);
  log.end(2, "abort");
  log.end(1, "abort");
  log.write(1, 1);
  log.end(1, "commit");
  const expected = inOrder(log.visible);
  assertEquals(expected, ["5", "6", "7", "8"]);
  assertEquals(visibleOffsets(filterAbortedMessages, log), expected);
  const before = visibleOffsets(original("consumer/filterAbortedMessages"), log);
  assertEquals(before, ["0", "1", "5", "6", "7", "8"], "the original shows aborted records");
});

Deno.test("filterAbortedMessages shows exactly what is committed, whatever the transactions", () => {
  const before = original("consumer/filterAbortedMessages");
  let wrongBefore = 0;
  for (let seed = 0; seed < 300; seed++) {
    const random = xoroshiro128plus(seed);
    const log = new TransactionLog();
    for (let step = 0; step < 60; step++) {
      const producer = upTo(random, 3);
      const choice = upTo(random, 9);
      if (choice < 6) log.write(producer, 1 + upTo(random, 2));
      else if (choice < 7) log.write(producer + 10, 1, { transactional: false });
      else log.end(producer, pick(random, ["commit", "abort"]));
    }
    log.openProducers.forEach((producer) => log.end(producer, "abort"));
    const expected = inOrder(log.visible);
    assertEquals(visibleOffsets(filterAbortedMessages, log), expected, `seed ${seed}`);
    if (visibleOffsets(before, log).join() !== expected.join()) wrongBefore++;
  }
  assert(wrongBefore > 100, `the original is wrong ${wrongBefore} times only: a weak test`);
});

Deno.test("filterAbortedMessages does as the original with transactions one after the other", () => {
  const log = new TransactionLog();
  for (const [index, outcome] of (["abort", "commit", "abort", "abort"] as const).entries()) {
    log.write(index % 2, 3);
    log.write(9, 1, { transactional: false });
    log.end(index % 2, outcome);
  }
  const expected = inOrder(log.visible);
  for (const filter of [original("consumer/filterAbortedMessages"), filterAbortedMessages]) {
    assertEquals(visibleOffsets(filter, log), expected);
    assertEquals(filter({ messages: log.messages, abortedTransactions: [] }), log.messages);
  }
});

Deno.test("filterAbortedMessages does not take a key of four zero bytes for an abort marker", () => {
  const log = new TransactionLog();
  log.write(1, 1, { key: "\0\0\0\0" });
  log.write(1, 1);
  log.end(1, "abort");
  assertEquals(visibleOffsets(filterAbortedMessages, log), ["2"]);
  const before = visibleOffsets(original("consumer/filterAbortedMessages"), log);
  assertEquals(before, ["0", "1", "2"]);
});
