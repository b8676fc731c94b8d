/**
 * show.ts on the real broker: what it shows of each topic, and dead letters that are sent back once.
 *
 * @module
 */
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect, disconnect } from "../../lib/kafka/client.ts";
import { idempotentProducer } from "../../lib/kafka/producers.ts";
import { deadLetters, orderEvents } from "../../lib/topics.ts";
import { collect, commandOf } from "../../lib/cli/launch.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** Runs show.ts to its good end. */
async function show(run: TestRun, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await run.start("show.ts", args).ended;
  assertEquals(exitCode, 0, stderr);
  return { stdout, stderr };
}

/** The JSON objects that show.ts prints, one a line. */
async function shown(run: TestRun, ...args: string[]) {
  const { stdout } = await show(run, ...args, "--json");
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** All records of the orders, by partition and offset. */
async function allOrders(run: TestRun) {
  const orders = await shown(run, "orders", "--from", "earliest");
  return orders.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** Publishes values as they are. */
async function publish(run: TestRun, values: string[]): Promise<void> {
  const producer = idempotentProducer(run.settings);
  await connect(producer, run.settings);
  const messages = values.map((value, index) => ({
    partition: 0,
    key: `key-${index}`,
    value,
    headers: { trace: `t${index}` },
  }));
  await producer.send({ topic: orderEvents(run.prefix).name, acks: -1, messages });
  await disconnect(producer);
}

Deno.test("show.ts shows orders, movements and metrics", async (t) => {
  await using run = await testRun("show");

  await t.step("a topic that does not exist is named", async () => {
    const { exitCode, stderr } = await run.start("show.ts", ["orders"]).ended;
    assertEquals(exitCode, 1);
    assertStringIncludes(stderr, `there is no topic ${orderEvents(run.prefix).name}`);
  });

  await run.json("producer.ts", [
    "--count",
    "300",
    "--seed",
    "7",
    "--start",
    "2024-01-15T10:30:00Z",
  ]);
  await run.json("inventory.ts", ["--until-end"]);
  await run.json("analytics.ts", ["--until-end", "--output", run.file]);

  await t.step("the last orders, by the time of sending", async () => {
    const last = await shown(run, "orders", "--tail", "5");
    assertEquals(last.length, 5);
    assertEquals(last.map(({ time }) => time), last.map(({ time }) => time).sort());
    assertEquals(last[0].value.order_id, last[0].key);
    assertEquals((await shown(run, "orders")).length, 10, "ten by default");
  });

  await t.step("all from an offset or a time, and those with a key", async () => {
    assertEquals((await shown(run, "orders", "--from", "earliest")).length, 300);
    assertEquals((await shown(run, "orders", "--from", "-1h")).length, 300);
    const offsets = (await shown(run, "orders", "--from", "3")).map(({ offset }) => offset);
    assertEquals(Math.min(...offsets), 3);
    const [order, ...others] = await shown(run, "orders", "--key", "order_7_000123");
    assertEquals([order.value.order_id, others], ["order_7_000123", []]);
  });

  await t.step("readable lines", async () => {
    const orders = await show(run, "orders", "--key", "order_7_000123");
    assertMatch(
      orders.stdout,
      /^\d\/\d+ {2}2024-01-15T10:30:00.000Z {2}order_7_000123 {2}(placed|failed) {2}\d+\.\d\d {2}\d × \w+.* {2}user_\d+\n$/,
    );
    const movements = await show(run, "movements", "--tail", "1");
    assertMatch(
      movements.stdout,
      /^\d\/\d+ {2}2024-01-15T10:30:00.000Z {2}(reserve|release) {2}\d {2}\w+ {2}order_7_\d+\n$/,
    );
    const rows = await show(run, "metrics", "--tail", "50");
    assertMatch(rows.stdout, /^\d\/\d+ {2}\d\/2024-01-15T10:30Z {2}\{"total":\d+,"failed":\d+\}$/m);
  });

  await t.step("--follow shows what comes, until a signal", async () => {
    const args = ["--topic-prefix", run.prefix, "orders", "--tail", "0", "--follow"];
    const following = new Deno.Command(Deno.execPath(), {
      args: [...commandOf("show.ts", run.brokers), ...args],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const noted: string[] = [];
    const orders: string[] = [];
    const streams = [
      collect(following.stderr, (line) => noted.push(line)),
      collect(following.stdout, (line) => orders.push(line)),
    ];
    await eventually("it follows", () => noted.some((line) => line.startsWith("following")));
    await run.json("producer.ts", ["--count", "3", "--seed", "8"]);
    await eventually("three orders are shown", () => orders.length === 3);
    following.kill("SIGINT");
    assertEquals((await following.status).code, 130);
    await Promise.all(streams);
    assertEquals(orders.length, 3);
  });
});

Deno.test("show.ts sends dead letters back, once each", async (t) => {
  await using run = await testRun("resend");
  await run.json("producer.ts", ["--count", "10"]);
  await publish(run, ["not JSON", "\u001b[31mnot JSON either"]);
  const services = async () => {
    await run.json("inventory.ts", ["--until-end"]);
    await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  };
  await services();

  await t.step("they are shown with origin and reason, and cannot steer a terminal", async () => {
    const { stdout } = await show(run, "dead-letters");
    assertEquals(stdout.trim().split("\n").length, 4, "two for each group");
    assertMatch(
      stdout,
      /^0\/0 {2}\S+order-events\/0\/\d+ {2}\S+inventory {2}not JSON.*: not JSON$/m,
    );
    assertStringIncludes(stdout, "\\u001b[31mnot JSON either");
  });

  await t.step("a dry run shows each record once and changes nothing", async () => {
    const before = await allOrders(run);
    const { stdout, stderr } = await show(run, "dead-letters", "--resend");
    assertEquals(stdout.trim().split("\n").length, 2);
    assertStringIncludes(
      stderr,
      "2 records would be sent back; 2 more dead letters of the same records",
    );
    assertStringIncludes(stderr, "add --execute to apply");
    assertEquals(await allOrders(run), before);
  });

  const back = async () =>
    (await allOrders(run)).filter(({ headers }) => headers["dlq.resent"])
      .map(({ partition, key, value, headers }) => ({ partition, key, value, headers }));

  await t.step("--execute sends key, value and headers back to their partition", async () => {
    await show(run, "dead-letters", "--resend", "--execute");
    const expected = ["not JSON", "\u001b[31mnot JSON either"].map((value, index) => ({
      partition: 0,
      key: `key-${index}`,
      value,
      headers: { trace: `t${index}`, "dlq.resent": "1" },
    }));
    assertEquals(await back(), expected);
  });

  await t.step("a second time there is nothing to send", async () => {
    const { stderr } = await show(run, "dead-letters", "--resend", "--execute");
    assertStringIncludes(stderr, "0 records sent back");
    assertEquals((await back()).length, 2);
  });

  await t.step("nor when the group and its offset are gone", async () => {
    const admin = adminPool(run.settings);
    await admin.use((client) => client.deleteGroups([`${run.prefix}dead-letter-resend`]));
    await admin.close();
    const plan = await show(run, "dead-letters", "--resend");
    assertStringIncludes(plan.stderr, "0 records would be sent back");
    assertStringIncludes(plan.stderr, "continuing at the stored progress");
    const { stderr } = await show(run, "dead-letters", "--resend", "--execute");
    assertStringIncludes(stderr, "0 records sent back");
    assertEquals((await back()).length, 2);
  });

  await t.step("what fails again may go back again, and the count says so", async () => {
    await services();
    await show(run, "dead-letters", "--resend", "--execute");
    assertEquals((await back()).map(({ headers }) => headers["dlq.resent"]), ["1", "1", "2", "2"]);
  });

  await t.step(
    "headers that name no partition of the orders send nothing and stop nothing",
    async () => {
      const origin = {
        "dlq.topic": orderEvents(run.prefix).name,
        "dlq.partition": "0",
        "dlq.offset": "0",
      };
      const forged = [
        { ...origin, "dlq.topic": `${run.prefix}inventory-events` },
        { ...origin, "dlq.partition": "6" },
        { ...origin, "dlq.partition": "9".repeat(400) },
        { ...origin, "dlq.partition": "-1" },
        { ...origin, "dlq.offset": "first" },
      ];
      const producer = idempotentProducer(run.settings);
      await connect(producer, run.settings);
      const messages = [
        ...forged.map((headers) => ({ partition: 0, key: "forged", value: "x", headers })),
        {
          ...{ partition: 0, key: "whole", value: "y" },
          headers: { ...origin, "dlq.offset": "9999", "dlq.resent": "many" },
        },
      ];
      await producer.send({ topic: deadLetters(run.prefix).name, acks: -1, messages });
      await disconnect(producer);
      const { stderr } = await show(run, "dead-letters", "--resend", "--execute");
      assertStringIncludes(
        stderr,
        "1 record sent back; 5 left alone whose headers name no partition",
      );
      assertEquals(await shown(run, "movements", "--key", "forged"), []);
      assertEquals(await shown(run, "orders", "--key", "forged", "--from", "earliest"), []);
      const [whole] = await shown(run, "orders", "--key", "whole", "--from", "earliest");
      assertEquals(whole.headers, { "dlq.resent": "1" });
    },
  );

  await t.step("wrong use is refused", async () => {
    for (
      const args of [
        ["orders", "--resend"],
        ["dead-letters", "--execute"],
        ["dead-letters", "--resend", "--key", "x"],
        [],
        ["order"],
      ]
    ) {
      assertEquals((await run.start("show.ts", args).ended).exitCode, 2, args.join(" "));
    }
  });
});
