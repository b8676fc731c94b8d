/**
 * The demo as a newcomer sees it: in terminals, in pipes, stopped in the middle.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { defaultNodes, HOST } from "../../dev_broker/config.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { answersKafka } from "../../lib/kafka/probe.ts";
import { checkoutWithBlank, freshEnvironment } from "../support/checkout.ts";
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
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "args"] }).output();
  const left = new TextDecoder().decode(stdout).split("\n").filter((line) =>
    line.includes(run.prefix)
  );
  assertEquals(left, []);
}

Deno.test("demo draws a line per program in place, and nothing wider than the terminal", async () => {
  await using run = await testRun("demo");
  const show = async (words: string, size: [number, number], term?: string) => {
    const terminal = openTerminal(task(`demo --count ${COUNT} ${words}`), {
      env: envOf(run, term),
      size,
    });
    assertEquals(await terminal.ended, 0, terminal.text());
    return terminal.text();
  };
  const narrow = await show("", [60, 20]);
  assertEquals(drawnLines(narrow).filter((line) => [...line].length > 60), []);
  const screen = screenOf(narrow);
  assertEquals(screen.filter((line) => line.startsWith("producer ")).length, 1, narrow);
  assert(screen.some((line) => /^analytics +━+ +2,000 of 2,000 counted/.test(line)), narrow);
  assert(screen.includes("Everything adds up."), narrow);

  const unknown = await show("--plain", [0, 0]);
  assertEquals(drawnLines(unknown).filter((line) => [...line].length > 80), []);
  const dumb = await show("--plain", [80, 24], "dumb");
  assertEquals(drawnLines(dumb).filter((line) => line.startsWith("producer ")).length, 1, dumb);
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
  assert(killed.orders_counted >= COUNT / 3 && killed.orders_sent < COUNT, JSON.stringify(killed));
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
    await eventually(`it shows ${at}`, () => at.test(terminal.text()), 60_000);
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

Deno.test("demo shows once why no broker can be started", async () => {
  // With a broker at the default address it starts none.
  if (await answersKafka(HOST, defaultNodes(1)[0]!.port) !== "nothing") return;
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
