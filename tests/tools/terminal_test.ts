/**
 * Ctrl-C, Ctrl-Z and a closed terminal, as people have them: each task runs through `deno task` in a
 * terminal of its own, where one Ctrl-C reaches a program two or three times.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { nodeStatus } from "../../dev_broker/cluster.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { groupMembers } from "../../lib/kafka/offsets.ts";
import { checkoutWithBlank, prepareBroker } from "../support/checkout.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, testRun } from "../support/run.ts";
import { CTRL_C, CTRL_Z, openTerminal, task } from "../support/terminal.ts";

const TIMES = 10;

/** A task, when to stop it, and what it must have printed at its end. */
interface Case {
  task: string;
  isAtWork: RegExp;
  total: RegExp;
  /**
   * How many run at once.
   *
   * @default {2}
   */
  atOnce?: number;
}

const CASES: Case[] = [
  {
    task: "produce --rate 5000 --count 1000000",
    isAtWork: /^1000 orders acknowledged/m,
    total: /^Orders acknowledged: \d+/m,
  },
  { task: "inventory", isAtWork: /^group \S+ turns/m, total: /^Orders: +\d+/m },
  {
    task: "analytics --output REPORT",
    isAtWork: /^group \S+ counts/m,
    total: /^Total Orders: \d+/m,
  },
  { task: "lag --watch --interval 200ms", isAtWork: /Ctrl-C/, total: /no group reads it yet\r\n$/ },
  { task: "show orders --follow", isAtWork: /^following/m, total: /user_\d+/ },
  {
    task: "replay --group analytics --to earliest --brokers 127.0.0.1:1",
    isAtWork: /trying for 30 s/,
    total: /stopping; .*\r\n$/,
    // It only waits.
    atOnce: TIMES,
  },
  {
    task: "bench --jobs produce --peers none --orders 1000000 --pairs 1",
    isAtWork: /^commit /m,
    total: /stopping; .*\r\n$/,
  },
];

for (const { task: words, isAtWork, total, atOnce = 2 } of CASES) {
  Deno.test(`one Ctrl-C is one Ctrl-C: deno task ${words}, ${TIMES} times`, async () => {
    await using run = await testRun("terminal");
    await run.json("producer.ts", ["--count", "100"]);
    const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
    const stop = async (index: number) => {
      const ownGroup = words.replace("REPORT", run.file)
        .replace(/^(inventory|analytics)/, `$1 --group g${index}`);
      const terminal = openTerminal(task(ownGroup), { env });
      await eventually(`${words} works`, () => isAtWork.test(terminal.text()));
      await terminal.type(CTRL_C);
      assertEquals(await terminal.ended, 130, terminal.text());
      assertMatch(terminal.text(), total);
    };
    for (let index = 0; index < TIMES; index += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, (_, more) => stop(index + more)));
    }
  });
}

for (const task of ["inventory", "analytics --output -"]) {
  Deno.test(`${task}, whose terminal is closed, commits, leaves its group and ends with 129`, async () => {
    await using run = await testRun("hangup");
    await run.json("producer.ts", ["--count", "100"]);
    const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
    const directory = await Deno.makeTempDir();
    const status = `${directory}/status`;
    // As an interactive shell does, this one passes the signal on; it stays to see how the task ends.
    const command = `'${Deno.execPath()}' task --quiet ${task} & trap "kill -HUP $!" HUP; ` +
      `wait $!; wait $!; echo $? >${status}`;
    const terminal = openTerminal(command, { env });
    await eventually("it works", () => /^group \S+ (turns|counts)/m.test(terminal.text()));
    const admin = adminPool(run.settings);
    const members = async () => {
      const group = run.prefix + task.split(" ")[0];
      const { groups } = await admin.use((client) => client.describeGroups([group]));
      return groups[0]!.members.length;
    };
    await eventually("it is a member", async () => await members() === 1);
    terminal.close();
    await terminal.ended;
    await eventually("it has left its group", async () => await members() === 0, 4_000);
    await eventually(
      "it has ended",
      async () => await Deno.readTextFile(status).catch(() => "") === "129\n",
    );
    await admin.close();
    await Deno.remove(directory, { recursive: true });
  });
}

Deno.test("Ctrl-C while the development broker starts leaves none, and ends its log", async () => {
  await using checkout = await checkoutWithBlank();
  await prepareBroker(checkout);
  for (const waitMs of [200, 800, 1_500]) {
    const terminal = openTerminal(`'${checkout.deno}' task --quiet up`, { cwd: checkout.root });
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await terminal.type(CTRL_C);
    const exitCode = await terminal.ended;
    assert(exitCode === 130 || /is ready/.test(terminal.text()), terminal.text());
    if (exitCode !== 130) await checkout.run("down");
    const nodes = await nodeStatus(`${checkout.root}/.kafka`);
    assertEquals(nodes.filter(({ pid }) => pid !== undefined), []);
  }
  // On a busy machine none of these has come as far as to write to the log.
  for (const name of ["up", "down"]) {
    const { exitCode, stderr } = await checkout.run(name);
    assertEquals(exitCode, 0, stderr);
  }
  await Promise.all(Array.from({ length: TIMES }, async () => {
    const terminal = openTerminal(`'${checkout.deno}' task --quiet logs --follow`, {
      cwd: checkout.root,
    });
    await eventually("it shows the log", () => /INFO/.test(terminal.text()));
    await terminal.type(CTRL_C);
    assertEquals(await terminal.ended, 130, terminal.text());
    assertMatch(terminal.text(), /stopping; .*\r\n$/);
  }));
});

Deno.test("services, a producer and readers that are suspended with Ctrl-Z go on with fg", async () => {
  await using run = await testRun("suspended");
  await run.json("producer.ts", ["--count", "100"]);
  const env = {
    KAFKA_BROKERS: run.brokers,
    TOPIC_PREFIX: run.prefix,
    npm_config_user_agent: "npm/11",
  };
  // The shell sees its own child stop, as it sees npx.
  const start = async (words: string, isAtWork: RegExp) => {
    const terminal = openTerminal("bash --norc --noprofile -i", { env, size: [200, 50] });
    await terminal.type(`sh -c "${task(words)}; true"\n`);
    await eventually(`${words} works`, () => isAtWork.test(terminal.text()));
    return terminal;
  };
  const terminals = await Promise.all([
    start("inventory", /^group \S+ turns/m),
    start(`analytics --output ${run.file}`, /^group \S+ counts/m),
    start("produce --count 2000 --rate 200", /^seed/m),
    start("lag --watch --interval 200ms", /inventory/),
    start("show orders --follow", /^following/m),
  ]);
  const admin = adminPool(run.settings);
  const members = async (count: number) =>
    (await Promise.all(
      ["inventory", "analytics"].map((group) =>
        admin.use((client) => groupMembers(client, run.prefix + group))
      ),
    )).every(({ length }) => length === count);
  await eventually("both services are members", () => members(1));
  for (const terminal of terminals) {
    await terminal.type(CTRL_Z);
    await eventually("it is suspended", () => /Stopped/.test(terminal.text()));
  }
  await eventually("their sessions have expired", () => members(0));
  const shownBefore = terminals.map((terminal) => terminal.text().length);
  for (const terminal of terminals) await terminal.type("fg\n");
  const [inventory, analytics, producer, lag, show] = terminals;
  await eventually(
    "all orders are sent",
    () => /^Orders acknowledged: 2000\b/m.test(producer!.text()),
  );
  await eventually("both services have caught up", async () => {
    const { exitCode } = await run.start("lag.ts", ["--interval", "100ms"]).ended;
    return exitCode === 0;
  });
  await eventually(
    "lag and show go on",
    () => [lag, show].every((each, index) => each!.text().length > shownBefore[index + 3]! + 1_000),
  );
  for (const terminal of terminals) {
    await terminal.type(CTRL_C);
    await eventually("the shell is back", () => /[$#] $/.test(terminal.text()));
    terminal.close();
  }
  await admin.close();
  // Without those of a commit whose answer was lost: only the topics tell that it was one.
  assertMatch(inventory!.text(), /^Orders: +\d+/m);
  assertMatch(analytics!.text(), /^Total Orders: 2100\b/m);
  assertEquals((await readLedger(run, { inventory: true })).orders, 2100);
});

Deno.test("Ctrl-Z under deno task, which cannot be suspended, does not hang the terminal", async () => {
  await using run = await testRun("suspended");
  await run.json("producer.ts", ["--count", "100"]);
  const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
  const terminal = openTerminal(task("inventory"), { env });
  await eventually("it works", () => /^group \S+ turns/m.test(terminal.text()));
  await terminal.type(CTRL_Z);
  await eventually("it says so", () => /Ctrl-Z has no effect/.test(terminal.text()));
  await terminal.type(CTRL_C);
  assertEquals(await terminal.ended, 130);
  assertMatch(terminal.text(), /^Orders: +\d+/m);
});
