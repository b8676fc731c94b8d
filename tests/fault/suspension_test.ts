/**
 * All programs are suspended for longer than their `--timeout`, as by a paused container.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Running, Script } from "../../lib/cli/launch.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { groupMembers } from "../../lib/kafka/offsets.ts";
import { caughtUp } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";

const COUNT = 12_000;

Deno.test("programs that were suspended for longer than --timeout go on, exactly once", async () => {
  await using run = await testRun("suspended-all");
  const started: [Script, string[]][] = [
    ["producer.ts", ["--json", "--count", String(COUNT), "--rate", "1000"]],
    ["inventory.ts", ["--json"]],
    ["analytics.ts", ["--json", "--output", run.file]],
    ["lag.ts", ["--json", "--watch", "--interval", "200ms"]],
    ["show.ts", ["orders", "--json", "--follow"]],
  ];
  const programs: (Running & { script: Script; lines: string[] })[] = [];
  for (const [script, args] of started) {
    const lines: string[] = [];
    const onLine = (line: string) => lines.push(line);
    programs.push({ script, lines, ...run.start(script, [...args, "--timeout", "3s"], onLine) });
    if (script !== "producer.ts") continue;
    await eventually("orders come in", () => lines.some((line) => /^1000 orders/.test(line)));
  }
  await eventually(
    "the services work",
    () =>
      programs.every(({ script, lines }) =>
        script === "lag.ts" || lines.some((line) => /^\d+ orders|^orders: |^following/.test(line))
      ),
  );

  const admin = adminPool(run.settings);
  programs.forEach(({ kill }) => kill("SIGSTOP"));
  for (const group of ["inventory", "analytics"]) {
    // That takes six seconds: the session of a consumer group.
    await eventually(
      "the members have lost their session",
      async () =>
        (await admin.use((client) => groupMembers(client, run.prefix + group))).length === 0,
    );
  }
  await admin.close();
  programs.forEach(({ kill }) => kill("SIGCONT"));

  const [producer, ...others] = programs;
  const { exitCode, stdout, stderr } = await producer!.ended;
  assertEquals([exitCode, exitCode === 0 ? JSON.parse(stdout).total_orders : stderr], [0, COUNT]);
  for (const name of ["inventory", "analytics"]) await caughtUp(run, name);
  const results = new Map<Script, string>();
  for (const { script, kill, ended } of others) {
    kill("SIGTERM");
    const { exitCode, stdout, stderr } = await ended;
    assertEquals([script, exitCode, exitCode === 143 ? "" : stderr], [script, 143, ""]);
    results.set(script, stdout);
  }
  const ledger = await readLedger(run, { inventory: true });
  assertEquals(ledger.orders, COUNT);
  assertEquals(JSON.parse(results.get("analytics.ts")!), ledger.report);
});
