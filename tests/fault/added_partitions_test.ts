/**
 * The topic of orders gets more partitions while everything runs.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Script } from "../../lib/cli/launch.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { logRanges } from "../../lib/kafka/offsets.ts";
import { orderEvents } from "../../lib/topics.ts";
import { caughtUp } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("partitions that are added while all programs run are published to, processed and shown", async () => {
  await using run = await testRun("added");
  const topic = orderEvents(run.prefix).name;
  const start = (script: Script, args: string[]) => {
    const lines: string[] = [];
    return { lines, ...run.start(script, ["--json", ...args], (line) => lines.push(line)) };
  };
  const producer = start("producer.ts", ["--count", "1000000", "--rate", "300"]);
  await eventually("orders come in", () => producer.lines.some((line) => /^1000 /.test(line)));
  const services = [
    start("inventory.ts", []),
    start("analytics.ts", ["--output", `${run.file}.0`]),
    start("analytics.ts", ["--output", `${run.file}.1`]),
  ];
  const lag = start("lag.ts", ["--watch", "--interval", "200ms"]);
  const show = start("show.ts", ["orders", "--follow", "--tail", "0"]);
  await eventually(
    "all work",
    () =>
      [show, ...services].every(({ lines }) =>
        lines.some((line) => /^\d+ orders|^orders: |^following/.test(line))
      ),
  );

  const admin = adminPool(run.settings);
  await admin.use((client) => client.createPartitions({ topicPartitions: [{ topic, count: 9 }] }));
  await eventually("the new partitions get orders", async () => {
    // A new partition has no leader for a moment.
    const ranges = await admin.use((client) => logRanges(client, topic)).catch(() => new Map());
    return ranges.size === 9 && [...ranges.values()].every(({ end }) => end > 0n);
  });
  await admin.close();
  producer.kill("SIGTERM");
  const { total_orders: count } = JSON.parse((await producer.ended).stdout);

  for (const name of ["inventory", "analytics"]) await caughtUp(run, name, 9);
  lag.kill("SIGTERM");
  const samples = (await lag.ended).stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(samples.at(-1).groups[0].partitions.length, 9);
  show.kill("SIGTERM");
  const shown = (await show.ended).stdout.trim().split("\n").map((line) => JSON.parse(line));
  const shownPartitions = new Set(shown.map(({ partition }) => partition));
  assertEquals([6, 7, 8].filter((partition) => !shownPartitions.has(partition)), []);
  const reports = [];
  for (const { kill, ended } of services) {
    kill("SIGTERM");
    const { exitCode, stdout } = await ended;
    assertEquals(exitCode, 143);
    reports.push(JSON.parse(stdout));
  }
  const ledger = await readLedger(run, { inventory: true });
  assertEquals(ledger.orders, count);
  assertEquals(reports.slice(1), [ledger.report, ledger.report]);
});
