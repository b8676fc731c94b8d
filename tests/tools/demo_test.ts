/**
 * The demo as a newcomer sees it: in terminals, in pipes, stopped in the middle.
 *
 * @module
 */
import { dirname } from "node:path";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { defaultNodes, HOST } from "../../dev_broker/config.ts";
import { isFree } from "../../dev_broker/free_ports.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { checkoutWithBlank, freshEnvironment } from "../support/checkout.ts";
import { optionalTest } from "../support/optional_tests.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";
import { CTRL_C, openTerminal, task } from "../support/terminal.ts";

const COUNT = 2_000;

function envOf(run: TestRun, term = "xterm") {
  return { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix, TERM: term };
}

/** What a terminal shows in the end, line by line, of what a program has written to it. */
function screenOf(text: string): string[] {
  const lines = [""];
  let row = 0;
  // deno-lint-ignore no-control-regex
  for (const [part, rows, name] of text.matchAll(/\x1b\[(\d*)([A-Z])|\r|\n|[^\x1b\r\n]+/g)) {
    if (name === "A") row -= Number(rows || 1);
    else if (name === "J") lines.splice(row, Infinity, "");
    else if (part === "\n") lines[++row] ??= "";
    else if (name === undefined && part !== "\r") lines[row] += part;
  }
  return lines;
}

/** All lines that were ever drawn, without escapes. */
function drawnLines(text: string): string[] {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[\d*[A-Z]/g, "").split(/[\r\n]+/);
}

async function assertNothingLeft(run: TestRun): Promise<void> {
  const admin = adminPool(run.settings);
  const topics = await admin.use((client) => client.listTopics());
  await admin.close();
  assertEquals(topics.filter((topic) => topic.startsWith(run.prefix)), []);
  assertEquals(await processesWith(run.prefix), []);
}

/** The ids of the processes of `deno` with such arguments. */
async function processesWith(args: string): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,args="] }).output();
  const pattern = new RegExp(`deno run .*${args}`);
  return new TextDecoder().decode(stdout).split("\n").filter((line) => pattern.test(line))
    .map((line) => parseInt(line));
}

/** Runs the commands of these tasks that a demo has shown, as they stand. */
async function runShown(text: string, names: string[], env: Record<string, string>): Promise<void> {
  for (const name of names) {
    const [command] = new RegExp(`deno task ${name} [^\\r\\n]+`).exec(text)!;
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: command.split(" ").slice(1),
      clearEnv: true,
      env: { ...freshEnvironment(), ...env },
    }).output();
    assertEquals(code, 0, `${command}: ${new TextDecoder().decode(stderr)}`);
  }
}

Deno.test("demo draws a line per program in place, and nothing wider than the terminal", async () => {
  await using run = await testRun("demo");
  const open = (words: string, size: [number, number], term?: string) =>
    openTerminal(task(`demo --count ${COUNT} ${words}`), { env: envOf(run, term), size });
  const narrow = open(`--topic-prefix ${run.prefix}narrow-`, [60, 20]);
  await eventually("services are killed", () => /kill -9/.test(narrow.text()));
  for (const pid of await processesWith(`demo.ts .*${run.prefix}narrow-`)) {
    Deno.kill(pid, "SIGCONT");
  }
  assertEquals(await narrow.ended, 0, narrow.text());
  assertEquals(drawnLines(narrow.text()).filter((line) => [...line].length > 60), []);
  const screen = screenOf(narrow.text());
  // After Ctrl-Z and fg the lines start anew, so that nothing of the shell is overwritten.
  assertEquals(screen.filter((line) => line.startsWith("producer ")).length, 2, narrow.text());
  assert(screen.some((line) => /^analytics +━+ +2,000 of 2,000 counted/.test(line)), narrow.text());
  assert(screen.includes("Everything adds up."), narrow.text());

  const unknown = open("--plain", [0, 0]);
  assertEquals(await unknown.ended, 0, unknown.text());
  assertEquals(drawnLines(unknown.text()).filter((line) => [...line].length > 80), []);
  assertEquals(screenOf(unknown.text()).filter((line) => /^producer /.test(line)).length, 1);
  const dumb = open("--plain", [80, 24], "dumb");
  assertEquals(await dumb.ended, 0, dumb.text());
  assertEquals(drawnLines(dumb.text()).filter((line) => /^producer /.test(line)).length, 1);
  await runShown(dumb.text(), ["produce", "show"], envOf(run));
});

Deno.test("demo --keep shows what runs, where the report is, and how to go on", async () => {
  await using run = await testRun("demo");
  const terminal = openTerminal(task(`demo --plain --keep --count ${COUNT}`), { env: envOf(run) });
  await eventually("it keeps running", () => /^stop: /m.test(terminal.text()));
  const [, report] = /^report: (\S+)/m.exec(terminal.text())!;
  const [, page] = /^page: +(\S+)/m.exec(terminal.text())!;
  try {
    await runShown(terminal.text(), ["produce", "show"], envOf(run));
    await eventually(
      "the report counts what was added",
      async () => /^Total Orders: 7000$/m.test(await Deno.readTextFile(report!)),
    );
    const html = await (await fetch(page!)).text();
    assertStringIncludes(html, "<title>Order Stream</title>");
    await terminal.type(CTRL_C);
    assertEquals(await terminal.ended, 130, terminal.text());
    assertEquals(await processesWith(run.prefix), []);
  } finally {
    await Deno.remove(dirname(report!), { recursive: true });
    // Other demos may have theirs beside it.
    await Deno.remove(dirname(dirname(report!))).catch(() => {});
  }
});

Deno.test("demo kills both services midway, replaces them and replays, and it all adds up", async () => {
  await using run = await testRun("demo");
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "demo", "--json", "--count", String(COUNT)],
    clearEnv: true,
    env: { ...freshEnvironment(), ...envOf(run) },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const { report, killed, checks, adds_up } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([report.total_orders, adds_up], [COUNT, true]);
  assert(killed.orders_sent > 0 && killed.orders_sent < COUNT, JSON.stringify(killed));
  const actual = (what: string) =>
    checks.find((check: { what: string }) => check.what === what)?.actual;
  assertEquals(actual("new instances at work"), 4);
  assertEquals(actual("orders counted again by the replay"), COUNT);
  assert(actual("report bytes equal after the replay") > 500);
  await assertNothingLeft(run);
});

Deno.test("Ctrl-C at any moment of a demo leaves a whole line, no topic and no process", async () => {
  await using run = await testRun("demo");
  const stop = async (at: RegExp, words = "") => {
    const terminal = openTerminal(task(`demo --count ${COUNT} ${words}`), {
      env: envOf(run),
      size: [80, 24],
    });
    await eventually(`it shows ${at}`, () => at.test(terminal.text()));
    await terminal.type(CTRL_C);
    assertEquals(await terminal.ended, 130, terminal.text());
    assertEquals(screenOf(terminal.text()).at(-1), "", terminal.text());
    assertEquals(/error/.test(terminal.text()), false, terminal.text());
  };
  await Promise.all([stop(/Sends/), stop(/1 instance/)]);
  await Promise.all([stop(/kill -9/), stop(/reading all topics/, "--plain")]);
  await stop(/replay: /);
  await assertNothingLeft(run);
});

const { port } = defaultNodes(1)[0]!;
// With a broker at the default address it starts none.
const taken = isFree({ hostname: HOST, port }) ? undefined : `${HOST}:${port} is in use`;

optionalTest("demo shows once why no broker can be started", taken, async () => {
  await using checkout = await checkoutWithBlank();
  const path = `${checkout.root}/empty`;
  await Deno.mkdir(path);
  const env = { PATH: path, JAVA_HOME: "", KAFKA_BROKERS: "" };
  const [alone, within] = [await checkout.run("up", [], env), await checkout.run("demo", [], env)];
  assertEquals([alone.exitCode, within.exitCode], [1, 1]);
  assertMatch(alone.stderr, /Java/);
  const [before, ...after] = within.stderr.split(alone.stderr);
  assertEquals([before!.split("\n").length, after], [2, [""]], within.stderr);
});
