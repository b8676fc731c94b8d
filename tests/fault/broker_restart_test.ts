/**
 * Brokers that are killed and come back: all three programs go on by themselves.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { testCluster } from "../support/broker.ts";
import { describeGroup } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("producer, inventory and analytics outlive kill -9 of the only broker", () => outlive(1));

Deno.test("producer, inventory and analytics outlive kill -9 of brokers one by one", () =>
  outlive(3));

async function outlive(nodes: 1 | 3): Promise<void> {
  const count = nodes === 1 ? 20_000 : 60_000;
  await using cluster = await testCluster(nodes);
  await using run = await testRun("restart", cluster);
  const working = { producer: false, inventory: false, analytics: false };
  const start = (name: keyof typeof working, args: string[]) =>
    run.start(`${name}.ts`, ["--json", ...args], (line) => {
      working[name] ||= /^\d+ orders/.test(line);
    });
  const producer = start("producer", ["--count", String(count), "--rate", "2000", "--span", "1h"]);
  const services = [start("inventory", []), start("analytics", ["--output", run.file])];
  for (const node of nodes === 1 ? [1, 1] : [1, 2, 3]) {
    for (const name of Object.keys(working) as (keyof typeof working)[]) working[name] = false;
    await eventually("all three work", () => Object.values(working).every(Boolean), 60_000);
    await cluster.kill(node);
    await cluster.start(node);
  }

  const { exitCode, stdout } = await producer.ended;
  assertEquals([exitCode, JSON.parse(stdout).orders], [0, count]);
  for (const group of ["inventory", "analytics"]) {
    await eventually(`${group} has caught up`, async () => {
      const partitions = await describeGroup(run.brokers, run.prefix + group);
      return partitions.length === 6 && partitions.every(({ lag }) => lag === "0");
    }, 60_000);
  }
  services.forEach((service) => service.kill("SIGTERM"));
  const [moved, counted] = await Promise.all(services.map(({ ended }) => ended));
  assertEquals([moved!.exitCode, counted!.exitCode], [143, 143]);

  const ledger = await readLedger(run, { inventory: true });
  assertEquals(ledger.orders, count, "accepted means stored, once");
  assertEquals(JSON.parse(counted!.stdout), ledger.report);
}
