import { assertEquals } from "@std/assert";
import { Pulse } from "../async.ts";
import type { LogRange } from "./offsets.ts";
import { isCommitted, isDoneHere, isShared, type Progress } from "./until_end.ts";

function progress(
  positions: Record<number, bigint | undefined>,
  wasAssigned = true,
): Progress {
  const entries = Object.entries(positions).map(([partition, at]) =>
    [Number(partition), at] as const
  );
  return {
    positions: () => new Map(entries),
    wasAssigned: () => wasAssigned,
    advanced: new Pulse(),
  };
}

const TARGETS = new Map<number, LogRange>([
  [0, { start: 0n, end: 10n }],
  [1, { start: 4n, end: 4n }],
]);

Deno.test("isDoneHere wants every partition opened here and processed to its end", () => {
  assertEquals(isDoneHere(TARGETS, progress({ 0: 10n, 1: 4n })), true);
  assertEquals(isDoneHere(TARGETS, progress({ 0: 12n, 1: 4n })), true, "more has come since");
  assertEquals(isDoneHere(TARGETS, progress({ 0: 9n, 1: 4n })), false);
  assertEquals(isDoneHere(TARGETS, progress({ 0: 10n, 1: undefined })), false, "opening");
  assertEquals(isDoneHere(TARGETS, progress({ 0: 10n })), false, "with another instance");
});

Deno.test("isCommitted wants every partition that holds records committed to its end", () => {
  assertEquals(isCommitted(TARGETS, new Map([[0, 10n]])), true, "an empty one needs no commit");
  assertEquals(isCommitted(TARGETS, new Map([[0, 9n], [1, 4n]])), false);
  assertEquals(isCommitted(TARGETS, new Map()), false);
});

Deno.test("isShared is for instances that have opened all of theirs and do not have all", () => {
  assertEquals(isShared(TARGETS, progress({ 0: 3n })), true);
  assertEquals(isShared(TARGETS, progress({})), true, "an instance without partitions");
  assertEquals(isShared(TARGETS, progress({}, false)), false, "not joined yet");
  assertEquals(isShared(TARGETS, progress({ 0: undefined })), false, "still opening");
  assertEquals(isShared(TARGETS, progress({ 0: 3n, 1: 4n })), false, "has all");
  const others = progress({ 0: 3n, 2: 4n });
  assertEquals(isShared(TARGETS, others), true, "as many, but some were added");
});
