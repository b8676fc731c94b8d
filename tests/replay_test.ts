/**
 * Scenario 3: replay. A new consumer that starts over reports the same, byte for byte.
 *
 * The two reports stay in the project's root: `metrics_initial.txt`, `metrics_after_replay.txt`.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { adminPool } from "../lib/kafka/client_pool.ts";
import { moveToBeginning } from "../lib/kafka/move_offsets.ts";
import { committedOffsets } from "../lib/kafka/offsets.ts";
import { orderEvents } from "../lib/topics.ts";
import { testRun } from "./support/run.ts";

const COUNT = 1_000;
const REPORTS = ["metrics_initial.txt", "metrics_after_replay.txt"];

Deno.test("a replay from the first offset gives the same report, byte for byte", async (t) => {
  await using run = await testRun("replay");
  const topic = orderEvents(run.prefix).name;
  const group = `${run.prefix}analytics`;
  // Several runs may share the directory: each writes files of its own and copies them at the end.
  const [initial, afterReplay] = REPORTS.map((report) => `${run.file}.${report}`);

  await t.step("1,000 orders over several minutes are produced", async () => {
    const args = ["--count", String(COUNT), "--start", "2024-02-28T23:55:00Z", "--span", "10m"];
    assertEquals((await run.start("producer.ts", args).ended).exitCode, 0);
  });

  await t.step("a first consumer counts them", async () => {
    const args = ["--until-end", "--output", initial!];
    assertEquals((await run.start("analytics.ts", args).ended).exitCode, 0);
  });

  await t.step("the group's offsets are reset to the beginning", async () => {
    await moveToBeginning(run.settings, { group, topic, partitions: 6 }, run.signal);
    const admin = adminPool(run.settings);
    const committed = await admin.use((client) => committedOffsets(client, group, topic));
    await admin.close();
    assertEquals([...committed.values()], Array(6).fill(0n));
  });

  await t.step("a new consumer counts them again", async () => {
    const args = ["--until-end", "--output", afterReplay!];
    const { exitCode, stderr } = await run.start("analytics.ts", args).ended;
    assertEquals(exitCode, 0);
    assertStringIncludes(stderr, `${COUNT} orders counted by this instance`);
  });

  await t.step("both reports are the same bytes", async () => {
    const [counted, replayed] = await Promise.all(
      [initial!, afterReplay!].map((file) => Deno.readFile(file)),
    );
    const text = new TextDecoder().decode(counted);
    console.log(text);
    assertEquals(replayed, counted);
    assertStringIncludes(text, `Total Orders: ${COUNT}\n`);
    const minutes = text.match(/^ {2}\d{4}-\d\d-\d\d \d\d:\d\d:00: \d+ orders$/gm) ?? [];
    assert(minutes.length >= 10, `orders in ${minutes.length} minutes only`);
    await Deno.rename(initial!, REPORTS[0]!);
    await Deno.rename(afterReplay!, REPORTS[1]!);
  });
});
