/**
 * Full disks and closed pipes: messages that cannot be written stop no work, results that cannot be
 * written are an error, and a report comes back.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { collect, commandOf, type Script } from "../../lib/cli/launch.ts";
import { canMount } from "../support/mounts.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** Starts a program inside of a shell command, in which `PROGRAM` stands for it. */
function inShell(run: TestRun, shell: string, [script = "", ...args]: string[]) {
  const command = [...commandOf(script as Script, run.brokers), "--topic-prefix", run.prefix];
  return new Deno.Command("sh", {
    args: ["-c", shell.replace("PROGRAM", 'exec "$0" "$@"'), Deno.execPath(), ...command, ...args],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

const PROGRAMS = [
  ["producer.ts", "--count", "3000"],
  ["inventory.ts", "--until-end"],
  ["analytics.ts", "--until-end", "--output", "-"],
];

Deno.test("messages that cannot be written stop no program", async () => {
  await using run = await testRun("full");
  for (const stderr of ["full-disk", "closed-pipe", "no-stderr"]) {
    for (const program of PROGRAMS) {
      const redirect = { "full-disk": "2>/dev/full", "no-stderr": "2>&-" }[stderr] ?? "";
      const args = [
        ...program,
        "--json",
        ...(program[0] === "producer.ts" ? [] : ["--group", program[0] + stderr]),
      ];
      const process = inShell(run, `PROGRAM ${redirect}`, args);
      await process.stderr.cancel();
      const stdout = await collect(process.stdout);
      assertEquals((await process.status).code, 0, `${program[0]}, ${stderr}`);
      const { total_orders } = JSON.parse(stdout);
      assert(total_orders > 0 && total_orders % 3_000 === 0, `${program[0]}, ${stderr}: ${stdout}`);
    }
  }
});

Deno.test("a result that cannot be written is an error, once the work is done", async () => {
  await using run = await testRun("full");
  for (const program of [...PROGRAMS, ["lag.ts"], ["show.ts", "orders"], ["lag.ts", "--help"]]) {
    const process = inShell(run, "PROGRAM >/dev/full", program);
    const stderr = await collect(process.stderr);
    assertEquals((await process.status).code, 1, `${program}: ${stderr}`);
    assertMatch(stderr, /^error: cannot write the result to stdout: No space left on device$/m);
    assertEquals(/^ +at /m.exec(stderr), null, "no stack");
  }
  const { groups } = await run.json("lag.ts") as { groups: { lag: number }[] };
  assertEquals(groups.map(({ lag }) => lag), [0, 0]);
});

Deno.test({
  name:
    "analytics.ts counts on while the disk of its report is full, and writes the report once it is not",
  ignore: !canMount(),
  fn: async () => {
    await using run = await testRun("full");
    await run.json("producer.ts", ["--count", "100"]);
    const shell = `exec unshare -m sh -c '
      mount -t tmpfs -o size=8k none /mnt && echo old >/mnt/report && head -c 8k /dev/zero >/mnt/filler
      exec "$0" "$@"' "$0" "$@"`;
    const process = inShell(run, shell, ["analytics.ts", "--output", "/mnt/report"]);
    let noted = "";
    const stdout = collect(process.stdout);
    const stderr = collect(process.stderr, (line) => noted += `${line}\n`);
    await eventually("it warns", () => noted.includes("warning: cannot write /mnt/report"));
    await run.json("producer.ts", ["--count", "100"]);
    const place = `/proc/${process.pid}/root/mnt`;
    assertEquals(await Deno.readTextFile(`${place}/report`), "old\n");
    await Deno.remove(`${place}/filler`);
    await eventually("the report is back", async () => {
      const report = await Deno.readTextFile(`${place}/report`);
      return report.includes("Total Orders: 200");
    });
    process.kill("SIGTERM");
    assertEquals((await process.status).code, 143);
    assertMatch(await stdout, /^Total Orders: 200$/m);
    assertEquals((await stderr).match(/cannot write/g)?.length, 1, "one warning");
  },
});
