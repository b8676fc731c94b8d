import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { original } from "../../../tests/support/kafkajs.ts";
import { randomBytes } from "../../../tests/support/record_batches.ts";
import { crc32c } from "./crc32c.ts";

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

Deno.test("crc32c goes on from the checksum of the bytes before", () => {
  const bytes = randomBytes(xoroshiro128plus(3), 1_000);
  for (const cut of [0, 1, 16, 17, 999, 1_000]) {
    assertEquals(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), crc32c(bytes));
  }
});
