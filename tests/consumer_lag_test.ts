/**
 * Scenario 2: a consumer that cannot keep up. The lag rises; a faster consumer takes its place, and the
 * lag falls to 0; no order is lost.
 *
 * Prints the curve; draws it, too, when asked:
 *
 * ```sh
 * deno test -A tests/consumer_lag_test.ts -- --plot lag.svg
 * ```
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { openLagReader } from "../lib/kafka/lag_reader.ts";
import { behindBy, groupStatus } from "../lib/lag/verdict.ts";
import { type LagArc, lagArc, lagPlot } from "./support/lag_plot.ts";
import { orderEvents } from "../lib/topics.ts";
import { eventually, testRun } from "./support/run.ts";

const COUNT = 1_000;

const plotAt = Deno.args.indexOf("--plot");
const plotFile = plotAt === -1 ? undefined : Deno.args[plotAt + 1] ?? "lag.svg";

Deno.test("a throttled analytics.ts falls behind, a faster one catches up, each order counts once", async () => {
  await using run = await testRun("lag");
  const topic = orderEvents(run.prefix).name;
  const consumer = (throttle: string) =>
    run.start("analytics.ts", ["--throttle", throttle, "--output", run.file, "--json"]);
  // A second for each order: however busy the machine is, the lag is seen at its height.
  const slow = consumer("1s");
  const reader = openLagReader(run.settings, { topic });
  let startedMs = performance.now();
  const curve: { ms: number; end: number; lag: number }[] = [];

  /** The group's lag by the broker's own offsets: the committed first, then the ends. */
  async function sampleLag(): Promise<number> {
    const [sample] = await reader.sample([`${run.prefix}analytics`]);
    const lag = behindBy(groupStatus([sample!]));
    const end = sample!.partitions.reduce((sum, { end }) => sum + Number(end), 0);
    curve.push({ ms: performance.now() - startedMs, end, lag });
    return lag;
  }

  try {
    await eventually(
      "analytics.ts has created the topic",
      () => sampleLag().then(() => true, () => false),
    );
    curve.length = 0;
    startedMs = performance.now();
    await sampleLag();
    const producing = run.start("producer.ts", ["--count", String(COUNT)]).ended.then((ended) => ({
      ...ended,
      ms: performance.now() - startedMs,
    }));
    await eventually("the lag rises", async () => await sampleLag() >= COUNT / 2);
    const { exitCode: produced, ms: producedMs } = await producing;
    assertEquals(produced, 0);
    slow.kill("SIGTERM");
    assertEquals((await slow.ended).exitCode, 143);
    const fast = consumer("10ms");
    await eventually("the lag is back at 0", async () => await sampleLag() === 0);

    fast.kill("SIGTERM");
    const { exitCode, stdout } = await fast.ended;
    const arc = lagArc(curve);
    printCurve(curve, arc.peak);
    console.log(`produced: ${COUNT} orders by ${inSeconds(producedMs)}\n${arcText(arc)}`);
    if (plotFile !== undefined) {
      const svg = lagPlot(curve, {
        title: "Lag of throttled consumers: 1,000 orders, 1 s each, then 10 ms each, 6 partitions",
        marks: [
          { ms: producedMs, label: "all orders produced" },
          { ms: arc.caughtUpMs!, label: `caught up after ${inSeconds(arc.caughtUpMs!)}` },
        ],
      });
      await Deno.writeTextFile(plotFile, svg);
      console.log(`the curve is in ${plotFile}`);
    }

    assert(arc.peak >= COUNT / 2, `the lag rose to ${arc.peak} only`);
    assert(arc.drainMs! > 0, "the lag fell to 0 after its peak");
    assertEquals(curve.at(-1), { ms: curve.at(-1)!.ms, end: COUNT, lag: 0 });
    assertEquals(JSON.parse(stdout).total_orders, COUNT, "every order is counted once");
    assertEquals(exitCode, 143);
  } finally {
    await reader.close();
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

function arcText({ peak, peakMs, caughtUpMs, drainMs, drainPerSecond }: LagArc): string {
  return [
    `peak:     ${peak} records behind at ${inSeconds(peakMs)}`,
    `drain:    ${inSeconds(drainMs!)} from the peak to 0, ${Math.round(drainPerSecond!)} records/s`,
    `caught up at ${inSeconds(caughtUpMs!)}`,
  ].join("\n");
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
