/**
 * A consumer that waits without an end for answers that never come is rebuilt.
 *
 * @module
 */
import { delay } from "../../lib/async.ts";
import { consume } from "../../lib/kafka/consume.ts";
import { orderEvents } from "../../lib/topics.ts";
import { proxiedCluster } from "../support/broker.ts";
import { repaired } from "../support/kafkajs.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("a consumer that hears nothing is rebuilt long before --timeout", async () => {
  await using cluster = await proxiedCluster(1);
  await using run = await testRun("stuck", cluster);
  await run.json("producer.ts", ["--count", "60"]);
  // As kafkajs may be after brokers were killed: without a time limit for what it waits for.
  const { prototype } = repaired("network/requestQueue");
  const { scheduleRequestTimeoutCheck } = prototype;
  prototype.scheduleRequestTimeoutCheck = () => {};
  const [proxy] = cluster.proxies;
  const stop = new AbortController();
  let records = 0;
  let consumers = 0;
  const consuming = consume({
    settings: { ...run.settings, timeoutMs: 600_000 },
    group: `${run.prefix}stuck`,
    topic: orderEvents(run.prefix).name,
    onAssigned: () => consumers++,
    onBatch({ batch, resolveOffset }) {
      records += batch.messages.length;
      resolveOffset(batch.lastOffset());
      return Promise.resolve();
    },
    onLost() {},
  }, stop.signal);
  try {
    await eventually("the orders are read", () => records >= 60);
    const before = consumers;
    let lost = 0;
    proxy!.rule = ({ kind }) => {
      if (kind === "response") lost++;
      return kind === "response" ? "drop" : "pass";
    };
    await eventually("responses are lost", () => lost > 0);
    prototype.scheduleRequestTimeoutCheck = scheduleRequestTimeoutCheck;
    // The former consumer gets no answer to what it has asked, but the next one does.
    await delay(3_000);
    proxy!.rule = undefined;
    await eventually("another consumer has joined", () => consumers > before);
    await run.json("producer.ts", ["--count", "60"]);
    await eventually("the next orders are read, too", () => records >= 120);
  } finally {
    prototype.scheduleRequestTimeoutCheck = scheduleRequestTimeoutCheck;
    stop.abort();
    await consuming;
  }
});
