/**
 * Processes that are killed while they work: nothing is lost, nothing happens twice.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { eventually, type TestRun, testRun } from "../support/run.ts";
import { describeGroup } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";

const COUNT = 100_000;
const KILLS = 5;

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  Deno.test(`inventory and analytics are exactly once under ${KILLS} × ${signal} each`, async () => {
    await using run = await testRun("kill");
    const producer = run.start("producer.ts", [
      "--count",
      String(COUNT),
      "--rate",
      "10000",
      "--start",
      "2024-02-28T23:30:00Z",
      "--span",
      "1h",
    ]);
    await Promise.all([
      killWhileWorking(run, "inventory.ts", signal),
      killWhileWorking(run, "analytics.ts", signal),
      producer.ended.then(({ exitCode }) => assertEquals(exitCode, 0)),
    ]);
    const inventory = run.start("inventory.ts", ["--until-end"]);
    const analytics = run.start("analytics.ts", ["--until-end", "--json", "--output", run.file]);
    const calm = run.start("analytics.ts", [
      "--until-end",
      "--json",
      "--group",
      "calm",
      "--output",
      `${run.file}.calm`,
    ]);
    assertEquals((await inventory.ended).exitCode, 0);
    const report = JSON.parse((await analytics.ended).stdout);
    const undisturbed = JSON.parse((await calm.ended).stdout);

    const ledger = await readLedger(run, { inventory: true });
    assertEquals(ledger.orders, COUNT);
    assertEquals(report, ledger.report);
    assertEquals(report.digest, undisturbed.digest);
    for (const group of ["inventory", "analytics"]) {
      const partitions = await describeGroup(run.brokers, run.prefix + group);
      assertEquals(partitions.map(({ lag }) => lag), Array(6).fill("0"), `lag of ${group}`);
    }
  });
}

/** Starts the service again and again and ends it at a random moment after its first thousand. */
async function killWhileWorking(
  run: TestRun,
  script: "inventory.ts" | "analytics.ts",
  signal: "SIGKILL" | "SIGTERM",
): Promise<void> {
  for (let kill = 0; kill < KILLS; kill++) {
    let working = false;
    const args = script === "analytics.ts" ? ["--output", run.file] : [];
    // Slow enough that there is work left for each of the lives.
    const service = run.start(script, ["--throttle", "1", ...args], (line) => {
      working ||= /^\d+ orders/.test(line);
    });
    await eventually(`${script} works`, () => working, 60_000);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
    service.kill(signal);
    const { exitCode } = await service.ended;
    assert(exitCode === (signal === "SIGKILL" ? 137 : 143), `${script} ended with ${exitCode}`);
  }
}
