/**
 * Looking a topic up that is not there, while another is read over the same connections.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import { orderEvents } from "../../lib/topics.ts";
import { testRun } from "../support/run.ts";

Deno.test("hasTopic of a missing topic does not disturb what is read at the same time", async () => {
  await using run = await testRun("topic-lookup");
  await run.json("producer.ts", ["--count", "10"]);
  const cluster = clusterReader(run.settings);
  try {
    const orders = orderEvents(run.prefix).name;
    const failures: string[] = [];
    const found = new Set<boolean>();
    for (let round = 0; round < 20; round++) {
      const reads = [1, 2, 3].map(() =>
        cluster.logBounds(orders).catch((error) => failures.push(error.message))
      );
      const lookups = [1, 2, 3].map(() => cluster.hasTopic(`${run.prefix}missing`));
      for (const exists of await Promise.all(lookups)) found.add(exists);
      await Promise.all(reads);
    }
    assertEquals([...found], [false]);
    assertEquals(await cluster.hasTopic(orders), true);
    assertEquals(failures, []);
  } finally {
    await cluster.close();
  }
});
