/**
 * The example programs, on a real broker.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { committedOffsets } from "../../lib/kafka/offsets.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { parseOrder } from "../../lib/order.ts";
import { orderEvents } from "../../lib/topics.ts";
import { kafkaConsumerGroups } from "../support/kafka_tools.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

Deno.test("best_sellers.ts counts each item once, through a kill and resets", async (t) => {
  await using run = await testRun("examples");
  await run.json("producer.ts", ["--count", "20000"]);
  const sold = await soldItems(run);
  assert(Object.keys(sold).length > 1);

  await t.step("killed at work, it goes on where it was", async () => {
    const killed = startExample(run, []);
    await eventually("counts are committed", async () => (await committed(run)).size > 0);
    killed.kill("SIGKILL");
    await killed.status;
    assertEquals(await counts(run), sold);
  });

  await t.step("what comes later is added", async () => {
    await run.json("producer.ts", ["--count", "1000", "--seed", "7"]);
    assertEquals(await counts(run), await soldItems(run));
  });

  await t.step(
    "a reset past unread orders drops the counts, one to the beginning redoes them",
    async () => {
      await run.json("producer.ts", ["--count", "1000", "--seed", "8"]);
      const reset = (to: string) =>
        kafkaConsumerGroups(run.brokers, [
          ...["--group", `${run.prefix}best-sellers`, "--topic", orderEvents(run.prefix).name],
          ...["--reset-offsets", to, "--execute"],
        ]);
      await reset("--to-latest");
      assertEquals(await counts(run), {});
      await reset("--to-earliest");
      assertEquals(await counts(run), await soldItems(run));
    },
  );
});

Deno.test("best_sellers.ts has --help", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...PERMISSIONS, EXAMPLE, "--help"],
  }).output();
  assertEquals(code, 0);
  assertStringIncludes(new TextDecoder().decode(stdout), "--until-end");
});

const EXAMPLE = fileURLToPath(new URL("../../examples/best_sellers.ts", import.meta.url));
const PERMISSIONS = ["--no-prompt", "-q", "-P=kafka"];

function startExample({ brokers, prefix }: TestRun, args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", ...PERMISSIONS, EXAMPLE, "--json", ...args],
      ...["--brokers", brokers, "--topic-prefix", prefix],
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** What the example prints when it has processed everything. */
async function counts(run: TestRun): Promise<Record<string, number>> {
  const { code, stdout } = await startExample(run, ["--until-end"]).output();
  assertEquals(code, 0);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** What the orders in the topic say. */
async function soldItems(run: TestRun): Promise<Record<string, number>> {
  const sold: Record<string, number> = {};
  await readTopic(run.settings, {
    topic: orderEvents(run.prefix).name,
    group: `${run.prefix}check`,
    onRecord({ value }) {
      const parsed = parseOrder(value!);
      if (parsed.kind !== "order" || parsed.order.status === "failed") return;
      for (const { item_id, quantity } of parsed.order.items) {
        sold[item_id] = (sold[item_id] ?? 0) + quantity;
      }
    },
  }, run.signal);
  return sold;
}

/** The offsets that the example's group has committed. */
async function committed({ settings, prefix }: TestRun): Promise<Map<number, bigint>> {
  const admin = adminPool(settings);
  try {
    return await admin.use((client) =>
      committedOffsets(client, `${prefix}best-sellers`, orderEvents(prefix).name)
    );
  } finally {
    await admin.close();
  }
}
