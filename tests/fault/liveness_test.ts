/**
 * Liveness fails when the processing has stopped although the brokers answer, and only then.
 *
 * A program that is suspended, or whose event loop is stuck, does not answer at all: that is what the
 * time limit of a probe is for.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { createMissingTopics } from "../../lib/kafka/create_topics.ts";
import { STOP_LIMIT_MS } from "../../lib/progress_watch.ts";
import { inventoryEvents } from "../../lib/topics.ts";
import { startListening, valuesOf } from "../support/listening.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("a service whose transactions fail is not live until they succeed again", async () => {
  await using run = await testRun("liveness");
  await run.json("producer.ts", ["--count", "60"]);
  // Its partitions have records waiting for all of the test, too.
  const throttled = await startListening(run, "analytics.ts", [
    ...["--throttle", "60s", "--output", "none"],
  ]);
  const inventory = await startListening(run, "inventory.ts");
  const isReady = async () => (await inventory.probe("/readyz")).startsWith("200");
  await eventually("inventory is ready", isReady);
  assertEquals(await inventory.probe("/livez"), "200 ok: processing has not stopped");

  const admin = adminPool(run.settings);
  const output = inventoryEvents(run.prefix);
  await admin.use((client) => client.deleteTopics({ topics: [output.name] }));
  await run.json("producer.ts", ["--count", "600"]);
  await eventually(
    "inventory is not live",
    async () => (await inventory.probe("/livez")).startsWith("503"),
    // On a busy machine the brokers are late at times, and then nothing can be said.
    STOP_LIMIT_MS + 120_000,
  );
  assertMatch(
    await inventory.probe("/livez"),
    /^503 partition \d (has records waiting|is being opened), and nothing was done for \d+ s$/,
  );
  assertMatch(await inventory.probe("/readyz"), /^503/);
  assertMatch(await throttled.probe("/livez"), /^200 ok/);
  assertMatch(await throttled.probe("/readyz"), /^200 ok/);
  const failed = valuesOf(await inventory.metrics(), "order_stream_transactions_total")[1];
  assertMatch(failed!, / failed [1-9]/);

  await admin.use((client) => createMissingTopics(client, [output]));
  await eventually(
    "inventory is live again",
    async () => (await inventory.probe("/livez")).startsWith("200"),
  );
  await eventually("inventory is ready again", isReady);
  await eventually("all orders are processed", async () => {
    const metrics = await inventory.metrics();
    const counts = metrics.get("order_stream_processed_records_total")!.samples;
    return counts.reduce((sum, { value }) => sum + value, 0) === 660;
  });
  await admin.close();
});
