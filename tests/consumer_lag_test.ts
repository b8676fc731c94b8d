/**
 * Scenario 2: a consumer that cannot keep up. The lag rises, and falls to 0; no order is lost.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { adminPool } from "../lib/kafka/admin_pool.ts";
import { committedOffsets, logRanges } from "../lib/kafka/offsets.ts";
import { orderEvents } from "../lib/topics.ts";
import { eventually, testRun } from "./support/run.ts";

const COUNT = 1_000;

Deno.test("a throttled analytics.ts falls behind, catches up and counts each order once", async () => {
  await using run = await testRun("lag");
  const topic = orderEvents(run.prefix).name;
  const output = `metrics_lag_${run.prefix}.txt`;
  const analytics = run.start("analytics.ts", ["--throttle", "10", "--output", output, "--json"]);
  const admin = adminPool(run.connection);
  const startedMs = performance.now();
  const curve: { ms: number; end: number; lag: number }[] = [];

  /** The group's lag by the broker's own offsets: the committed first, then the ends. */
  async function sampleLag(): Promise<number> {
    const committed = await admin.use((client) =>
      committedOffsets(client, `${run.prefix}analytics`, topic)
    );
    const ranges = await admin.use((client) => logRanges(client, topic));
    let end = 0;
    let lag = 0;
    for (const [partition, range] of ranges) {
      end += Number(range.end);
      lag += Math.max(0, Number(range.end - (committed.get(partition) ?? range.start)));
    }
    curve.push({ ms: performance.now() - startedMs, end, lag });
    return lag;
  }

  try {
    await eventually(
      "analytics.ts has created the topic",
      async () => (await admin.use((client) => client.listTopics())).includes(topic),
    );
    const producer = run.start("producer.ts", ["--count", String(COUNT)]);
    assertEquals((await producer.ended).exitCode, 0);
    const producedMs = performance.now() - startedMs;
    await eventually("the lag is back at 0", async () => await sampleLag() === 0, 60_000);
    const drainedMs = performance.now() - startedMs;

    analytics.kill("SIGTERM");
    const { exitCode, stdout } = await analytics.ended;
    const peak = Math.max(...curve.map(({ lag }) => lag));
    printCurve(curve, peak);
    console.log(
      `produced after ${(producedMs / 1_000).toFixed(1)} s, peak lag ${peak}, ` +
        `caught up ${((drainedMs - producedMs) / 1_000).toFixed(1)} s later`,
    );

    assert(peak >= COUNT / 2, `the lag rose to ${peak} only`);
    assertEquals(curve.at(-1), { ms: curve.at(-1)!.ms, end: COUNT, lag: 0 });
    assertEquals(JSON.parse(stdout).total_orders, COUNT, "every order is counted once");
    assertEquals(exitCode, 143);
  } finally {
    await admin.close();
    await Deno.remove(output).catch(() => {});
  }
});

function printCurve(curve: { ms: number; lag: number }[], peak: number): void {
  console.log("seconds    lag");
  let nextMs = 0;
  for (const { ms, lag } of curve) {
    if (ms < nextMs && lag !== 0 && lag !== peak) continue;
    nextMs = ms + 250;
    const bar = "█".repeat(Math.round(lag / Math.max(1, peak) * 50));
    console.log(`${(ms / 1_000).toFixed(2).padStart(7)} ${String(lag).padStart(6)} ${bar}`);
  }
}
