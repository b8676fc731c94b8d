import { assertEquals } from "@std/assert";
import {
  behindBy,
  type GroupSample,
  type GroupStatus,
  groupStatus,
  type Member,
  type PartitionSample,
  WINDOW_SAMPLES,
} from "./verdict.ts";

const OWNER: Member = { id: "client-1", clientId: "client", host: "127.0.0.1" };

/** A partition that holds the offsets 0 to 99, consumed by a member. */
function partition(
  committed: number | undefined,
  rest: Partial<PartitionSample> = {},
): PartitionSample {
  return {
    partition: 0,
    committed: committed === undefined ? undefined : BigInt(committed),
    logStart: 0n,
    end: 100n,
    stable: 100n,
    readableEnd: 100n,
    oldestMs: undefined,
    owner: OWNER,
    ...rest,
  };
}

/** A status after samples that are a second apart. */
function statusOf(
  samples: PartitionSample[][],
  rest: Partial<GroupSample> = {},
): GroupStatus {
  return groupStatus(samples.map((partitions, index) => ({
    timeMs: index * 1_000,
    topicId: undefined,
    group: "analytics",
    state: "Stable",
    members: 1,
    partitions,
    ...rest,
  })));
}

/** The verdict on one partition whose committed offset and end went like this. */
function verdictOn(offsets: [number, number][], rest: Partial<PartitionSample> = {}): string {
  return statusOf(offsets.map(([committed, end]) => [
    partition(committed, { end: BigInt(end), readableEnd: BigInt(end), ...rest }),
  ])).verdict;
}

Deno.test("groupStatus says OK when the lag is 0, was 0 in the window, or decreased in it", () => {
  assertEquals(verdictOn([[100, 100], [100, 100]]), "OK");
  assertEquals(verdictOn([[100, 100], [110, 150], [120, 200]]), "OK");
  assertEquals(verdictOn([[10, 100], [20, 105], [30, 140]]), "OK");
});

Deno.test("groupStatus says WARN when the offset moves but the lag never decreases", () => {
  assertEquals(verdictOn([[10, 100], [20, 110], [30, 130]]), "WARN");
});

Deno.test("groupStatus says STALL when a member does not move", () => {
  assertEquals(verdictOn([[10, 100], [10, 100], [10, 110]]), "STALL");
  assertEquals(verdictOn([[10, 100]]), "OK", "one sample is too early to tell");
});

Deno.test("groupStatus says STOP as soon as there is lag and no consumer", () => {
  assertEquals(verdictOn([[100, 100], [100, 101]], { owner: undefined }), "STOP");
  assertEquals(verdictOn([[100, 100], [100, 100]], { owner: undefined }), "OK");
});

Deno.test("groupStatus does not say STOP in a rebalance or when the members are unknown", () => {
  const samples = [[partition(10, { owner: undefined })], [partition(20, { owner: undefined })]];
  assertEquals(statusOf(samples, { state: "PreparingRebalance" }).verdict, "OK");
  assertEquals(statusOf(samples, { state: "Unknown", members: undefined }).verdict, "OK");
});

Deno.test("groupStatus says REWIND while the step back is in the window", () => {
  assertEquals(verdictOn([[100, 100], [0, 100]], { owner: undefined }), "REWIND");
  assertEquals(verdictOn([[100, 100], [0, 100], [100, 100]]), "OK", "it has caught up since");
  const later = Array.from({ length: WINDOW_SAMPLES }, (): [number, number] => [0, 100]);
  assertEquals(verdictOn([[100, 100], ...later], { owner: undefined }), "STOP");
});

Deno.test("groupStatus without any commit has no lag", () => {
  const status = statusOf([[partition(undefined)]]);
  assertEquals(
    [status.verdict, status.lag, status.unread, status.drainSeconds],
    ["NO_COMMIT", undefined, 100, undefined],
  );
  assertEquals(behindBy(status), 100);
});

Deno.test("groupStatus counts a partition without a commit separately, and ignores an empty one", () => {
  const unread = statusOf([[partition(100), partition(undefined, { partition: 1 })]]);
  assertEquals([unread.verdict, unread.lag, unread.unread], ["NO_COMMIT", 0, 100]);
  const empty = partition(undefined, { partition: 1, end: 0n, stable: 0n, readableEnd: 0n });
  assertEquals(statusOf([[partition(100), empty]]).verdict, "OK");
});

Deno.test("groupStatus never has a negative lag, and does not count markers and aborted records", () => {
  assertEquals(statusOf([[partition(120)]]).lag, 0, "committed beyond the end");
  assertEquals(statusOf([[partition(98, { readableEnd: 98n })]]).lag, 0);
  assertEquals(statusOf([[partition(97, { readableEnd: 98n })]]).lag, 1);
});

Deno.test("groupStatus notes why the lag is not the distance to the end", () => {
  const noteAt = (committed: number) =>
    statusOf([[partition(committed, { readableEnd: 98n })]]).partitions[0]!.note;
  assertEquals(noteAt(98), "the last 2 offsets are markers or aborted records, not lag");
  assertEquals(noteAt(100), undefined, "it has passed over them");
});

Deno.test("groupStatus counts only the records that still exist, and notes those deleted", () => {
  const status = statusOf([[partition(10, { logStart: 30n })]]);
  assertEquals(status.lag, 70);
  assertEquals(
    status.partitions[0]!.note,
    "20 records after the committed offset were deleted by retention",
  );
});

Deno.test("groupStatus treats a negative offset as no commit, as Kafka does, and notes it", () => {
  const status = statusOf([[partition(-2, { logStart: 30n })]]);
  assertEquals([status.verdict, status.lag, status.unread], ["NO_COMMIT", undefined, 70]);
  assertEquals(
    status.partitions[0]!.note,
    "kafkajs committed -2, which Kafka does not count as a commit: reading starts at 30",
  );
});

Deno.test("groupStatus notes an open transaction", () => {
  const { note } = statusOf([[partition(90, { stable: 90n, readableEnd: 90n })]]).partitions[0]!;
  assertEquals(note, "an open transaction holds back 10 offsets");
});

Deno.test("groupStatus measures rates over the window and the time to drain", () => {
  const status = statusOf([
    [partition(0)],
    [partition(30, { end: 110n, readableEnd: 110n })],
    [partition(60, { end: 120n, readableEnd: 120n })],
  ]);
  assertEquals(status.producePerSecond, 10);
  assertEquals(status.consumePerSecond, 30);
  assertEquals(status.drainSeconds, 3);
  assertEquals(status.history, [100, 80, 60]);
});

Deno.test("groupStatus measures the consumption since the last rewind", () => {
  const status = statusOf([[partition(100)], [partition(0)], [partition(40)]]);
  assertEquals(status.consumePerSecond, 40);
});

Deno.test("groupStatus has no time to drain when the lag does not decrease", () => {
  assertEquals(statusOf([[partition(10)], [partition(10)]]).drainSeconds, Infinity);
});

Deno.test("groupStatus gives a group its worst verdict", () => {
  const stalled = partition(10, { partition: 1 });
  assertEquals(statusOf([[partition(100), stalled], [partition(100), stalled]]).verdict, "STALL");
});

Deno.test("groupStatus judges a group without members by its movement", () => {
  const empty = { state: "Empty", members: 0 };
  const of = (offsets: number[][]) =>
    statusOf(
      offsets.map((committed) =>
        committed.map((offset, index) => partition(offset, { partition: index, owner: undefined }))
      ),
      empty,
    );
  assertEquals(of([[10, 10], [10, 10]]).verdict, "STOP");
  assertEquals(of([[10, 10], [20, 20]]).verdict, "OK");
  // One partition moves, so the group is alive, and the other one stands still.
  assertEquals(of([[10, 10], [20, 10]]).partitions.map(({ verdict }) => verdict), ["OK", "STALL"]);
  // Commits may be minutes apart.
  const rarely = [[10, 10], ...Array.from({ length: 20 }, () => [20, 20])];
  assertEquals(of(rarely).verdict, "STALL");
});

Deno.test("groupStatus forgets what was before the topic was created again or lost records", () => {
  const before = [partition(90), partition(95)];
  const after = [partition(3, { end: 5n, stable: 5n, readableEnd: 5n })];
  const wentBack = statusOf([before.slice(0, 1), before.slice(1), after]);
  assertEquals([wentBack.history, wentBack.consumePerSecond, wentBack.verdict], [
    [2],
    undefined,
    "OK",
  ]);
  const status = groupStatus([
    { ...wentBack, partitions: [partition(90)], topicId: "a" },
    { ...wentBack, partitions: [partition(20, { end: 200n, readableEnd: 200n })], topicId: "b" },
  ]);
  assertEquals([status.history, status.verdict], [[180], "OK"]);
});

Deno.test("groupStatus says how old the oldest record is that is not committed", () => {
  const rows = [
    partition(100, { partition: 0 }),
    partition(90, { partition: 1, oldestMs: -5_000 }),
    partition(80, { partition: 2, oldestMs: -20_000 }),
    partition(undefined, { partition: 3 }),
    // Its sender's clock is ahead.
    partition(80, { partition: 4, oldestMs: 3_000 }),
  ];
  const status = statusOf([rows]);
  assertEquals(status.partitions.map((row) => row.secondsBehind), [0, 5, 20, undefined, 0]);
  assertEquals(status.secondsBehind, 20);
});

Deno.test("groupStatus says OFFLINE for a partition without a leader, and counts the others", () => {
  const offline = { partition: 1, isLeaderless: true, end: 0n, stable: 0n, readableEnd: 0n };
  const samples = [[partition(60), partition(50, { partition: 1 })], [
    partition(70),
    partition(50, offline),
  ]];
  const { verdict, lag, unread, partitions } = statusOf(samples);
  assertEquals([verdict, lag, unread], ["OFFLINE", 30, 0]);
  const { lag: unknown, consumePerSecond, producePerSecond, note } = partitions[1]!;
  assertEquals([unknown, consumePerSecond, producePerSecond], [undefined, undefined, undefined]);
  assertEquals(note, "it has no leader: the brokers that hold it are down");
  assertEquals(statusOf([[partition(undefined, offline)]]).verdict, "OFFLINE");
});
