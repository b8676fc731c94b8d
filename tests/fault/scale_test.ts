/**
 * Several instances of each service, under load: one is killed, one is added.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Running } from "../../lib/cli/launch.ts";
import { caughtUp } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

const COUNT = 10_000;
const MORE = 1_000;

/** An instance that runs, and what it has said. */
interface Instance extends Running {
  lines: string[];
}

Deno.test("three instances share the work, lose none of it to a kill, and each reports the whole", async () => {
  await using run = await testRun("scale");
  const group = { analytics: [] as Instance[], inventory: [] as Instance[] };
  const add = (name: keyof typeof group) => {
    group[name].push(startInstance(run, name, group[name].length));
  };
  const assignments = (name: keyof typeof group) =>
    group[name].filter(({ lines }) => lines.some((line) => /^assigned partitions: \d/.test(line)));

  for (let i = 0; i < 3; i++) (add("analytics"), add("inventory"));
  await eventually(
    "all instances have partitions",
    () => assignments("analytics").length === 3 && assignments("inventory").length === 3,
  );

  const times = ["--start", "2024-02-28T23:30:00Z", "--span", "1h"];
  const producer = run.start("producer.ts", ["--count", String(COUNT), "--rate", "1000", ...times]);
  for (const name of ["analytics", "inventory"] as const) {
    const [victim] = group[name];
    await eventually(
      `${name} works`,
      () => victim!.lines.some((line) => /^\d+ orders/.test(line)),
    );
    victim!.kill("SIGKILL");
    await victim!.ended;
    add(name);
  }
  assertEquals((await producer.ended).exitCode, 0);
  // On a busy machine all orders are done before the new instances have joined.
  await eventually(
    "the new instances have partitions",
    () => assignments("analytics").length === 4 && assignments("inventory").length === 4,
  );
  await run.json("producer.ts", ["--count", String(MORE), ...times]);

  for (const name of ["analytics", "inventory"] as const) await caughtUp(run, name);
  const reports = await stopAll(group.analytics.slice(1));
  const totals = await stopAll(group.inventory.slice(1));
  const ledger = await readLedger(run, { inventory: true });
  assertEquals(ledger.orders, COUNT + MORE);
  assertEquals(reports, Array(3).fill(ledger.report), "each instance's report is the whole");
  const shares = totals.map(({ total_orders }) => total_orders as number);
  assert(shares.every((share) => share > 0), `an instance had no work: ${shares.join(", ")}`);
});

function startInstance(run: TestRun, name: "analytics" | "inventory", index: number): Instance {
  const lines: string[] = [];
  const args = name === "analytics" ? ["--output", `${run.file}.${index}`] : [];
  const instance = run.start(
    `${name}.ts`,
    ["--json", ...args],
    (line) => lines.push(line),
  );
  return { ...instance, lines };
}

/** Stops instances one after the other, so that each has seen the others leave. */
async function stopAll(instances: Instance[]): Promise<Record<string, unknown>[]> {
  const results = [];
  for (const instance of instances) {
    instance.kill("SIGTERM");
    const { exitCode, stdout } = await instance.ended;
    assertEquals(exitCode, 143);
    results.push(JSON.parse(stdout));
  }
  return results;
}
