/**
 * /metrics, /livez and /readyz of the services and of the dashboard, on the real broker.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { request } from "node:http";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import { connect, disconnect } from "../../lib/kafka/client.ts";
import { idempotentProducer } from "../../lib/kafka/producers.ts";
import { orderEvents } from "../../lib/topics.ts";
import { testCluster } from "../support/broker.ts";
import { type Listening, startListening, valuesOf } from "../support/listening.ts";
import { lintMetrics, type Metric } from "../support/prometheus_text.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

const GROUPS = { "inventory.ts": "inventory", "analytics.ts": "analytics" } as const;
const DOCUMENT = new URL("../../docs/MONITORING.md", import.meta.url);

/** Publishes two records that are not valid, and an event of another kind. */
async function publishOthers(run: TestRun): Promise<void> {
  const producer = idempotentProducer(run.settings);
  await connect(producer, run.settings);
  const values = ["{", '{"event_type":"OrderPlaced"}', '{"event_type":"OrderShipped"}'];
  const messages = values.map((value) => ({ partition: 0, value }));
  await producer.send({ topic: orderEvents(run.prefix).name, acks: -1, messages });
  await disconnect(producer);
}

/** The status of a request that has another header Host. */
function statusFor(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(`${url}/livez`, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on("error", reject).end();
  });
}

/** Asserts good names, and that MONITORING.md has each of them. */
function assertDocumented(metrics: Map<string, Metric>): void {
  assertEquals(lintMetrics(metrics), []);
  const documented = [...Deno.readTextFileSync(DOCUMENT).matchAll(/^\| `([a-z_]+)(?=[`{])/gm)]
    .map(([, name]) => name!);
  assertEquals([...metrics.keys()].filter((name) => !documented.includes(name)), []);
}

Deno.test("services and dashboard say what they have done", async (t) => {
  await using run = await testRun("observe");
  await run.json("producer.ts", ["--count", "600", "--failure-rate", "0.5", "--seed", "1"]);
  await publishOthers(run);
  const dashboard = await startListening(run, "dashboard.ts");
  const services: [keyof typeof GROUPS, Listening][] = [];
  for (const script of ["inventory.ts", "analytics.ts"] as const) {
    const output = script === "analytics.ts" ? ["--output", "none"] : [];
    const args = ["--allow-host", "orders.example.com", ...output];
    services.push([script, await startListening(run, script, args)]);
  }
  const report = await run.json("analytics.ts", [
    "--group",
    "check",
    "--until-end",
    "--output",
    "none",
  ]);
  const placed = Number(report.total_orders) - Number(report.failed_orders);
  assertEquals([report.total_orders, report.malformed_events, report.skipped_events], [600, 2, 1]);

  for (const [script, service] of services) {
    const group = run.prefix + GROUPS[script];
    await t.step(`${script} becomes ready, and counts what it has committed`, async () => {
      await eventually("all records are processed", async () => {
        const processed = valuesOf(await service.metrics(), "order_stream_processed_records_total");
        return processed.includes(`${group} skipped 1`);
      });
      await eventually("ready", async () => (await service.probe("/readyz")).startsWith("200"));
      await eventually("nothing is left", async () => {
        const lag = valuesOf(await service.metrics(), "order_stream_consumer_lag_records");
        return lag.length === 6 && lag.every((text) => text.endsWith(" 0"));
      });
      assertEquals(await service.probe("/readyz"), "200 ok: partitions 0, 1, 2, 3, 4, 5");
      assertEquals(await service.probe("/livez"), "200 ok: processing has not stopped");
      const metrics = await service.metrics();
      assertDocumented(metrics);
      assertEquals(valuesOf(metrics, "order_stream_processed_records_total"), [
        `${group} dead_letter 2`,
        `${group} failed ${report.failed_orders}`,
        `${group} placed ${placed}`,
        `${group} skipped 1`,
      ]);
      assertEquals(valuesOf(metrics, "order_stream_assigned_partitions"), [
        `${group} open 6`,
        `${group} opening 0`,
      ]);
      const [committed] = valuesOf(metrics, "order_stream_transactions_total");
      assert(Number(/ committed (\d+)$/.exec(committed!)![1]) >= 6, committed);
      const took = valuesOf(metrics, "order_stream_transaction_duration_seconds");
      assert(took.includes(committed!.replace(group, `count ${group}`).replace(" committed", "")));
    });

    await t.step(`${script} answers what is asked under its name, and nothing else`, async () => {
      assertEquals((await service.get("/")).status, 404);
      const post = await fetch(`${service.url}/livez`, { method: "POST" });
      await post.body?.cancel();
      assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
      assertEquals(await statusFor(service.url, "attacker.example"), 421);
      assertEquals(await statusFor(service.url, "orders.example.com:80"), 200);
    });
  }

  await t.step("dashboard has the values of whole groups", async () => {
    const groups = Object.values(GROUPS).map((group) => run.prefix + group).sort();
    await eventually("the dashboard has counted", async () => {
      const metrics = await dashboard.metrics();
      const lag = valuesOf(metrics, "order_stream_consumer_lag_records");
      return valuesOf(metrics, "order_stream_orders_total").includes(`placed ${placed}`) &&
        valuesOf(metrics, "order_stream_dead_letters_total").every((each) => each.endsWith(" 2")) &&
        lag.length >= 12 && lag.every((text) => text.endsWith(" 0"));
    });
    const metrics = await dashboard.metrics();
    assertDocumented(metrics);
    assertEquals(valuesOf(metrics, "order_stream_orders_total"), [
      `failed ${report.failed_orders}`,
      `placed ${placed}`,
    ]);
    assertEquals(
      valuesOf(metrics, "order_stream_dead_letters_total"),
      groups.map((group) => `${group} 2`),
    );
    const stock = await run.json("inventory.ts", ["--until-end"]);
    assertEquals(
      valuesOf(metrics, "order_stream_stock_units"),
      (stock.stock as { item_id: string; reserved_units: number; released_units: number }[])
        .flatMap(({ item_id, reserved_units, released_units }) => [
          `${item_id} release ${released_units}`,
          `${item_id} reserve ${reserved_units}`,
        ]).sort(),
    );
    assertEquals(await dashboard.probe("/readyz"), "200 ok: live");
    assertEquals(await dashboard.probe("/livez"), "200 ok: gathering");
  });
});

Deno.test("a second instance for one partition is ready, as a standby", async () => {
  await using run = await testRun("standby");
  const admin = adminPool(run.settings);
  const topic = { ...orderEvents(run.prefix), partitions: 1 };
  await admin.use((client) => createMissingTopics(client, [topic]));
  await admin.close();
  const args = ["--output", "none"];
  const instances = [
    await startListening(run, "analytics.ts", args),
    await startListening(run, "analytics.ts", args),
  ];
  const lines = async () =>
    (await Promise.all(instances.map(({ probe }) => probe("/readyz")))).sort();
  const standby =
    `200 ok: a member of the group ${run.prefix}analytics, which has partitions for ` +
    "others only";
  await eventually(
    "one has the partition, the other none",
    async () => JSON.stringify(await lines()) === JSON.stringify([standby, "200 ok: partition 0"]),
  );
});

Deno.test("brokers that are away make programs unready, not dead", async (t) => {
  await using cluster = await testCluster(1);
  await using run = await testRun("away", cluster);
  await run.json("producer.ts", ["--count", "60"]);
  await run.json("analytics.ts", ["--until-end", "--output", "none"]);
  await run.json("inventory.ts", ["--until-end"]);
  await cluster.stop(1);
  const programs = {
    inventory: await startListening(run, "inventory.ts"),
    analytics: await startListening(run, "analytics.ts", ["--output", "none"]),
    dashboard: await startListening(run, "dashboard.ts"),
  };
  const all = Object.entries(programs);

  await t.step("they wait for a broker", async () => {
    for (const [name, { probe }] of all) {
      await eventually(
        `${name} waits`,
        async () => /^503 no broker (has answered yet|answers)/.test(await probe("/readyz")),
      );
      assertMatch(await probe("/livez"), /^200 ok/);
    }
  });

  for (const round of ["first", "second"]) {
    await t.step(`they become ready for the ${round} time`, async () => {
      await cluster.start(1);
      for (const [name, { probe }] of all) {
        await eventually(
          `${name} is ready`,
          async () => (await probe("/readyz")).startsWith("200 ok"),
        );
      }
    });

    await t.step("they lose the broker and stay alive", async () => {
      await cluster.stop(1);
      for (const [name, { probe, metrics }] of all) {
        await eventually(
          `${name} is not ready, for this reason`,
          async () => await probe("/readyz") === "503 no broker answers",
        );
        assertMatch(await probe("/livez"), /^200 ok/);
        // What is not known is left out.
        await eventually(
          `${name} does not know the lag`,
          async () => valuesOf(await metrics(), "order_stream_consumer_lag_records").length === 0,
        );
      }
    });
  }
  // The topics are deleted at the end.
  await cluster.start(1);
});
