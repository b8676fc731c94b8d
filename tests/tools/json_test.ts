/**
 * `--json` of the programs: results and messages in one style, also those of wrong use.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Script } from "../../lib/cli/launch.ts";
import { jsonLines, messageLines } from "../support/json_lines.ts";
import { testRun } from "../support/run.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("with --json the programs print objects of one style, to stdout and to stderr", async () => {
  await using run = await testRun("json");
  const json = async (script: Script, ...args: string[]) => {
    const { exitCode, stdout, stderr } = await run.start(script, ["--json", ...args]).ended;
    assertEquals(exitCode, 0, `${script}: ${stderr}`);
    const messages = messageLines(stderr);
    assert(messages.every(({ level }) => level !== "error"), stderr);
    return { results: jsonLines(stdout), messages };
  };

  const produced = await json("producer.ts", "--count", "1000", "--failure-rate", "0.5");
  assertEquals(produced.results.map((result) => result.total_orders), [1000]);
  const progress = produced.messages.find((message) => "orders_per_second" in message);
  assertEquals(progress?.total_orders, 1000);

  const moved = await json("inventory.ts", "--until-end");
  assertEquals(moved.results.map((result) => result.total_orders), [1000]);

  const analytics = ["--until-end", "--format", "json", "--output", run.file];
  const [counted] = (await json("analytics.ts", ...analytics)).results;
  assertEquals(jsonLines(await Deno.readTextFile(run.file)), [counted!]);
  const failed = Object.values(counted!.failed_orders_by_minute as Record<string, number>);
  assertEquals(failed.reduce((sum, count) => sum + count, 0), counted!.failed_orders);
  assertEquals(counted!.failed_orders, produced.results[0]!.failed_orders);
  assertEquals(counted!.failure_rate_percent, produced.results[0]!.failure_rate_percent);

  const [lag] = (await json("lag.ts")).results;
  assertEquals((lag!.groups as unknown[]).length, 2);
  const group = ["--group", "analytics"];
  assertEquals((await json("replay.ts", ...group, "--to", "-1h")).results[0]!.read_again, 1000);
  assertEquals((await json("replay.ts", ...group, "--verify")).results[0]!.total_orders, 1000);
  for (const command of ["orders", "movements", "metrics"]) {
    assertEquals((await json("show.ts", command, "--tail", "3")).results.length, 3);
  }
});

Deno.test("deno task demo --json prints one object, and the messages of its programs as objects", async () => {
  await using run = await testRun("json");
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    cwd: ROOT,
    args: ["run", "-A", "demo.ts", "--json", "--count", "50", "--brokers", run.brokers],
  }).output();
  const [result, ...more] = jsonLines(new TextDecoder().decode(stdout));
  assertEquals([result?.adds_up, more], [true, []]);
  assert(messageLines(new TextDecoder().decode(stderr)).length > 0);
});

Deno.test("--json also holds for wrong use and failures, and --quiet leaves out the notes", async () => {
  await using run = await testRun("json");
  for (
    const [args, expected] of [
      [["--cuont", "5"], "unknown flag --cuont (did you mean --count?)"],
      [["--from", "there-is-no-such-file"], "there is no such file"],
      [["--count", "1", "--brokers", "127.0.0.1:1", "--timeout", "1ms"], "127.0.0.1:1"],
    ] as const
  ) {
    const { stdout, stderr } = await run.start("producer.ts", [...args, "--json"]).ended;
    const last = messageLines(stderr).at(-1);
    assertEquals([last?.level, String(last?.message).includes(expected)], ["error", true], stderr);
    assert(jsonLines(stdout).length <= 1);
  }

  const { stdout, stderr } = await run.start("producer.ts", ["--count", "1000", "--quiet"]).ended;
  assertMatch(stdout, /^Orders acknowledged: 1000$/m);
  assertEquals(stderr, "");
  const quiet = await run.start("producer.ts", ["--cuont", "--quiet"]).ended;
  assertMatch(quiet.stderr, /^error: unknown flag/);
});
