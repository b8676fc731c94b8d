import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { rememberingCoordinators } from "./coordinators.ts";
import { type Fetch, type FetchLoop, fetchLoop, setDefaultOffset } from "./fetch_loop.ts";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { zstdCompressSync } from "node:zlib";
import { lz4Compress, snappyCompress } from "@platformatic/wasm-utils/bundled";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { applyFixes, type Require } from "./repairs.ts";
import { filterAbortedMessages } from "./aborted_records.ts";
import { readingCodecs } from "./compression.ts";
import { crc32c } from "./crc32c.ts";

const require = createRequire(import.meta.url) as unknown as Require;
// deno-lint-ignore no-explicit-any
const createRetry = require("kafkajs/src/retry") as any;

/** A module of kafkajs as it is in use, fixes included. */
// deno-lint-ignore no-explicit-any
function fixed(name: string): any {
  return require(`kafkajs/src/${name}`);
}

/** A module of kafkajs as it was released, in a copy of its own. */
// deno-lint-ignore no-explicit-any
function original(name: string): any {
  const { cache } = require;
  const inUse = { ...cache };
  for (const file of Object.keys(cache)) delete cache[file];
  try {
    return require(`kafkajs/src/${name}`);
  } finally {
    for (const file of Object.keys(cache)) delete cache[file];
    Object.assign(cache, inUse);
  }
}

/** A `require` that knows these modules only. */
function fakeRequire(modules: Record<string, unknown>, loaded: string[] = []): Require {
  return Object.assign((name: string) => modules[name], {
    resolve: (name: string) => name,
    cache: Object.fromEntries(loaded.map((name) => [name, { exports: modules[name] }])),
  });
}

Deno.test("applyFixes refuses another version of kafkajs and names both", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.5" } };
  assertThrows(
    () => applyFixes(fakeRequire(modules)),
    Error,
    "the fixes are for kafkajs 2.2.4, not for 2.2.5",
  );
});

Deno.test("applyFixes refuses to come after kafkajs", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.4" }, "kafkajs": {} };
  assertThrows(
    () => applyFixes(fakeRequire(modules, ["kafkajs"])),
    Error,
    "kafkajs was loaded before its fixes",
  );
});

Deno.test("applyFixes says which function it does not find", () => {
  const packageJson = { version: "2.2.4" };
  assertThrows(
    () => applyFixes(fakeRequire({ "kafkajs/package.json": packageJson })),
    Error,
    "kafkajs/src/network/requestQueue exports no function to replace",
  );
  const modules = {
    "kafkajs/package.json": packageJson,
    "kafkajs/src/network/requestQueue": class {},
  };
  assertThrows(
    () => applyFixes(fakeRequire(modules)),
    Error,
    'kafkajs/src/network/requestQueue has no method "waitForPendingRequests"',
  );
});

/** A request queue that records what it sends, and the delays of the timers it sets. */
function requestQueue(RequestQueue: new (options: unknown) => Queue) {
  const queue = new RequestQueue({
    maxInFlightRequests: 1,
    requestTimeout: 1_000,
    clientId: "test",
    broker: "test:9092",
    logger: { debug() {}, warn() {} },
  });
  const sent: number[] = [];
  return {
    queue,
    sent,
    push(correlationId: number) {
      queue.push({
        entry: { correlationId, resolve() {}, reject() {} },
        expectResponse: true,
        sendRequest: () => sent.push(correlationId),
      });
    },
    answer: (correlationId: number) =>
      queue.fulfillRequest({ correlationId, payload: null, size: 0 }),
  };
}

interface Queue {
  push(request: unknown): void;
  fulfillRequest(response: unknown): void;
  maybeThrottle(ms: number): void;
  destroy(): void;
}

/** Runs the function with a clock of its own and timers that are only told of. */
function withTimers(run: (timers: { delayMs: number; fire: () => void }[]) => void): void {
  const { setTimeout } = globalThis;
  const timers: { delayMs: number; fire: () => void }[] = [];
  globalThis.setTimeout =
    ((fire: () => void, delayMs: number) =>
      timers.push({ delayMs, fire })) as unknown as typeof setTimeout;
  try {
    run(timers);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
}

Deno.test("RequestQueue sets no timer while nothing waits; the original sets one for ever", () => {
  for (const [module, count] of [[original, 3], [fixed, 0]] as const) {
    withTimers((timers) => {
      const { sent, push, answer } = requestQueue(module("network/requestQueue"));
      push(1);
      answer(1);
      for (let round = 0; round < 2; round++) timers.at(-1)?.fire();
      assertEquals(timers.length, count);
      assertEquals(timers.every(({ delayMs }) => delayMs < 0), true);
      assertEquals(sent, [1]);
    });
  }
});

Deno.test("RequestQueue sends what waited for the end of a throttling, in order", () => {
  withTimers((timers) => {
    const { queue, sent, push, answer } = requestQueue(fixed("network/requestQueue"));
    queue.maybeThrottle(50);
    push(1);
    push(2);
    assertEquals(sent, []);
    assertEquals(timers.length, 1);
    assert(timers[0]!.delayMs > 0 && timers[0]!.delayMs <= 50);
    const { now } = Date;
    Date.now = () => now() + 100;
    try {
      timers[0]!.fire();
      assertEquals(sent, [1]);
      // The second waits for the first, as one may be in flight.
      assertEquals(timers.map(({ delayMs }) => delayMs).slice(1), [10]);
      answer(1);
      assertEquals(sent, [1, 2]);
      timers[1]!.fire();
      answer(2);
      assertEquals(timers.length, 2);
    } finally {
      Date.now = now;
    }
  });
});

Deno.test("groupMessagesPerPartition groups as the original does", () => {
  const random = xoroshiro128plus(1);
  const messages = Array.from({ length: 500 }, (_, value) => ({ value, to: upTo(random, 12) }));
  const partitioner = ({ message }: { message: { to: number } }) => message.to;
  for (const partitionMetadata of [[], [{}]]) {
    const [before, after] = [original, fixed].map((module) =>
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

Deno.test("crc32c gives what the original gives, for every length up to 100 and for a long text", () => {
  const before = original("protocol/recordBatch/crc32C");
  const random = xoroshiro128plus(2);
  for (const length of [...Array.from({ length: 101 }).keys(), 100_003]) {
    const bytes = randomBytes(random, length);
    assertEquals(crc32c(bytes), before(bytes));
  }
  // The check value that catalogues of CRCs give for CRC-32C.
  assertEquals(crc32c(Buffer.from("123456789")), 0xe3069283);
});

/** A whole number from 0 to `max`. */
function upTo(random: RandomGenerator, max: number): number {
  return uniformInt(random, 0, max);
}

function pick<T>(random: RandomGenerator, choices: T[]): T {
  return choices[upTo(random, choices.length - 1)]!;
}

function randomBytes(random: RandomGenerator, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => upTo(random, 255)));
}

/** Letters, also of two, three and four bytes, and halves of surrogate pairs, which become U+FFFD. */
const LETTERS = [..."abcdefgh", "ä", "ß", "€", "寿", "🍣", "\ud83c", "\udf63"];

function randomText(random: RandomGenerator, maxLength: number): string {
  const letters = pick(random, [["x"], ["x", "y", "z", "ö"], LETTERS, ["寿"]]);
  return Array.from({ length: upTo(random, maxLength) }, () => pick(random, letters)).join("");
}

/** Lengths around those at which a varint takes one more byte, and long ones. */
const LENGTHS = [0, 1, 5, 25, 63, 64, 65, 300, 513, 2_730, 8_191, 8_192, 70_000];

function randomField(random: RandomGenerator): string | Buffer {
  const length = pick(random, LENGTHS.slice(0, upTo(random, 9) === 0 ? LENGTHS.length : 9));
  return pick(random, [
    () => "",
    () => "v".repeat(length),
    () => randomText(random, length),
    () => randomBytes(random, length),
  ])();
}

function randomMessage(random: RandomGenerator): Record<string, unknown> {
  const nullable = () => pick(random, [null, undefined, randomField(random), randomField(random)]);
  const headers = () =>
    Object.fromEntries(
      Array.from({ length: upTo(random, 3) }, () => [
        pick(random, ["", "7", "name", randomText(random, 70)]),
        pick(random, [randomField(random), [], [randomField(random), randomField(random)]]),
      ]),
    );
  return {
    partition: 3,
    key: nullable(),
    value: nullable(),
    ...(upTo(random, 1) === 0 ? {} : { headers: pick(random, [undefined, {}, headers()]) }),
  };
}

/** When the tests of the encoding take place: a message without a timestamp gets this one. */
const NOW = 1_700_000_000_000;

/** Timestamps of some messages, of all, or of none; also far apart and of other lengths. */
function addTimestamps(random: RandomGenerator, messages: Record<string, unknown>[]): void {
  const [share, spread] = pick(random, [[0, 0], [1, 5_000], [2, 5_000], [2, 2 ** 40], [2, NOW]]);
  for (const message of messages) {
    if (upTo(random, 1) >= share!) continue;
    message.timestamp = pick(random, [
      String(NOW - Math.floor(upTo(random, 1_000) / 1_000 * spread!)),
      String(NOW + Math.floor(upTo(random, 1_000) / 1_000 * spread!)),
      ...(spread === NOW ? ["0", "999", undefined] : []),
    ]);
  }
}

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
    compression: pick(random, [undefined, 0, 1]),
    topicData: Array.from({ length: upTo(random, 2) }, () => ({
      topic: randomText(random, 60),
      partitions: Array.from({ length: upTo(random, 3) }, partition),
    })),
  };
}

/** The bytes of a produce request, encoded at the time `NOW`. */
async function encodeProduce(
  // deno-lint-ignore no-explicit-any
  module: (name: string) => any,
  version: number,
  options: unknown,
): Promise<Buffer> {
  const { now } = Date;
  Date.now = () => NOW;
  try {
    const request = module(`protocol/requests/produce/v${version}/request`)(options);
    assertEquals([request.apiName, request.apiVersion], ["Produce", version]);
    return (await request.encode()).buffer;
  } finally {
    Date.now = now;
  }
}

Deno.test("a produce request has the same bytes as the original, whatever is in it", async () => {
  let compressed = 0;
  let total = 0;
  for (let seed = 0; seed < 400; seed++) {
    const options = randomProduce(xoroshiro128plus(seed));
    const version = seed % 2 === 0 ? 3 : 7;
    const before = await encodeProduce(original, version, options);
    const after = await encodeProduce(fixed, version, options);
    assert(before.equals(after), `seed ${seed}: other bytes than the original`);
    if (options.compression === 1) compressed++;
    total += before.length;
  }
  assert(compressed > 50 && total > 1e6, `only ${compressed} compressed, ${total} bytes`);
});

/** Where the record batch begins in the bytes of {@linkcode produceOne}. */
const BATCH_AT = 2 + 2 + 4 + 4 + (2 + 1) + 4 + 4 + 4;

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
  const bytes = await encodeProduce(fixed, 3, options);
  const Decoder = original("protocol/decoder");
  const batch = new Decoder(bytes.subarray(BATCH_AT));
  const { records } = await original("protocol/recordBatch/v0/decoder")(batch);
  assertEquals(records[0].headers, { a: null, b: [null, Buffer.from("c")] });
});

Deno.test("a message of bytes that are no Buffer is written as these bytes", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const written = await encodeProduce(fixed, 3, produceOne({ key: null, value: bytes }));
  const asBuffer = produceOne({ key: null, value: Buffer.from(bytes) });
  assertEquals(written, await encodeProduce(original, 3, asBuffer));
});

Deno.test("a message of anything but text and bytes is refused, as the original does", async () => {
  for (const value of [5, true, {}, []]) {
    const options = produceOne({ key: null, value });
    await assertRejects(() => encodeProduce(original, 3, options), TypeError);
    await assertRejects(() => encodeProduce(fixed, 3, options), TypeError);
  }
});

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

/** A record batch as a broker stores it, with records that a producer would not write. */
async function storedBatch(
  messages: Record<string, unknown>[],
  { firstOffset, compression = 0, flags = 0, lastOffsetDelta = messages.length - 1 }: {
    firstOffset: bigint;
    compression?: number;
    flags?: number;
    lastOffsetDelta?: number;
  },
): Promise<Buffer> {
  const produced = await encodeProduce(fixed, 3, {
    acks: -1,
    timeout: 0,
    compression,
    producerId: "4711",
    producerEpoch: 3,
    topicData: [{ topic: "t", partitions: [{ partition: 0, messages, firstSequence: 17 }] }],
  });
  const batch = produced.subarray(BATCH_AT);
  batch.writeBigInt64BE(firstOffset, 0);
  batch.writeInt16BE(batch.readInt16BE(21) | flags, 21);
  batch.writeInt32BE(lastOffsetDelta, 23);
  return batch;
}

const LOG_APPEND_TIME_FLAG = 0x08;
const TRANSACTIONAL_FLAG = 0x10;
const CONTROL_FLAG = 0x20;

/** The record set of a fetch response, and the rest of the response, which must not be read. */
// deno-lint-ignore no-explicit-any
async function decodeFetched(module: (name: string) => any, bytes: Uint8Array) {
  const Decoder = original("protocol/decoder");
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  const decoder = new Decoder(Buffer.concat([size, bytes, Buffer.from("rest")]));
  const records = await module("protocol/requests/fetch/v4/decodeMessages")(decoder);
  return { records, rest: String(decoder.readAll()) };
}

Deno.test("decodeMessages gives what the original gives, wherever the broker has cut", async () => {
  let count = 0;
  for (let seed = 0; seed < 150; seed++) {
    const random = xoroshiro128plus(seed);
    const batches: Buffer[] = [];
    for (
      let firstOffset = pick(random, [0n, 63n, 2n ** 31n, 2n ** 53n - 2n]);
      upTo(random, 4) > 0;
    ) {
      const messages = Array.from({ length: upTo(random, 9) }, () => randomMessage(random));
      addTimestamps(random, messages);
      // Far from the first timestamp: numbers of more than 48 bits.
      if (upTo(random, 3) === 0) messages.push({ value: "late", timestamp: String(2n ** 61n) });
      batches.push(
        await storedBatch(messages, {
          firstOffset,
          compression: upTo(random, 1),
          flags: pick(random, [0, 0, LOG_APPEND_TIME_FLAG, TRANSACTIONAL_FLAG, CONTROL_FLAG]),
        }),
      );
      firstOffset += BigInt(messages.length);
    }
    const whole = Buffer.concat(batches);
    const bytes = whole.subarray(0, whole.length - pick(random, [0, 0, 1, 20, 70]));
    if (bytes.length <= 17) continue;
    const before = await decodeFetched(original, bytes);
    assertEquals(await decodeFetched(fixed, bytes), before, `seed ${seed}`);
    count += before.records.length;
  }
  assert(count > 500, `only ${count} records`);
});

Deno.test("decodeMessages leaves formats before Kafka 0.11 and empty answers to the original", async () => {
  const entries = [{ key: "a", value: "b", timestamp: NOW }];
  const { buffer } = original("protocol/messageSet")({ messageVersion: 1, entries });
  for (const bytes of [buffer, Buffer.alloc(0)]) {
    const before = await decodeFetched(original, bytes);
    assertEquals(before.records.length, bytes.length === 0 ? 0 : 1);
    assertEquals(await decodeFetched(fixed, bytes), before);
  }
});

Deno.test("decodeMessages takes headers by any name as they are", async () => {
  const headers = { constructor: "a", toString: ["b", "c"], ["__proto__"]: "d" };
  const batch = await storedBatch([{ value: "v", headers }], { firstOffset: 0n });
  const { records } = await decodeFetched(fixed, batch);
  assertEquals(
    Object.entries(records[0].headers).map(([name, value]) => [name, String(value)]),
    [["constructor", "a"], ["toString", "b,c"], ["__proto__", "d"]],
  );
});

Deno.test("decodeMessages reads a batch of very many records", async () => {
  const messages = Array.from({ length: 250_000 }, () => ({ value: "v" }));
  const batch = await storedBatch(messages, { firstOffset: 5n });
  const { records } = await decodeFetched(fixed, batch);
  assertEquals([records.length, records.at(-1).offset], [250_000, "250004"]);
});

/** What a consumer makes of a fetch response. */
async function fetchedBatch(
  // deno-lint-ignore no-explicit-any
  module: (name: string) => any,
  bytes: Buffer,
  { fetchedOffset, abortedTransactions = [] }: {
    fetchedOffset: string;
    abortedTransactions?: unknown[];
  },
) {
  const { records: messages } = await decodeFetched(module, bytes);
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
      assertEquals(summary(await fetchedBatch(fixed, bytes, options)), shown);
      assertEquals(before.lastOffset, "11");
    }
  }
  const nothing = { fetchedOffset: "1000" };
  const before = summary(await fetchedBatch(original, Buffer.alloc(0), nothing));
  assertEquals(summary(await fetchedBatch(fixed, Buffer.alloc(0), nothing)), before);
  assertEquals([before.lastOffset, before.isEmptyDueToFiltering], ["999", false]);
});

Deno.test("Batch moves past a batch of the log that compaction has emptied", async () => {
  const bytes = await storedBatch([], { firstOffset: 20n, lastOffsetDelta: 4 });
  const before = summary(await fetchedBatch(original, bytes, { fetchedOffset: "20" }));
  // So the original asks for offset 20 again, for ever.
  assertEquals(before.isEmptyDueToFiltering, false);
  const after = summary(await fetchedBatch(fixed, bytes, { fetchedOffset: "20" }));
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
  for (const module of [original, fixed]) {
    for (const fetchedOffset of ["20", "21", "24"]) {
      moves.push((await fetchedBatch(module, bytes, { fetchedOffset })).lastOffset());
    }
  }
  assertEquals(moves, ["20", "21", "24", "24", "24", "24"]);
});

/** A consumer group with three partitions, of which the third one is to be sought. */
function groupOfThree(active = [0, 1, 2], sought = [2]) {
  const positions: Record<number, number> = { 0: 5, 1: 8, 2: 3 };
  return {
    offsetManager: { nextOffset: (_topic: string, partition: number) => positions[partition]! },
    subscriptionState: {
      active: () => [{ partitions: active }],
      assigned: () => [{ topic: "t", partitions: [0, 1, 2] }],
    },
    maxWaitTime: 60_000,
    hasSeekOffset: ({ partition }: { partition: number }) => sought.includes(partition),
  };
}

type ArrivedBatch = Awaited<ReturnType<Fetch>>[number];

const originalLoop: FetchLoop = {
  fetch: () => Promise.resolve([]),
  resume: () => {},
  handleBatch: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};

Deno.test("ConsumerGroup.fetch leaves out what does not begin at the position any more", async () => {
  const batch = (partition: number, fetchedOffset: string) =>
    ({ topic: "t", partition, fetchedOffset }) as unknown as ArrivedBatch;
  const arrived = [batch(0, "5"), batch(1, "5"), batch(2, "3")];
  const { fetch } = fetchLoop({ ...originalLoop, fetch: () => Promise.resolve(arrived) });
  assertEquals(await fetch.call(groupOfThree(), 1), [arrived[0]!]);

  const rejoining = fetchLoop({
    ...originalLoop,
    fetch() {
      this.offsetManager = { nextOffset: () => 5 };
      return Promise.resolve(arrived);
    },
  });
  assertEquals(await rejoining.fetch.call(groupOfThree(), 1), [], "for an earlier assignment");
});

Deno.test("snappy is read as Java writes it and as others do, LZ4 and Zstandard too", async () => {
  const text = Buffer.from("order ".repeat(10_000));
  const decompress = (type: number, compressed: Buffer) =>
    readingCodecs[type]!().decompress(compressed);
  const block = Buffer.from(snappyCompress(text));
  const halves = [text.subarray(0, 30_000), text.subarray(30_000)].flatMap((half) => {
    const compressed = Buffer.from(snappyCompress(half));
    const length = Buffer.alloc(4);
    length.writeInt32BE(compressed.length);
    return [length, compressed];
  });
  const header = Buffer.from("\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", "latin1");
  for (
    const [type, compressed] of [
      [2, block],
      [2, Buffer.concat([header, ...halves])],
      [3, Buffer.from(lz4Compress(text))],
      [4, zstdCompressSync(text)],
    ] as const
  ) {
    assertEquals((await decompress(type, compressed)).equals(text), true);
  }
});

Deno.test("Runner.handleBatch leaves out a batch that a rejoin has overtaken", async () => {
  const batch = { topic: "t", partition: 0, fetchedOffset: "5" } as unknown as ArrivedBatch;
  for (const rejoins of [false, true]) {
    let handled = 0;
    const { fetch, handleBatch } = fetchLoop({
      ...originalLoop,
      fetch: () => Promise.resolve([batch]),
      handleBatch: () => Promise.resolve(void handled++),
    });
    const consumerGroup = groupOfThree();
    const [fetched] = await fetch.call(consumerGroup, 1);
    if (rejoins) consumerGroup.offsetManager = { nextOffset: () => 5 };
    await handleBatch.call({ consumerGroup }, fetched!);
    assertEquals(handled, rejoins ? 0 : 1);
  }
});

Deno.test("ConsumerGroup.fetch with all partitions paused waits for a resume or the end", async () => {
  for (const end of ["resume", "stop"] as const) {
    const group = groupOfThree([], []);
    const { fetch, resume, stop } = fetchLoop(originalLoop);
    const fetches = [fetch.call(group, 1), fetch.call(group, 2)];
    if (end === "resume") resume.call(group, []);
    else await stop.call({ consumerGroup: group });
    assertEquals(await Promise.all(fetches), [[], []]);
  }
});

Deno.test("ConsumerGroup.fetch leaves a seek to the original, also when all is paused", async () => {
  let fetches = 0;
  const { fetch } = fetchLoop({
    ...originalLoop,
    fetch: () => Promise.resolve(++fetches).then(() => []),
  });
  await fetch.call(groupOfThree([], [2]), 1);
  assertEquals(fetches, 1, "it commits what is sought");
});

Deno.test("Runner.stop does not wait for a fetch under way", async () => {
  const { fetch, stop } = fetchLoop({ ...originalLoop, fetch: () => new Promise(() => {}) });
  const group = groupOfThree();
  const fetched = fetch.call(group, 1);
  await stop.call({ consumerGroup: group });
  assertEquals(await fetched, []);
});

Deno.test("OffsetManager.setDefaultOffset moves the position and commits nothing", async () => {
  const manager = {
    cluster: {
      fetchTopicsOffset(topics: unknown) {
        assertEquals(topics, [{ topic: "t", partitions: [{ partition: 1 }], fromBeginning: true }]);
        return Promise.resolve([{ partitions: [{ offset: "700" }] }]);
      },
    },
    topicConfigurations: { t: { fromBeginning: true } },
    resolvedOffsets: { t: { 0: "3", 1: "4" } as Record<number, string> },
  };
  await setDefaultOffset.call(manager, { topic: "t", partition: 1 });
  assertEquals(manager.resolvedOffsets, { t: { 0: "3", 1: "700" } });
});

/**
 * Sends one message to each of two partitions, led by two brokers. The second broker refuses the
 * first request at once, while the first one is still writing; then the leaders are exchanged.
 *
 * @returns What each partition holds, as `<sequence>:<value>`, without what a broker takes for a
 * repetition.
 */
async function sendDuringFailover(module: (name: string) => unknown): Promise<string[][]> {
  const logs: string[][] = [[], []];
  let leaders = [1, 2];
  let refusals = 1;
  const sequences = [0, 0];
  const metadata = [{ partitionId: 0 }, { partitionId: 1 }];
  const broker = (nodeId: number) => ({
    nodeId: String(nodeId),
    // deno-lint-ignore no-explicit-any
    async produce({ topicData }: any) {
      if (nodeId === 2 && refusals-- > 0) {
        leaders = [2, 1];
        const type = "NOT_LEADER_FOR_PARTITION";
        throw Object.assign(new Error(type), {
          type,
          retriable: true,
          name: "KafkaJSProtocolError",
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
      // deno-lint-ignore no-explicit-any
      const partitions = topicData.flatMap(({ partitions }: any) => partitions);
      for (const { partition, firstSequence, messages } of partitions) {
        const entry = `${firstSequence}:${messages[0].value}`;
        if (!logs[partition]!.includes(entry)) logs[partition]!.push(entry);
      }
      return {
        topics: [{
          topicName: "t",
          partitions: partitions.map(({ partition }: { partition: number }) => ({ partition })),
        }],
      };
    },
  });
  const brokers = [broker(1), broker(2)];
  const locks = new Map<unknown, Promise<void>>();
  const releases = new Map<unknown, () => void>();
  const parts = {
    logger: { error: () => {}, debug: () => {} },
    partitioner: ({ message }: { message: { partition: number } }) => message.partition,
    cluster: {
      addMultipleTargetTopics: () => Promise.resolve(),
      refreshMetadataIfNecessary: () => Promise.resolve(),
      refreshMetadata: () => Promise.resolve(),
      isConnected: () => true,
      findTopicPartitionMetadata: () => metadata,
      findBroker: ({ nodeId }: { nodeId: string }) => Promise.resolve(brokers[Number(nodeId) - 1]!),
      findLeaderForPartitions(_topic: string, partitions: (string | number)[]) {
        const byNode: Record<string, (string | number)[]> = {};
        for (const partition of partitions) {
          (byNode[leaders[Number(partition)]!] ??= []).push(partition);
        }
        return byNode;
      },
    },
    eosManager: {
      isTransactional: () => false,
      getTransactionalId: () => "",
      getProducerId: () => 1,
      getProducerEpoch: () => 0,
      addPartitionsToTransaction: () => Promise.resolve(),
      getSequence: (_topic: string, partition: number) => sequences[Number(partition)]!,
      updateSequence(_topic: string, partition: number, increment: number) {
        sequences[Number(partition)]! += increment;
      },
      async acquireBrokerLock(broker: unknown) {
        while (locks.has(broker)) await locks.get(broker);
        locks.set(broker, new Promise<void>((resolve) => releases.set(broker, resolve)));
      },
      releaseBrokerLock(broker: unknown) {
        locks.delete(broker);
        releases.get(broker)!();
      },
    },
    retrier: createRetry({ initialRetryTime: 5, retries: 5 }),
  };
  // deno-lint-ignore no-explicit-any
  const send = (module("producer/sendMessages") as any)(parts);
  const messages = [{ partition: 0, value: "a" }, { partition: 1, value: "b" }];
  await send({ acks: -1, timeout: 1, compression: 0, topicMessages: [{ topic: "t", messages }] });
  await new Promise((resolve) => setTimeout(resolve, 50));
  return logs;
}

Deno.test("sendMessages stores each message once when leaders move; the original twice", async () => {
  assertEquals(await sendDuringFailover(fixed), [["0:a"], ["0:b"]]);
  assertEquals((await sendDuringFailover(original))[0], ["0:a", "1:a"]);
});

Deno.test("Cluster.findGroupCoordinatorMetadata asks once, and again after a refresh", async () => {
  let asked = 0;
  const { findGroupCoordinatorMetadata, refreshMetadata } = rememberingCoordinators({
    findGroupCoordinatorMetadata: () => Promise.resolve(++asked),
    refreshMetadata: () => Promise.resolve(),
  });
  const [cluster, other] = [{}, {}];
  const find = (of: object, groupId: string) =>
    findGroupCoordinatorMetadata.call(of, { groupId, coordinatorType: 1 });
  assertEquals([await find(cluster, "a"), await find(cluster, "a")], [1, 1]);
  assertEquals([await find(cluster, "b"), await find(other, "a")], [2, 3]);
  await refreshMetadata.call(cluster);
  assertEquals([await find(cluster, "a"), await find(other, "a")], [4, 3]);
});
