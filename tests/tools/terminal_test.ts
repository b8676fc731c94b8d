/**
 * Ctrl-C and a closed terminal, as people have them: each task runs through `deno task` in a terminal of
 * its own, where one Ctrl-C reaches a program two or three times.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { nodeStatus } from "../../dev_broker/cluster.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { checkoutWithBlank, freshEnvironment, prepareBroker } from "../support/checkout.ts";
import { eventually, testRun } from "../support/run.ts";

const TIMES = 10;
const CTRL_C = "\x03";

/** A task in a terminal, by `script` of util-linux. */
interface Terminal {
  /** All that it has shown. */
  text(): string;
  /** Types. */
  type(keys: string): Promise<void>;
  /** Closes the terminal, as its window's button does. */
  close(): void;
  /** Its exit code. */
  ended: Promise<number>;
}

function openTerminal(
  command: string,
  { cwd = ".", env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Terminal {
  const process = new Deno.Command("script", {
    cwd,
    args: ["--quiet", "--return", "--flush", "--command", command, "/dev/null"],
    clearEnv: true,
    env: { ...freshEnvironment(), NO_COLOR: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const reading = (async () => {
    for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  const keys = process.stdin.getWriter();
  return {
    text: () => text,
    type: (typed) => keys.write(new TextEncoder().encode(typed)),
    close: () => process.kill("SIGKILL"),
    ended: process.status.then(async ({ code }) => {
      await reading;
      await keys.close().catch(() => {});
      return code;
    }),
  };
}

/** A task, when to stop it, and what it must have printed at its end. */
interface Case {
  task: string;
  isAtWork: RegExp;
  total: RegExp;
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
];

for (const { task, isAtWork, total } of CASES) {
  Deno.test(`one Ctrl-C is one Ctrl-C: deno task ${task}, ${TIMES} times`, async () => {
    await using run = await testRun("terminal");
    await run.json("producer.ts", ["--count", "100"]);
    const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
    const stop = async (index: number) => {
      const words = task.replace("REPORT", run.file).replace(
        /^(inventory|analytics)/,
        `$1 --group g${index}`,
      );
      const terminal = openTerminal(`'${Deno.execPath()}' task --quiet ${words}`, { env });
      await eventually(`${task} works`, () => isAtWork.test(terminal.text()));
      await terminal.type(CTRL_C);
      assertEquals(await terminal.ended, 130, terminal.text());
      assertMatch(terminal.text(), total);
    };
    for (let index = 0; index < TIMES; index += 2) {
      await Promise.all([stop(index), stop(index + 1)]);
    }
  });
}

Deno.test("a service whose terminal is closed commits, leaves its group and ends", async () => {
  await using run = await testRun("hangup");
  await run.json("producer.ts", ["--count", "100"]);
  const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
  const terminal = openTerminal(`'${Deno.execPath()}' task --quiet inventory`, { env });
  await eventually("it works", () => /^group \S+ turns/m.test(terminal.text()));
  const admin = adminPool(run.settings);
  const members = async () => {
    const { groups } = await admin.use((client) =>
      client.describeGroups([`${run.prefix}inventory`])
    );
    return groups[0]!.members.length;
  };
  await eventually("it is a member", async () => await members() === 1);
  terminal.close();
  await terminal.ended;
  await eventually("it has left its group", async () => await members() === 0, 4_000);
  await admin.close();
});

Deno.test("Ctrl-C while the development broker starts leaves none", async () => {
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
});
