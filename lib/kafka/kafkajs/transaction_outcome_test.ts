import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import { transactionOutcome } from "./transaction_outcome.ts";
import "./mod.ts";

/** A response of DescribeTransactions version 0, after its correlation id, about one transactional id. */
function response(errorCode: number, state: string): Uint8Array {
  const text = (value: string) => [value.length + 1, ...new TextEncoder().encode(value)];
  const rest = new Array(4 + 8 + 8 + 2).fill(0); // time-out, start, producer id and epoch
  return Buffer.from([
    ...[0, 0, 0, 0, 0], // tagged fields, throttle time
    ...[2, errorCode >> 8, errorCode & 0xff, ...text("id"), ...text(state), ...rest, 1, 0],
    0,
  ]);
}

async function outcomeOf(errorCode: number, state: string) {
  const { response: { decode, parse } } = transactionOutcome("id");
  return await parse(await decode(response(errorCode, state)));
}

Deno.test("transactionOutcome returns what has been decided, or will be by the next owner", async () => {
  const outcomes = {
    ...{ PrepareCommit: "commit", CompleteCommit: "commit" },
    ...{ Ongoing: "abort", PrepareAbort: "abort", CompleteAbort: "abort" },
    ...{ PrepareEpochFence: "abort", Empty: undefined, Dead: undefined },
  };
  for (const [state, outcome] of Object.entries(outcomes)) {
    assertEquals(await outcomeOf(0, state), outcome, state);
  }
});

Deno.test("transactionOutcome has none for an id without a transaction, and passes on other errors", async () => {
  assertEquals(await outcomeOf(105, ""), undefined);
  // COORDINATOR_NOT_AVAILABLE
  await assertRejects(() => outcomeOf(15, ""), Error);
});

Deno.test("transactionOutcome asks for one transactional id", async () => {
  const encoder = await transactionOutcome("id").request.encode() as unknown as {
    buffer: Uint8Array;
  };
  assertEquals([...encoder.buffer], [0, 2, 3, 0x69, 0x64, 0]);
});
