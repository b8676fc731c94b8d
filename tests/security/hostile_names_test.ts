/**
 * Names, ids, keys, values and reasons that others choose, as the programs show them: in a terminal with
 * colours, where they must not steer it, in JSON and in report files.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { ROOT } from "../../dev_broker/files.ts";
import { writeState } from "../../dev_broker/state.ts";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { AssignerProtocol } from "../../lib/kafka/kafkajs/mod.ts";
import { orderEvents } from "../../lib/topics.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";
import { openTerminal, task } from "../support/terminal.ts";

/** It clears the screen, shows a lag of its own choice, turns what follows around, and sets the title. */
const NAME =
  "\x1b[2J\x1b[32mOK\x1b[39m  lag 0\x9b1A\u202e\u2066\r\n\x1b]0;title\x07 \x1b[1mbold\x1b[22m";
/** What the programs themselves send: colours, and those only around their own words. */
// deno-lint-ignore no-control-regex
const OWN_COLOUR = /\x1b\[(?:3\d|1|2)m([^\x1b]*)\x1b\[(?:39|22)m/g;
// deno-lint-ignore no-control-regex
const STEERING = /[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/u;

/** The text without colours of the programs; fails when there is anything else that steers. */
function harmless(text: string): string {
  const shown = text.replace(OWN_COLOUR, "$1").replace(OWN_COLOUR, "$1");
  const at = shown.search(STEERING);
  assertEquals(at === -1 ? "" : JSON.stringify(shown.slice(at, at + 60)), "");
  return shown;
}

/** What a task shows in a terminal with colours. */
async function shownBy(words: string, run: TestRun): Promise<string> {
  const terminal = openTerminal(task(words), {
    env: { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix, NO_COLOR: "", TERM: "xterm" },
    size: [200, 50],
  });
  await terminal.ended;
  return terminal.text();
}

type Consumer = Parameters<ReturnType<typeof kafkaClient>["consumer"]>[0];
type Assigner = NonNullable<NonNullable<Consumer>["partitionAssigners"]>[number];

/** What no decoder takes for the topics of a member. */
const GARBAGE = Buffer.from([0x1b]);

const undecodable: Assigner = () => ({
  name: "undecodable",
  version: 0,
  protocol: () => ({ name: "undecodable", metadata: GARBAGE }),
  assign: ({ members }) =>
    Promise.resolve(members.map(({ memberId }) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: 0,
        assignment: {},
        userData: Buffer.alloc(0),
      }),
    }))),
});

async function member(
  run: TestRun,
  group: string,
  assigners: Assigner[] = [],
): Promise<AsyncDisposable> {
  const client = kafkaClient({ ...run.settings, clientId: NAME });
  const consumer = client.consumer({
    groupId: run.prefix + group,
    ...(assigners.length > 0 && { partitionAssigners: assigners }),
  });
  let hasJoined = false;
  let isRunning = false;
  consumer.on("consumer.group_join", () => void (hasJoined = true));
  consumer.on("consumer.crash", () => void (isRunning = false));
  // It crashes while the coordinator of a new group is not there yet.
  await eventually("the member joins", async () => {
    if (!isRunning) {
      isRunning = true;
      await consumer.connect();
      await consumer.subscribe({ topic: orderEvents(run.prefix).name, fromBeginning: true });
      await consumer.run({ eachMessage: () => Promise.resolve() });
    }
    return hasJoined;
  });
  return { [Symbol.asyncDispose]: () => consumer.disconnect() };
}

Deno.test("lag shows groups and clients with hostile names as text", async () => {
  await using run = await testRun("hostile-names");
  await run.json("producer.ts", ["--count", "50"]);
  await using _hostile = await member(run, NAME);
  await using _undecodable = await member(run, "undecodable", [undecodable]);

  const shown = harmless(await shownBy("lag --interval 200ms", run));
  assertStringIncludes(shown, String.raw`\u001b[32mOK\u001b[39m  lag 0\u009b1A\u202e\u2066`);
  // A group that is not there: the message names those that are.
  const missing = harmless(await shownBy("lag --group undecodable-1 --timeout 1h", run));
  assertStringIncludes(missing, "there is no group");
  assertStringIncludes(missing, String.raw`\u001b[2J`);
  const replay = harmless(await shownBy("replay --group x --to earliest", run));
  assert(replay !== "");

  const { groups } = await lagOf(run);
  assertEquals(groups.map(({ group }) => group).sort(), [run.prefix + NAME]);
  assert(groups[0]!.partitions.every(({ client }) => client === NAME));
  const { stdout } = await run.start("lag.ts", ["--json", "--interval", "100ms"]).ended;
  harmless(stdout);

  const chosen = await lagOf(run, "--group", "undecodable");
  assertEquals([chosen.groups[0]!.members, chosen.groups[0]!.partitions[0]!.client], [1, null]);
});

interface Lag {
  groups: { group: string; members: number; partitions: { client: string | null }[] }[];
}

async function lagOf(run: TestRun, ...args: string[]): Promise<Lag> {
  const { stdout, stderr } = await run.start("lag.ts", ["--json", "--interval", "100ms", ...args])
    .ended;
  assert(stdout !== "", stderr);
  return JSON.parse(stdout);
}

Deno.test("show and the report of inventory show hostile keys, values, ids and reasons as text", async () => {
  await using run = await testRun("hostile-records");
  await run.json("producer.ts", ["--count", "3"]);
  const id = NAME.slice(0, 60);
  const order = {
    ...{ event_type: "OrderPlaced", order_id: id, user_id: id, status: "placed" },
    items: [{ item_id: id, quantity: 1, price: 1 }],
    ...{ total_amount: 1, timestamp: "2024-01-15T10:30:00Z" },
  };
  const producer = kafkaClient(run.settings).producer();
  await producer.connect();
  const headers = { [NAME]: NAME };
  await producer.send({
    topic: orderEvents(run.prefix).name,
    messages: [
      { key: NAME, value: JSON.stringify(order), headers },
      { key: NAME, value: NAME, headers },
      { key: NAME, value: JSON.stringify({ ...order, status: NAME }), headers },
      // No time: Date has fewer.
      { key: NAME, value: "late", timestamp: String(-(2n ** 62n)) },
    ],
  });
  await producer.disconnect();
  const report = await Deno.makeTempFile();
  try {
    await run.json("inventory.ts", ["--until-end", "--output", report]);
    assertStringIncludes(harmless(await Deno.readTextFile(report)), String.raw`\u001b[2J`);
  } finally {
    await Deno.remove(report);
  }
  for (const what of ["orders", "movements", "dead-letters"]) {
    for (const flags of ["", " --json"]) {
      const shown = harmless(await shownBy(`show ${what} --tail 20${flags}`, run));
      assertStringIncludes(shown, String.raw`\u001b[2J`);
    }
  }
  const { stdout } = await run.start("show.ts", ["orders", "--json", "--tail", "20"]).ended;
  const records = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(records.filter(({ key }) => key === NAME).length, 4);
  assertEquals(records.filter(({ time }) => time === null).length, 1);
});

Deno.test("all that prints escapes all that it is given, except the colours of results", async () => {
  const module = (path: string) => `"${import.meta.resolve(`../../lib/${path}`)}"`;
  const code = `
    import { printError, printNote, printPaintedNote, printResult, printWarning } from ${
    module("cli/output.ts")
  };
    import { LiveLines } from ${module("cli/live_lines.ts")};
    import { visible } from ${module("visible_text.ts")};
    import { setColorEnabled, green } from "@std/fmt/colors";
    setColorEnabled(true);
    const name = ${JSON.stringify(NAME)};
    [printError, printNote, printWarning].forEach((print) => print(name));
    [printResult, printPaintedNote].forEach((print) => print(green(visible(name))));
    const lines = new LiveLines(true);
    lines.note(green(visible(name)));
    lines.show([visible(name), "\\x9b2J\\u202e\\x1b]0;t\\x07"]);
    lines.close();
  `;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, code);
  const terminal = openTerminal(
    `'${Deno.execPath()}' run -q --no-prompt --config '${ROOT}/deno.json' --allow-env=TERM '${file}' 2>&1`,
    { env: { NO_COLOR: "", TERM: "xterm" }, size: [200, 50] },
  );
  assertEquals(await terminal.ended, 0, terminal.text());
  await Deno.remove(file);
  // deno-lint-ignore no-control-regex
  const shown = harmless(terminal.text().replace(/\x1b\[\d*[AJ]/g, ""));
  assertEquals(shown.split(String.raw`\u001b[32mOK`).length - 1, 7);
  assertStringIncludes(shown, String.raw`\u009b2J\u202e\u001b]0;t\u0007`);
});

Deno.test("the log of a container is shown as text", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await writeState(directory, { engine: "docker" });
    // What Docker would pass on.
    await Deno.writeTextFile(`${directory}/log`, `kafka-1  | joined: ${NAME}\nkafka-1  | end\n`);
    const docker = `#!/bin/sh\ncase "$*" in *logs*) cat "${directory}/log";; esac\n`;
    await Deno.writeTextFile(`${directory}/docker`, docker, { mode: 0o755 });
    const terminal = openTerminal(task(`logs --data ${directory}`), {
      env: { PATH: `${directory}:${Deno.env.get("PATH")}`, NO_COLOR: "", TERM: "xterm" },
      size: [200, 50],
    });
    assertEquals(await terminal.ended, 0, terminal.text());
    const shown = harmless(terminal.text());
    assertStringIncludes(shown, String.raw`joined: \u001b[2J`);
    assertStringIncludes(shown, "kafka-1  | end");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
