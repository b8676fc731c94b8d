/**
 * The whole flow under faults: brokers and services are killed while orders come in, and in the end
 * everything must have happened exactly once.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Running } from "../../lib/cli/launch.ts";
import { testCluster } from "./broker.ts";
import { describeGroup } from "./kafka_tools.ts";
import { readLedger } from "./ledger.ts";
import { eventually, testRun } from "./run.ts";

/** What is killed, as `kill -9` does, and started again. */
export type Victim = 1 | 2 | 3 | "inventory" | "analytics";

/** The programs. */
type Program = "producer" | "inventory" | "analytics";

/**
 * Runs all three programs on their own cluster and kills one victim after the other, each as soon
 * as all three work, until there are no more victims or the producer has published all orders.
 *
 * @throws {AssertionError} When something was lost, done twice or counted wrongly, when a program ended
 * by itself, or when a group does not catch up.
 */
export async function outlive(
  { nodes, orders, ordersPerSecond, victims, onKill = () => {}, signal }: {
    nodes: 1 | 3;
    orders: number;
    ordersPerSecond: number;
    victims: Iterable<Victim>;
    onKill?: (victim: Victim) => void;
    /** Ends it early, without a verdict. */
    signal?: AbortSignal;
  },
): Promise<void> {
  await using cluster = await testCluster(nodes);
  await using run = await testRun("outlive", cluster);
  const working: Record<Program, boolean> = { producer: false, inventory: false, analytics: false };
  const start = (name: Program, args: string[]): Running =>
    run.start(`${name}.ts`, ["--json", ...args], (line) => {
      working[name] ||= /^\d+ orders/.test(line);
    });
  const startService = {
    inventory: () => start("inventory", []),
    analytics: () => start("analytics", ["--output", run.file]),
  };
  const services = { inventory: startService.inventory(), analytics: startService.analytics() };
  const producer = start("producer", [
    ...["--count", String(orders), "--rate", String(ordersPerSecond), "--span", "1h"],
  ]);
  signal?.addEventListener("abort", () => producer.kill("SIGTERM"));
  let published = false;
  producer.ended.then(() => published = true);

  for (const victim of victims) {
    for (const name of Object.keys(working) as Program[]) working[name] = false;
    const allWork = () => published || Object.values(working).every(Boolean);
    await eventually("all three work", allWork, 60_000);
    if (published) break;
    onKill(victim);
    if (typeof victim === "number") {
      await cluster.kill(victim);
      await cluster.start(victim);
    } else {
      services[victim].kill("SIGKILL");
      await services[victim].ended;
      services[victim] = startService[victim]();
    }
  }

  const { exitCode, stdout } = await producer.ended;
  signal?.throwIfAborted();
  assertEquals([exitCode, JSON.parse(stdout).total_orders], [0, orders]);
  for (const group of ["inventory", "analytics"]) {
    await eventually(`${group} has caught up`, async () => {
      const partitions = await describeGroup(run.brokers, run.prefix + group);
      return partitions.length === 6 && partitions.every(({ lag }) => lag === "0");
    }, 60_000);
  }
  services.inventory.kill("SIGTERM");
  services.analytics.kill("SIGTERM");
  const [moved, counted] = await Promise.all([services.inventory.ended, services.analytics.ended]);
  assertEquals([moved.exitCode, counted.exitCode], [143, 143]);

  const ledger = await readLedger(run, { inventory: true });
  assertEquals(ledger.orders, orders, "accepted means stored, once");
  assertEquals(JSON.parse(counted.stdout), ledger.report);
}
