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
  assertStringIncludes(
    inventory.stderr,
    `group ${run.prefix}analytics belongs to the service analytics`,
  );
});

Deno.test("analytics.ts goes on without the directory of its report, and writes it when it is back", async () => {
  await using run = await testRun("report-directory");
  const directory = `${run.file}.d`;
  const report = `${directory}/report.txt`;
  const isWritten = (orders: number) =>
    Deno.readTextFile(report).then(
      (text) => text.includes(`Total Orders: ${orders}\n`),
      () => false,
    );
  await Deno.mkdir(directory);
  const warnings: string[] = [];
  const analytics = run.start("analytics.ts", ["--output", report], (line) => {
    if (line.startsWith("warning: cannot write")) warnings.push(line);
  });
  await run.json("producer.ts", ["--count", "100"]);
  await eventually("the report is written", () => isWritten(100));
  await Deno.remove(directory, { recursive: true });
  await run.json("producer.ts", ["--count", "50"]);
  await eventually("a warning", () => warnings.length > 0);
  await run.json("producer.ts", ["--count", "50"]);
  await Deno.mkdir(directory);
  await eventually("the report is written again", () => isWritten(200));
  assertEquals(warnings.length, 1);

  await Deno.remove(directory, { recursive: true });
  analytics.kill("SIGTERM");
  const { stdout, stderr } = await analytics.ended;
  assertStringIncludes(stdout, "Total Orders: 200");
  assertStringIncludes(stderr, "error: the last report could not be written");
});
