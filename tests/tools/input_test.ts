/**
 * producer.ts --from with input that comes slowly, ends never, or cannot be opened.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { collect, commandOf, type Script } from "../../lib/cli/launch.ts";
import { encodeOrder } from "../../lib/order.ts";
import { orderGenerator } from "../../lib/order_generator.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

const nextOrder = orderGenerator({ seed: 3, failureRate: 0, eventTimeMs: () => 0 });
const line = () => new TextEncoder().encode(`${encodeOrder(nextOrder())}\n`);

/** Starts producer.ts with a stdin to write to. */
function produce(run: TestRun, ...args: string[]) {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...commandOf("producer.ts", run.brokers), "--topic-prefix", run.prefix, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let noted = "";
  const stdout = collect(process.stdout);
  const stderr = collect(process.stderr, (text) => noted += `${text}\n`);
  const ended = process.status.then(async ({ code }) => ({
    exitCode: code,
    stdout: await stdout,
    stderr: await stderr,
  }));
  return { process, stdin: process.stdin.getWriter(), noted: () => noted, ended };
}

for (const args of [["--from", "-"], ["--from", "-", "--rate", "1000"]]) {
  Deno.test(`producer.ts ${args.join(" ")} sends a line without waiting for more; a signal ends it`, async () => {
    await using run = await testRun("input");
    const { process, stdin, ended } = produce(run, ...args);
    for (let count = 1; count <= 3; count++) {
      await stdin.write(line());
      await eventually(`${count} orders are stored`, async () => {
        // The topic is created by the program, a moment after its start.
        const stored = await readLedger(run, { inventory: false }).catch(() => undefined);
        return stored?.orders === count;
      });
    }
    await stdin.write(line());
    process.kill("SIGINT");
    const { exitCode, stdout } = await ended;
    assertEquals(exitCode, 130);
    const acknowledged = Number(/^Orders acknowledged: (\d+)/m.exec(stdout)?.[1]);
    assert(acknowledged >= 3, stdout);
    assertEquals((await readLedger(run, { inventory: false })).orders, acknowledged);
    await stdin.close().catch(() => {});
  });
}

Deno.test("producer.ts waits for the writer of a FIFO, and a signal ends the waiting", async () => {
  await using run = await testRun("input");
  const directory = await Deno.makeTempDir();
  const fifo = `${directory}/fifo`;
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  const { process, stdin, noted, ended } = produce(run, "--from", fifo);
  await eventually("it waits", () => noted().includes("waiting for a writer"));
  process.kill("SIGINT");
  assertEquals((await ended).exitCode, 130);
  await stdin.close().catch(() => {});
  await Deno.remove(directory, { recursive: true });
});

Deno.test("producer.ts takes /dev/stdin for stdin, and says what to use for other files of /dev", async () => {
  await using run = await testRun("input");
  const { stdin, ended } = produce(run, "--from", "/dev/stdin", "--json");
  await stdin.write(line());
  await stdin.close();
  const { exitCode, stdout } = await ended;
  assertEquals([exitCode, JSON.parse(stdout).total_orders], [0, 1]);

  const refused = produce(run, "--from", "/dev/shm");
  assertStringIncludes((await refused.ended).stderr, "use --from - < FILE");
  assertEquals((await refused.ended).exitCode, 2);
  await refused.stdin.close().catch(() => {});
});

Deno.test("producer.ts names the first bad lines of a wrong file, and what makes lines of an array", async () => {
  await using run = await testRun("input");
  const { stdin, ended } = produce(run, "--from", "-", "--json");
  await stdin.write(new TextEncoder().encode(`[\n${"{},\n".repeat(5_000)}`));
  await stdin.write(line());
  await stdin.close();
  const { exitCode, stdout, stderr } = await ended;
  const { total_orders, rejected_lines } = JSON.parse(stdout);
  assertEquals([exitCode, total_orders, rejected_lines], [1, 1, 5_001]);
  assertStringIncludes(stderr, "jq -c '.[]'");
  assertEquals(stderr.match(/"level":"warning","message":"line/g)?.length, 20);
});

Deno.test("a program whose only work is output ends when its reader goes", async () => {
  await using run = await testRun("pipe");
  await run.json("producer.ts", ["--count", "50"]);
  for (
    const args of [["lag.ts", "--watch", "--interval", "100ms", "--json"], [
      "show.ts",
      "orders",
      "--follow",
      "--json",
    ]]
  ) {
    const [script, ...rest] = args;
    const process = new Deno.Command(Deno.execPath(), {
      args: [...commandOf(script as Script, run.brokers), "--topic-prefix", run.prefix, ...rest],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = process.stdout.getReader();
    await reader.read();
    await reader.cancel();
    if (script === "show.ts") await run.json("producer.ts", ["--count", "5", "--seed", "9"]);
    assertEquals((await process.status).code, 0, script);
  }
});
