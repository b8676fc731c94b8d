import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { commitMark, type PartitionStanding, RecreatedTopicError, resume } from "./resumption.ts";

const TOPIC = "a".repeat(32);
const STATE = "b".repeat(32);
const OTHER = "c".repeat(32);
const RANGE = { start: 10n, end: 100n };

function progress(nextOffset: bigint, ids: { topicId?: string; stateTopicId?: string } = {}) {
  return {
    ...{ startOffset: 10n, nextOffset, malformed: 0, skipped: 0 },
    ...{ topicId: TOPIC, stateTopicId: STATE, ...ids },
  };
}

function standing(given: Partial<PartitionStanding>): PartitionStanding {
  return {
    ...{ group: "g", topic: "orders", partition: 3, range: RANGE },
    ...{ committed: undefined, progress: undefined, topicId: TOPIC, stateTopicId: STATE },
    ...given,
  };
}

/** A commit of a service, or of a person's tool. */
const ours = (offset: bigint, topicId = TOPIC) => ({ offset, metadata: commitMark(topicId) });
const moved = (offset: bigint) => ({ offset, metadata: "" });

const outcome = (given: Partial<PartitionStanding>) => {
  const { counts, start, notes } = resume(standing(given));
  return { counts, start, noted: notes.join("\n").replace(/^partition 3: /, "") };
};

Deno.test("resume begins at the first offset when nothing is known", () => {
  assertEquals(outcome({}), { counts: "drop", start: 10n, noted: "" });
});

Deno.test("resume continues where state and offset agree", () => {
  const expected = { counts: "keep", start: 50n, noted: "" };
  assertEquals(outcome({ committed: ours(50n), progress: progress(50n) }), expected);
  assertEquals(outcome({ committed: moved(50n), progress: progress(50n) }), expected);
});

Deno.test("resume continues at the progress when the committed offset is gone, and says so", () => {
  const { counts, start, noted } = outcome({ progress: progress(50n) });
  assertEquals([counts, start], ["keep", 50n]);
  assertMatch(
    noted,
    /^group g has no committed offset, .* continuing at the stored progress, offset 50$/,
  );
  const late = outcome({ progress: progress(5n) });
  assertEquals([late.counts, late.start], ["keep", 10n]);
  assertMatch(late.noted, /offsets 5 to 9 were deleted by the topic's retention/);
});

Deno.test("resume takes an offset that a person committed for a reset, and says so", () => {
  const { counts, start, noted } = outcome({ committed: moved(20n), progress: progress(50n) });
  assertEquals([counts, start], ["drop", 20n]);
  assertEquals(noted, "group g was moved from offset 50 to 20; its counts from before are dropped");
  assertEquals(outcome({ committed: moved(-2n), progress: progress(50n) }).start, 10n);
  const first = outcome({ committed: moved(20n) });
  assertEquals([first.counts, first.start], ["drop", 20n]);
  assertMatch(
    first.noted,
    /there are no stored counts; counting starts at the committed offset 20/,
  );
});

Deno.test("resume counts again when the state is gone or older than the offset", () => {
  for (const lost of [undefined, progress(30n), progress(50n, { stateTopicId: OTHER })]) {
    const { counts, start, noted } = outcome({ committed: ours(50n), progress: lost });
    assertEquals([counts, start], ["recount", 50n]);
    assertEquals(
      noted,
      "the stored counts are gone or incomplete; offsets 10 to 49 are counted again",
    );
  }
  const both = outcome({ progress: progress(50n, { stateTopicId: OTHER }) });
  assertEquals([both.counts, both.start], ["recount", 50n]);
});

Deno.test("resume refuses offsets of a topic that was deleted and created again", () => {
  const again: Partial<PartitionStanding>[] = [
    { committed: ours(50n, OTHER), progress: progress(50n, { topicId: OTHER }) },
    { committed: ours(50n, OTHER) },
    { progress: progress(50n, { topicId: OTHER }) },
    { progress: progress(50n, { topicId: OTHER, stateTopicId: OTHER }) },
  ];
  for (const given of again) {
    const message =
      "topic orders was deleted and created again after group g had read partition 3 " +
      "up to offset 50";
    assertThrows(() => resume(standing(given)), RecreatedTopicError, message);
  }
});

Deno.test("resume drops the counts of a recreated topic once a person has moved the group", () => {
  for (const offset of [10n, 50n]) {
    const given = { committed: moved(offset), progress: progress(50n, { topicId: OTHER }) };
    const { counts, start } = outcome(given);
    assertEquals([counts, start], ["drop", offset]);
  }
});

Deno.test("resume goes by offsets alone where rows or brokers have no ids of topics", () => {
  const old = { ...progress(50n), topicId: undefined, stateTopicId: undefined };
  assertEquals(outcome({ committed: moved(50n), progress: old }).counts, "keep");
  const given = { committed: ours(50n), progress: progress(50n) };
  assertEquals(outcome({ ...given, topicId: undefined, stateTopicId: undefined }).counts, "keep");
});
