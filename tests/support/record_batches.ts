/**
 * Random messages, and the bytes in which kafkajs sends and receives them.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { type Modules, original, repaired } from "./kafkajs.ts";

/** A whole number from 0 to `max`. */
export function upTo(random: RandomGenerator, max: number): number {
  return uniformInt(random, 0, max);
}

export function pick<T>(random: RandomGenerator, choices: T[]): T {
  return choices[upTo(random, choices.length - 1)]!;
}

export function randomBytes(random: RandomGenerator, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => upTo(random, 255)));
}

/** Letters, also of two, three and four bytes, and halves of surrogate pairs, which become U+FFFD. */
export const LETTERS = [..."abcdefgh", "ä", "ß", "€", "寿", "🍣", "\ud83c", "\udf63"];

export function randomText(random: RandomGenerator, maxLength: number): string {
  const letters = pick(random, [["x"], ["x", "y", "z", "ö"], LETTERS, ["寿"]]);
  return Array.from({ length: upTo(random, maxLength) }, () => pick(random, letters)).join("");
}

/** Lengths around those at which a varint takes one more byte, and long ones. */
export const LENGTHS = [0, 1, 5, 25, 63, 64, 65, 300, 513, 2_730, 8_191, 8_192, 70_000];

export function randomField(random: RandomGenerator): string | Buffer {
  const length = pick(random, LENGTHS.slice(0, upTo(random, 9) === 0 ? LENGTHS.length : 9));
  return pick(random, [
    () => "",
    () => "v".repeat(length),
    () => randomText(random, length),
    () => randomBytes(random, length),
  ])();
}

export function randomMessage(random: RandomGenerator): Record<string, unknown> {
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
export const NOW = 1_700_000_000_000;

/** Timestamps of some messages, of all, or of none; also far apart and of other lengths. */
export function addTimestamps(random: RandomGenerator, messages: Record<string, unknown>[]): void {
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

/** The bytes of a produce request, encoded at the time `NOW`. */
export async function encodeProduce(
  module: Modules,
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

/** Where the record batch begins in the bytes of {@linkcode produceOne}. */
export const BATCH_AT = 2 + 2 + 4 + 4 + (2 + 1) + 4 + 4 + 4;

/** A record batch as a broker stores it, with records that a producer would not write. */
export async function storedBatch(
  messages: Record<string, unknown>[],
  { firstOffset, compression = 0, flags = 0, lastOffsetDelta = messages.length - 1 }: {
    firstOffset: bigint;
    compression?: number;
    flags?: number;
    lastOffsetDelta?: number;
  },
): Promise<Buffer> {
  const produced = await encodeProduce(repaired, 3, {
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

export const LOG_APPEND_TIME_FLAG = 0x08;
export const TRANSACTIONAL_FLAG = 0x10;
export const CONTROL_FLAG = 0x20;

/** The record set of a fetch response, and the rest of the response, which must not be read. */
export async function decodeFetched(module: Modules, bytes: Uint8Array) {
  const Decoder = original("protocol/decoder");
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  const decoder = new Decoder(Buffer.concat([size, bytes, Buffer.from("rest")]));
  const records = await module("protocol/requests/fetch/v4/decodeMessages")(decoder);
  return { records: records.map(plainRecord), source: records, rest: String(decoder.readAll()) };
}

/** The fields of a record that the original has, too. */
// deno-lint-ignore no-explicit-any -- kafkajs has no types for its records
export function plainRecord(record: any) {
  const { isCut: _, size: __, ...fields } = record;
  const { key, offset, headers } = record;
  return { ...fields, key, offset, headers };
}
