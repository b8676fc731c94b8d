/**
 * Programs that start while the network or a broker is in a bad state.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { HOST } from "../../dev_broker/config.ts";
import { delay } from "../../lib/async.ts";
import { proxiedCluster, testBroker } from "../support/broker.ts";
import { Proxy } from "../support/proxy.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("all programs start although their connections are cut again and again", async () => {
  await using broker = await proxiedCluster(1);
  await using run = await testRun("cut", broker);
  const [proxy] = broker.proxies as [Proxy];
  // Each needs what the ones before it leave behind.
  const programs = [
    () => run.start("producer.ts", ["--count", "100"]),
    () => run.start("inventory.ts", ["--until-end"]),
    () => run.start("analytics.ts", ["--until-end", "--output", run.file]),
    () => run.start("lag.ts", ["--interval", "100ms"]),
    () => run.start("replay.ts", ["--group", "analytics", "--to", "earliest"]),
    () => run.start("show.ts", ["orders"]),
  ];
  for (const start of programs) {
    const program = start();
    let running = true;
    program.ended.then(() => running = false);
    // From the first connection on: before it the program only loads its code.
    await eventually("it connects", () => proxy.connectionCount > 0 || !running);
    for (let cuts = 0; cuts < 12 && running; cuts++) {
      proxy.cut();
      await delay(20 + 15 * cuts);
    }
    const { exitCode, stderr } = await program.ended;
    assertEquals(exitCode, 0, stderr);
  }
});

Deno.test("a first broker that accepts and keeps silent does not keep the second from being used", async () => {
  const { brokers } = await testBroker();
  using proxy = new Proxy(Number(brokers.split(":")[1]));
  proxy.isSilent = true;
  await using run = await testRun("silent", {
    brokers: `${HOST}:${proxy.port},${brokers}`,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  await run.json("producer.ts", ["--count", "100"]);
  const report = await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  assertEquals(report.total_orders, 100);
});

Deno.test("programs that look for a broker or a topic end at once on Ctrl-C", async () => {
  await using run = await testRun("interrupted");
  using proxy = new Proxy(Number(run.brokers.split(":")[1]));
  proxy.isSilent = true;
  for (const script of ["producer.ts", "inventory.ts", "lag.ts", "replay.ts"] as const) {
    const args = script === "replay.ts" ? ["--group", "analytics", "--to", "earliest"] : [];
    const program = run.start(script, [
      ...[...args, "--timeout", "1h", "--brokers", `${HOST}:${proxy.port}`],
    ]);
    await eventually(`${script} connects`, () => proxy.connectionCount > 0);
    program.kill("SIGINT");
    const { exitCode } = await program.ended;
    assertEquals(exitCode, 130);
    await eventually("its connections are gone", () => (proxy.cut(), proxy.connectionCount === 0));
  }
});
