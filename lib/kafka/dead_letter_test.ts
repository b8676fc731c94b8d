import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { deadLetter, isTruncated, roomIn, sizeLimit } from "./dead_letter.ts";
import { DEFAULT_LIMIT, type MessageLimit } from "./message_limits.ts";
import type { SourceRecord } from "./records.ts";

const origin = { topic: "orders", partition: 1, group: "g", reason: "not JSON" };

/** The dead letter of a record, which must fit, and the parts that were cut. */
function letterOf(record: Partial<SourceRecord>, limit: Partial<MessageLimit> = {}) {
  const to = { topic: "dlq", ...DEFAULT_LIMIT, ...limit };
  const letter = deadLetter({ offset: "7", key: null, value: null, ...record }, to, origin);
  const { headers = {} } = letter;
  assertEquals(headers["dlq.offset"], "7");
  const cut = headers["dlq.truncated"];
  assertEquals(isTruncated({ offset: "0", key: null, value: null, headers }), cut !== undefined);
  if (cut !== undefined) assert(sizeLimit(letter) <= roomIn(to.maxMessageBytes));
  return { letter, cut };
}

Deno.test("deadLetter keeps what fits, also if only compressed", () => {
  const whole: Partial<SourceRecord>[] = [
    { value: randomBytes(1_000_000) },
    { value: Buffer.alloc(5_000_000) },
    { key: randomBytes(500_000), value: randomBytes(500_000) },
    { headers: { a: null as unknown as Buffer, b: [Buffer.from([0xff]), "c"] } },
  ];
  for (const record of whole) {
    const { letter, cut } = letterOf(record);
    assertEquals(cut, undefined);
    assertEquals([letter.key, letter.value], [record.key ?? null, record.value ?? null]);
  }
});

Deno.test("deadLetter cuts what its topic does not take, and says so", () => {
  const headers = Object.fromEntries(
    Array.from({ length: 9_000 }, (_, index) => [`h${index}`, randomBytes(120)]),
  );
  const cases: [Partial<SourceRecord>, Partial<MessageLimit>, string][] = [
    [{ value: randomBytes(1_048_500) }, {}, "value"],
    [{ value: Buffer.alloc(5_000_000) }, { keepsCompression: false }, "value"],
    [{ key: randomBytes(1_048_500) }, {}, "key"],
    [{ value: Buffer.from("{}"), headers }, {}, "headers"],
    [{ key: randomBytes(2_000), value: randomBytes(2_000), headers }, {
      maxMessageBytes: 2_500,
    }, "key, headers, value"],
    [{ value: Buffer.from("the beginning"), isCut: true, size: 9_000_000 }, {}, "value"],
  ];
  for (const [record, limit, parts] of cases) {
    const { letter, cut } = letterOf(record, limit);
    assertEquals(cut, parts);
    assert(Number(letter.headers!["dlq.original-bytes"]) >= 2_000);
  }
});
