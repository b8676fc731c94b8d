import { assert, assertEquals } from "@std/assert";
import { setColorEnabled } from "@std/fmt/colors";
import { displayWidth } from "../cli/text.ts";
import { lagJson, lagTable, sparkline } from "./table.ts";
import { groupStatus, type Member } from "./verdict.ts";

const OWNER: Member = {
  id: "order-stream-analytics-7b3fd7c5-9a0e-4ac6-8a55-5d2f6e8f2f10",
  clientId: "order-stream-analytics",
  host: "127.0.0.1",
};

function statusOf(lags: number[], group = "analytics", owner = OWNER) {
  return groupStatus(lags.map((lag, index) => ({
    timeMs: index * 1_000,
    topicId: undefined,
    group,
    state: "Stable",
    members: 1,
    partitions: [{
      partition: 0,
      committed: BigInt(2_000_000 - lag),
      logStart: 0n,
      end: 2_000_000n,
      stable: 2_000_000n,
      readableEnd: 2_000_000n,
      oldestMs: -8_000,
      owner,
    }, {
      partition: 1,
      committed: undefined,
      logStart: 0n,
      end: 0n,
      stable: 0n,
      readableEnd: 0n,
      oldestMs: undefined,
      owner: undefined,
    }],
  })));
}

Deno.test("lagTable at 80 columns", () => {
  setColorEnabled(false);
  assertEquals(
    lagTable([statusOf([3_000, 2_000, 1_500])], { columns: 80, history: true }),
    `analytics  OK  lag 1,500  █▆▅
  Stable, 1 member · in 0/s · out 750/s · drains in 2 s · 10 s behind
  P  COMMITTED      END   LAG  BEHIND  VERDICT    HOST       MEMBER
  0    1998500  2000000  1500    10 s  OK         127.0.0.1  order-str…f6e8f2f10
  1          –        0     –       –  no commit  –          –`,
  );
});

Deno.test("lagTable fits 80 columns with long names, and shows more on a wide terminal", () => {
  setColorEnabled(false);
  const status = statusOf([3_000_000, 2_000_000], `${"long-".repeat(30)}analytics`);
  for (const columns of [80, 200]) {
    const lines = lagTable([status], { columns, history: true }).split("\n");
    assert(lines.every((line) => line.length <= columns), lines.join("\n"));
    assertEquals(lines.some((line) => line.includes("DRAINS")), columns === 200);
    assertEquals(lines.some((line) => line.includes(OWNER.id)), columns === 200);
  }
});

Deno.test("lagTable leaves out columns in the order that --help states, and runs over no edge", () => {
  setColorEnabled(false);
  const status = statusOf([3_000_000, 2_000_000]);
  const headings = [120, 70, 63, 40, 33, 25].map((columns) =>
    lagTable([status], { columns, history: true }).split("\n")
      .find((line) => /^ +P /.test(line))!.trim().split(/ +/).join(" ")
  );
  assertEquals(headings, [
    "P START COMMITTED END LAG BEHIND IN/S OUT/S DRAINS VERDICT HOST MEMBER",
    "P COMMITTED END LAG BEHIND VERDICT MEMBER",
    "P COMMITTED END LAG BEHIND VERDICT",
    "P LAG BEHIND VERDICT",
    "P LAG BEHIND VERDICT",
    "P LAG VERDICT",
  ]);
  for (let columns = 20; columns < 130; columns++) {
    const lines = lagTable([status], { columns, history: true }).split("\n");
    assert(lines.every((line) => displayWidth(line) <= columns), lines.join("\n"));
  }
});

Deno.test("lagTable shows ids from elsewhere without what steers a terminal, in straight columns", () => {
  setColorEnabled(false);
  const id = "\x1b[2J\x1b[32mOK lag 0\r\n漢字🍔\u202e-7b3fd7c5";
  const status = statusOf([3, 2], "g\x1b[31m\n漢字", { ...OWNER, id, host: "漢\x07" });
  const text = lagTable([status], { columns: Infinity, history: false });
  assertEquals(
    text,
    String.raw`g\u001b[31m\u000a漢字  OK  lag 2
  Stable, 1 member · in 0/s · out 1.0/s · drains in 2 s · 9 s behind
  P  START  COMMITTED      END  LAG  BEHIND  IN/S  OUT/S  DRAINS  VERDICT    HOST      MEMBER
  0      0    1999998  2000000    2     9 s     0    1.0     2 s  OK         漢\u0007  \u001b[2J\u001b[32mOK lag 0\u000d\u000a漢字🍔\u202e-7b3fd7c5
  1      0          –        0    –       –     0      –       –  no commit  –         –`,
  );
});

Deno.test("sparkline is flat at 0, shows the smallest lag, and ends with the newest", () => {
  assertEquals(sparkline([0, 0], 10), "▁▁");
  assertEquals(sparkline([0, 1, 500, 1_000], 10), "▁▂▅█");
  assertEquals(sparkline([5, 0, 5], 2), "▁█");
});

Deno.test("lagJson has null for unknown values", () => {
  const line = lagJson({ timeMs: 0, topic: "order-events", groups: [statusOf([10])], hidden: 0 });
  assert(!line.includes("\n"));
  const { time, groups: [group] } = JSON.parse(line);
  assertEquals(time, "1970-01-01T00:00:00.000Z");
  assertEquals(group.produced_per_second, null);
  assertEquals(group.partitions[0].committed, 1_999_990);
  assertEquals(
    [group.partitions[1].committed, group.partitions[1].lag, group.partitions[1].member],
    [null, null, null],
  );
});
