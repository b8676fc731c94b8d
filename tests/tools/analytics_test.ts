/**
 * analytics.ts and its report file.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { eventually, testRun } from "../support/run.ts";

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("analytics.ts writes its last report, also when the file was deleted meanwhile", async () => {
  await using run = await testRun("report");
  await run.json("producer.ts", ["--count", "100"]);
  const analytics = run.start("analytics.ts", ["--output", run.file]);
  await eventually("the report is there", () => isThere(run.file));
  await Deno.remove(run.file);
  analytics.kill("SIGTERM");
  const { exitCode, stdout } = await analytics.ended;
  assertEquals(exitCode, 143);
  assertEquals((await Deno.readTextFile(run.file)).trimEnd(), stdout.trimEnd());

  // The same group for another kind of service.
  const inventory = await run.start("inventory.ts", ["--group", "analytics"]).ended;
  assertEquals(inventory.exitCode, 2);
  assertStringIncludes(inventory.stderr, `group ${run.prefix}analytics is one of analytics`);
});
