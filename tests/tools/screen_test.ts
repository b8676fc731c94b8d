/**
 * What a terminal shows: text from elsewhere, sizes, and terminals that understand no escapes.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { displayWidth } from "../../lib/cli/text.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { orderEvents } from "../../lib/topics.ts";
import { visible } from "../../lib/visible_text.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";
import { CTRL_C, openTerminal, task } from "../support/terminal.ts";

/** A name that would clear the screen and show a lag of its own choice. */
const NAME = "\x1b[2J\x1b[32mOK lag 0\x07\r\n漢字e\u0301🍔\u202e";
/** What the live screen itself sends. */
const SCREEN = ["\x1b[?1049h", "\x1b[?1049l", "\x1b[H", "\x1b[K", "\x1b[J"];
const SIZES = [[200, 50], [80, 24], [80, 10], [40, 10], [20, 3], [0, 0]] as const;

function envOf(run: TestRun) {
  return { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
}

/** A member of a group, both with a name that holds escapes. */
async function strangeMember(run: TestRun): Promise<AsyncDisposable> {
  const consumer = kafkaClient({ ...run.settings, clientId: NAME })
    .consumer({ groupId: run.prefix + NAME });
  const joined = Promise.withResolvers<void>();
  consumer.on("consumer.group_join", () => joined.resolve());
  await consumer.connect();
  await consumer.subscribe({ topic: orderEvents(run.prefix).name, fromBeginning: true });
  await consumer.run({ eachMessage: () => Promise.resolve() });
  await joined.promise;
  return { [Symbol.asyncDispose]: () => consumer.disconnect() };
}

/** The lines of each whole frame. */
function framesOf(text: string): string[][] {
  return text.split(SCREEN[2]!).slice(1, -1).map((frame) =>
    SCREEN.reduce((rest, sequence) => rest.replaceAll(sequence, ""), frame)
      .replaceAll("\r", "").replace(/\n$/, "").split("\n")
  );
}

Deno.test("lag --watch shows ids from elsewhere as text, in terminals of any size", async () => {
  await using run = await testRun("screen");
  await run.json("producer.ts", ["--count", "100"]);
  await using _member = await strangeMember(run);
  const watch = async ([columns, rows]: readonly [number, number]) => {
    const size = [columns, rows] as const;
    const terminal = openTerminal(task("lag --watch --interval 200ms"), { env: envOf(run), size });
    await eventually("it is refreshed", () => framesOf(terminal.text()).length >= 3);
    await terminal.type(CTRL_C);
    assertEquals(await terminal.ended, 130);
    const text = SCREEN.reduce((rest, each) => rest.replaceAll(each, ""), terminal.text());
    assertEquals(visible(text.replace(/[\r\n]/g, "")), text.replace(/[\r\n]/g, ""));
    for (const lines of framesOf(terminal.text())) {
      assert(lines.length <= (rows || 24), lines.join("\n"));
      assert(lines.every((line) => displayWidth(line) <= (columns || 80)), lines.join("\n"));
    }
    return framesOf(terminal.text()).at(-1)!;
  };
  const frames = [];
  for (const size of SIZES) frames.push(await watch(size));
  const [wide, usual, low] = frames.map((lines) => lines.join("\n"));
  assertStringIncludes(wide!, visible(run.prefix + NAME));
  assertStringIncludes(wide!, visible(NAME));
  assertStringIncludes(usual!, "Ctrl-C to quit");
  assertMatch(low!, /^… \d+ more lines; make the window taller or use --group\nCtrl-C to quit$/m);
  const table = frames[0]!.slice(frames[0]!.findIndex((line) => /^ +P /.test(line)));
  const member = table[0]!.indexOf("MEMBER");
  for (const row of table.slice(1, 7)) assertEquals(row.indexOf(visible(NAME)), member, row);
});

Deno.test("lag cuts nothing in a pipe, and a warning of replay holds no escapes", async () => {
  await using run = await testRun("screen");
  await run.json("producer.ts", ["--count", "100"]);
  await using _member = await strangeMember(run);
  const lag = await run.start("lag.ts").ended;
  assertMatch(lag.stdout, new RegExp(`${RegExp.escape(visible(NAME))}-[0-9a-f-]{36}$`, "m"));
  const replay = await run.start("replay.ts", ["--group", NAME, "--to", "earliest"]).ended;
  assertEquals(replay.exitCode, 0, replay.stderr);
  for (const text of [lag.stdout, replay.stdout, replay.stderr]) {
    assertStringIncludes(text, visible(NAME));
    assertEquals(visible(text.replaceAll("\n", "")), text.replaceAll("\n", ""));
  }
});

Deno.test("lag --watch takes a new size before the next interval", async () => {
  await using run = await testRun("screen");
  await run.json("producer.ts", ["--count", "100"]);
  await run.json("inventory.ts", ["--until-end"]);
  const words = task("lag --watch --interval 1h");
  const terminal = openTerminal(`sh -c "tty; exec ${words}"`, { env: envOf(run), size: [80, 24] });
  await eventually("it shows the group", () => terminal.text().includes("Ctrl-C to quit"));
  const device = /^\/dev\S+/m.exec(terminal.text())![0];
  await new Deno.Command("stty", { args: ["-F", device, "cols", "30", "rows", "5"] }).output();
  await eventually("it is cut", () => /… \d+ more lines\s/.test(terminal.text()));
  await terminal.type(CTRL_C);
  assertEquals(await terminal.ended, 130);
});

Deno.test("no task sends an escape to a terminal that understands none", async () => {
  await using run = await testRun("dumb");
  const tasks = [
    "produce --count 10",
    "inventory --until-end",
    `analytics --until-end --output ${run.file}`,
    "lag",
    "lag --group nothing",
    "replay --group analytics --to earliest",
    "replay --group analytics --verify",
    "show orders",
    "show dead-letters",
    "ps",
    "demo --help",
    "bench --help",
  ];
  const env = { ...envOf(run), NO_COLOR: "" };
  const all = `sh -c "${tasks.map(task).join("; ")}"`;
  const dumb = openTerminal(all, { env: { ...env, TERM: "dumb" }, size: [80, 24] });
  await dumb.ended;
  for (
    const shown of [
      "Orders acknowledged: 10",
      "ANALYTICS",
      "VERDICT",
      "there is no group",
      "dry run",
      "equal",
      "burger|fries|pizza|order_",
      "Usage:",
    ]
  ) {
    assertMatch(dumb.text(), new RegExp(shown));
  }
  assert(!dumb.text().includes("\x1b"), dumb.text());

  const watching = openTerminal(task("lag --watch --interval 100ms"), {
    env: { ...env, TERM: "dumb" },
  });
  await eventually("it shows samples", () => watching.text().split("VERDICT").length > 3);
  await watching.type(CTRL_C);
  assertEquals(await watching.ended, 130);
  assert(!watching.text().includes("\x1b"), watching.text());

  const plain = openTerminal(task("lag"), { env: { ...env, NO_COLOR: "1", TERM: "xterm" } });
  await plain.ended;
  assert(!plain.text().includes("\x1b"), plain.text());
  const colourful = openTerminal(task("lag"), { env: { ...env, TERM: "xterm" } });
  await colourful.ended;
  assertStringIncludes(colourful.text(), "\x1b[32mOK");
});
