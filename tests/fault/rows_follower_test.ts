/**
 * A page's view of the metrics becomes complete also when the brokers fail to answer its first questions.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { RowsFollower } from "../../lib/kafka/rows_follower.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { minuteTable } from "../../lib/metrics_table.ts";
import { orderMetrics } from "../../lib/topics.ts";
import { eventually, testRun } from "../support/run.ts";

Deno.test("the rows become complete when the ends of the topic can be read at the third try", async () => {
  await using run = await testRun("rows-follower");
  await run.json("producer.ts", ["--count", "100"]);
  await run.json("analytics.ts", ["--until-end", "--output", "none"]);
  const cluster = clusterReader(run.settings);
  const failures = [new Error("connection cut"), new Error("connection cut again")];
  const errors: unknown[] = [];
  const stop = new AbortController();
  const follower = new RowsFollower({
    settings: run.settings,
    topic: orderMetrics(`${run.prefix}analytics`).name,
    groupPrefix: `${run.prefix}follower`,
    table: minuteTable,
    cluster: {
      ...cluster,
      logBounds(topic) {
        const [failure] = failures.splice(0, 1);
        return failure === undefined ? cluster.logBounds(topic) : Promise.reject(failure);
      },
    },
    onError: (error) => errors.push(error),
  }, stop.signal);
  await eventually("the rows are complete", () => follower.isComplete);
  assertEquals(errors.map((error) => (error as Error).message), [
    "connection cut",
    "connection cut again",
  ]);
  stop.abort();
  await follower.closed;
  await cluster.close();
});
