/**
 * The short forms of the faults as tests. Those that can share a scene do: the service goes on from one
 * fault to the next, and is checked at the end.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FAULTS } from "../fault/faults/all.ts";
import type { Form } from "../fault/faults/fault.ts";
import { type ProxiedCluster, proxiedCluster } from "./broker.ts";
import { openScene } from "./scene.ts";

/** Few: what is tested does not depend on it, and other tests run meanwhile. */
const ORDERS_PER_SECOND = 10;
/** Without a delay, as between machines, the services commit as often as both cores allow. */
const DELAY_MS = 10;
const FORM: Form = { isLong: false, mixMs: 10_000 };
/** Long: many tests run side by side, and how fast the service is matters elsewhere. */
const RECOVERY_LIMIT_MS = 180_000;

/**
 * Registers a test for the faults that share a cluster, with a step for each fault.
 *
 * @param nodeCount How many brokers there are, unless the fault says so.
 */
export function testFaults(title: string, names: readonly string[], nodeCount: 1 | 3): void {
  const clusters = Map.groupBy(names, (name) => {
    const { nodes = nodeCount, settings = {} } = FAULTS[name]!;
    return JSON.stringify([nodes, settings]);
  });
  for (const [key, names] of clusters) {
    const [nodes, settings] = JSON.parse(key) as [1 | 3, Record<string, string>];
    Deno.test(`${title}: ${names.join(", ")}`, async (t) => {
      await using cluster = await proxiedCluster(nodes, settings);
      cluster.proxies.forEach((proxy) => proxy.delayMs = DELAY_MS);
      const scenes = Map.groupBy(names, (name) => {
        const { timeout, settles, missing } = FAULTS[name]!;
        return JSON.stringify([timeout, (settles || missing !== undefined) && name]);
      });
      for (const faults of scenes.values()) await testScene(t, cluster, faults);
    });
  }
}

/** Does faults to one scene, a step for each. */
async function testScene(
  t: Deno.TestContext,
  cluster: ProxiedCluster,
  names: readonly string[],
): Promise<void> {
  const { timeout, settles, missing } = FAULTS[names[0]!]!;
  const why = missing?.();
  if (why !== undefined) {
    console.warn(`left out, ${why}: ${names}`);
    await t.step({ name: names.join(), ignore: true, fn() {} });
    return;
  }
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const notes = [`seed ${seed}`];
  await using scene = await openScene({
    ...{ name: names[0]!, cluster, seed, orders: 0, ordersPerSecond: ORDERS_PER_SECOND },
    recoveryLimitMs: RECOVERY_LIMIT_MS,
    // On a busy machine a broker may take longer than the usual 30 seconds to start.
    timeout: timeout?.short ?? "3m",
    note: (line) => notes.push(line),
    signal: new AbortController().signal,
  });
  let isOk = true;
  for (const name of names) {
    const { summary, run } = FAULTS[name]!;
    isOk &&= await t.step(`${name}: ${summary}`, async () => {
      const outcome = await run(scene, FORM);
      if (outcome !== undefined) assertEquals(outcome.findings, []);
    });
  }
  isOk &&= settles || await t.step("everything adds up", async () => {
    assertEquals((await scene.settle()).findings, []);
  });
  if (!isOk) console.error(notes.join("\n"));
}
