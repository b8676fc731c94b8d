/**
 * Networks as they are: slow, or silent.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { deadline } from "../../lib/async.ts";
import type { Script } from "../../lib/cli/launch.ts";
import { proxiedCluster } from "../support/broker.ts";
import { readLedger } from "../support/ledger.ts";
import type { Proxy } from "../support/proxy.ts";
import { eventually, testRun } from "../support/run.ts";

/** Over this link 4,000 orders take longer than the session of a consumer group, in bytes per second. */
const SLOW = 150_000;

Deno.test("programs over a slow link, and over one that has become silent", async (t) => {
  await using broker = await proxiedCluster(1);
  await using run = await testRun("network", broker);
  const [proxy] = broker.proxies as [Proxy];

  await t.step(
    "the producer sends no more at once than is acknowledged within --timeout",
    async () => {
      const plain = ["--compression", "none"];
      await run.json("producer.ts", ["--count", "1", ...plain]);
      proxy.bytesPerSecond.up = SLOW;
      const flags = ["--count", "3999", "--timeout", "5s", ...plain];
      const produced = await run.json("producer.ts", flags);
      const { total_orders: orders } = produced;
      assertEquals(orders, 3_999);
      proxy.bytesPerSecond.up = Infinity;
    },
  );

  await t.step("inventory turns more orders than fit into a session into movements", async () => {
    proxy.bytesPerSecond.down = SLOW;
    proxy.delayMs = 20;
    const lines: string[] = [];
    const onLine = (line: string) => lines.push(line);
    const inventory = run.start("inventory.ts", ["--until-end", "--json"], onLine);
    const { exitCode, stdout } = await inventory.ended;
    assertEquals([exitCode, JSON.parse(stdout).total_orders], [0, 4_000]);
    const rejoined = lines.filter((line) => line.startsWith("assigned partitions"));
    assertEquals(rejoined, [], "it has lost its session");
    proxy.bytesPerSecond.down = Infinity;
    proxy.delayMs = 0;
    await readLedger(run, { inventory: true });
  });

  await t.step("all programs end soon after SIGTERM when the brokers are silent", async () => {
    const started = new Map<Script, string[]>([
      ["inventory.ts", []],
      ["analytics.ts", ["--output", run.file]],
      ["producer.ts", ["--count", "1000000", "--rate", "1000"]],
      ["lag.ts", ["--watch"]],
      ["show.ts", ["orders", "--follow"]],
    ]);
    const programs = [...started].map(([script, args]) => {
      const lines: string[] = [];
      return { lines, script, ...run.start(script, args, (line) => lines.push(line)) };
    });
    await eventually(
      "all work",
      () =>
        programs.every(({ script, lines }) =>
          script === "lag.ts" || lines.some((line) => /^\d+ orders|^orders:|following/.test(line))
        ),
    );
    proxy.isSilent = true;
    const ended = programs.map(async ({ script, kill, ended }) => {
      kill("SIGTERM");
      const { exitCode } = await deadline(ended, 60_000).catch(() => ({ exitCode: "still runs" }));
      return [script, exitCode];
    });
    const codes = await Promise.all(ended);
    proxy.isSilent = false;
    assertEquals(codes, programs.map(({ script }) => [script, 143]));
  });
});
