import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { original, repaired } from "../../../tests/support/kafkajs.ts";
import {
  addTimestamps,
  CONTROL_FLAG,
  decodeFetched,
  LOG_APPEND_TIME_FLAG,
  NOW,
  pick,
  randomMessage,
  storedBatch,
  TRANSACTIONAL_FLAG,
  upTo,
} from "../../../tests/support/record_batches.ts";

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
    const { records, rest } = await decodeFetched(original, bytes);
    const after = await decodeFetched(repaired, bytes);
    assertEquals([after.records, after.rest], [records, rest], `seed ${seed}`);
    count += records.length;
  }
  assert(count > 500, `only ${count} records`);
});

Deno.test("decodeMessages leaves formats before Kafka 0.11 and empty answers to the original", async () => {
  const entries = [{ key: "a", value: "b", timestamp: NOW }];
  const { buffer } = original("protocol/messageSet")({ messageVersion: 1, entries });
  for (const bytes of [buffer, Buffer.alloc(0)]) {
    const before = await decodeFetched(original, bytes);
    assertEquals(before.records.length, bytes.length === 0 ? 0 : 1);
    assertEquals(await decodeFetched(repaired, bytes), before);
  }
});

Deno.test("decodeMessages takes headers by any name as they are", async () => {
  const headers = { constructor: "a", toString: ["b", "c"], ["__proto__"]: "d" };
  const batch = await storedBatch([{ value: "v", headers }], { firstOffset: 0n });
  const { records } = await decodeFetched(repaired, batch);
  assertEquals(
    Object.entries(records[0].headers).map(([name, value]) => [name, String(value)]),
    [["constructor", "a"], ["toString", "b,c"], ["__proto__", "d"]],
  );
});

Deno.test("decodeMessages takes thousands of headers, and shows the first of very many", async () => {
  for (const [count, shown, isCut] of [[9_000, 9_000, false], [30_000, 20_000, true]] as const) {
    const headers = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`h${index}`, index % 2 === 0 ? null : "x"]),
    );
    const batch = await storedBatch([{ value: "v", headers }], { firstOffset: 0n });
    const { records, source } = await decodeFetched(repaired, batch);
    assertEquals(Object.keys(records[0].headers).length, shown);
    assertEquals([records[0].headers.h0, String(records[0].headers.h1)], [null, "x"]);
    assertEquals(source[0].isCut, isCut);
  }
});
