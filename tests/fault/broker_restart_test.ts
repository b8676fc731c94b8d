/**
 * A broker that is killed and comes back: all three programs go on by themselves.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { testCluster } from "../support/broker.ts";
import { describeGroup } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";

const COUNT = 20_000;

Deno.test("producer, inventory and analytics outlive kill -9 of the only broker", async () => {
  await using cluster = await testCluster(1);
  await using run = await testRun("restart", cluster);
  const working = { producer: false, inventory: false, analytics: false };
  const start = (name: keyof typeof working, args: string[]) =>
    run.start(`${name}.ts`, ["--json", ...args], (line) => {
      working[name] ||= /^\d+ orders/.test(line);
    });
  const producer = start("producer", ["--count", String(COUNT), "--rate", "4000", "--span", "1h"]);
  const services = [start("inventory", []), start("analytics", ["--output", run.file])];
  for (let kill = 0; kill < 2; kill++) {
    for (const name of Object.keys(working) as (keyof typeof working)[]) working[name] = false;
    await eventually("all three work", () => Object.values(working).every(Boolean), 60_000);
    await cluster.kill(1);
    await cluster.start(1);
  }

  const { exitCode, stdout } = await producer.ended;
  assertEquals([exitCode, JSON.parse(stdout).orders], [0, COUNT]);
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
  assertEquals(ledger.orders, COUNT, "accepted means stored, once");
  assertEquals(JSON.parse(counted!.stdout), ledger.report);
});
