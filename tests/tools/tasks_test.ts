/**
 * The tasks of deno.json as a user starts them, but without a terminal, where a missing permission
 * is an error and not a question. The paths of the checkout, of `deno` and of Java contain a blank.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findJava } from "../../dev_broker/java.ts";
import {
  checkoutWithBlank,
  chooseFreePorts,
  freshEnvironment,
  prepareBroker,
} from "../support/checkout.ts";
import { jsonLines, messageLines } from "../support/json_lines.ts";
import { eventually, testRun } from "../support/run.ts";
import { parseFlags } from "../../lib/cli/flags.ts";
import { FLAGS } from "../support/program_flags.ts";
import * as show from "../../show.ts";
import * as soak from "../fault/soak.ts";
import config from "../../deno.json" with { type: "json" };

/** What each task prints with `--help`. */
const HELP: Record<string, RegExp> = {
  acls: /^Gives each program/,
  analytics: /^Counts orders/,
  bench: /^Compares/,
  broker: /^Starts, stops and shows/,
  dashboard: /^Shows the service live/,
  demo: /^Runs the whole flow/,
  "demo-program": /^Runs the whole flow/,
  fuzz: /^Run tests/,
  down: /^Stop the broker/,
  inventory: /^Turns each order/,
  lag: /^Shows the lag/,
  logs: /^Print the log/,
  "page-load": /^Measures the page/,
  produce: /^Publishes orders/,
  ps: /^Show whether/,
  replay: /^Moves a consumer group/,
  show: /^Shows orders/,
  restart: /^Stop the broker and start it again/,
  soak: /^Does faults/,
  test: /^Run tests/,
  up: /^Start the broker/,
};
/**
 * `ok` checks the types of the whole tree, which takes long: .ci/run starts it. `docs` has a test below,
 * `audit` in supply_chain_test.ts; `jars` downloads what `up` would.
 */
const WITHOUT_HELP = ["audit", "docs", "jars", "ok"];

const ORDER =
  '{"event_type":"OrderPlaced","order_id":"order_1","user_id":"user_1","items":[{"item_id":"burger",' +
  '"quantity":2,"price":10}],"total_amount":20,"status":"placed","timestamp":"2024-01-15T10:30:00Z"}';

/** Parses an example of `--help` with the flags of its task. */
function requireParsable(example: string): void {
  const [, task = "", rest = ""] = /^deno task ([\w-]+)(.*)$/.exec(example) ?? [];
  assert(task in FLAGS, `"${example}" starts no program`);
  const words = rest.replace(/ [<>] .*/, "").split(" ").filter((word) => word !== "");
  const { operands } = parseFlags(FLAGS[task]!, words);
  const commands = Object.keys({ show: show.commands, soak: soak.commands }[task] ?? { "": "" });
  assert(commands.includes(operands.join(" ")), `"${example}": ${operands}`);
}

async function fileNames(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
}

Deno.test("every task starts", async () => {
  assertEquals([...Object.keys(HELP), ...WITHOUT_HELP].sort(), Object.keys(config.tasks).sort());
  await using checkout = await checkoutWithBlank();
  for (const [name, help] of Object.entries(HELP)) {
    const { exitCode, stdout, stderr } = await checkout.run(name, ["--help"]);
    assertEquals(exitCode, 0, `${name}: ${stderr}`);
    assertMatch(stdout, help);
    // `deno test` has its own help.
    const wide = stdout.split("\n").filter((line) => [...line].length > 80);
    if (["fuzz", "test"].includes(name)) continue;
    assertEquals(wide, [], `${name} --help is wider than 80 columns`);
    const examples = stdout.split("Examples:\n")[1]!.trim().split("\n");
    assert(examples.length >= 2, `${name} --help has two examples`);
    for (const example of examples) requireParsable(example.trim());
  }
});

Deno.test("deno task docs writes docs/asyncapi.yaml and docs/openapi.yaml", async () => {
  await using checkout = await checkoutWithBlank();
  const files = ["asyncapi", "openapi"].map((name) => `${checkout.root}/docs/${name}.yaml`);
  const read = () => Promise.all(files.map((file) => Deno.readTextFile(file)));
  const before = await read();
  for (const file of files) await Deno.remove(file);
  const { exitCode, stderr } = await checkout.run("docs");
  assertEquals([exitCode, await read()], [0, before], stderr);
});

Deno.test("the tasks of the programs do their work on a broker", async () => {
  await using test = await testRun("tasks");
  await using checkout = await checkoutWithBlank();
  const env = { KAFKA_BROKERS: test.brokers, TOPIC_PREFIX: test.prefix };
  const json = async (name: string, args: string[]) => {
    const { exitCode, stdout, stderr } = await checkout.run(name, ["--json", ...args], env);
    assertEquals(exitCode, 0, `${name}: ${stderr}`);
    return JSON.parse(stdout);
  };

  const file = `one of "today's" $(echo orders) -- \`.ndjson`;
  await Deno.writeTextFile(`${checkout.root}/${file}`, ORDER);
  assertEquals((await json("produce", ["--from", file])).total_orders, 1);
  assertEquals((await json("produce", ["--count", "4"])).total_orders, 4);
  assertEquals((await json("inventory", ["--until-end"])).total_orders, 5);
  assertEquals((await json("analytics", ["--until-end"])).total_orders, 5);
  assertEquals((await json("lag", [])).groups.length, 2);
  assertEquals(
    (await json("replay", ["--group", "analytics", "--to", "earliest"])).executed,
    false,
  );
});

Deno.test("files are found and written where the user stands", async () => {
  await using test = await testRun("tasks");
  await using checkout = await checkoutWithBlank();
  const place = `${checkout.root}/../a place, of "orders"`;
  await Deno.mkdir(place);
  await Deno.writeTextFile(`${place}/orders.ndjson`, ORDER);
  const env = { KAFKA_BROKERS: test.brokers, TOPIC_PREFIX: test.prefix };
  const config = ["--config", `${checkout.root}/deno.json`];
  const run = async (name: string, args: string[]) => {
    const { success, stderr } = await new Deno.Command(`${checkout.root}/../deno`, {
      cwd: place,
      args: ["task", "--quiet", ...config, name, ...args],
      clearEnv: true,
      env: { ...freshEnvironment(), NO_COLOR: "1", ...env },
    }).output();
    assertEquals(success, true, new TextDecoder().decode(stderr));
  };
  await run("produce", ["--from", "orders.ndjson"]);
  // A link leads out of this place, as a path with `..` does.
  await Deno.symlink("../linked.txt", `${place}/link.txt`);
  for (const output of ["../above.txt", "link.txt"]) {
    await run("analytics", ["--until-end", "--output", output]);
  }
  for (const name of ["above.txt", "linked.txt"]) {
    assertMatch(await Deno.readTextFile(`${place}/../${name}`), /^Total Orders: 1$/m);
  }
  assertEquals(await Deno.readLink(`${place}/link.txt`), "../linked.txt");
  await Deno.remove(`${place}/link.txt`);
  await run("analytics", ["--until-end", "--output", "report.txt"]);
  assertMatch(await Deno.readTextFile(`${place}/report.txt`), /^Total Orders: 1$/m);
  assertEquals(await fileNames(place), ["orders.ndjson", "report.txt"]);
});

Deno.test("stdin, signals and exit codes pass through a task", async () => {
  await using test = await testRun("tasks");
  await using checkout = await checkoutWithBlank();
  const env = { KAFKA_BROKERS: test.brokers, TOPIC_PREFIX: test.prefix };

  const producer = checkout.start("produce", ["--from", "-"], env);
  const writer = producer.process.stdin.getWriter();
  await writer.write(new TextEncoder().encode("{}\n"));
  await writer.close();
  const { exitCode, stderr } = await producer.ended;
  assertStringIncludes(stderr, "line 1");
  assertEquals(exitCode, 1);
  assertEquals((await checkout.run("produce", ["--count", "0"], env)).exitCode, 2);

  const inventory = checkout.start("inventory", [], env);
  await inventory.process.stdin.close();
  await eventually("inventory starts", () => inventory.stderr().includes("inventory-events"));
  inventory.process.kill("SIGTERM");
  assertEquals((await inventory.ended).exitCode, 143);
});

Deno.test("a task connects to brokers that only --brokers names, and KAFKA_BROKERS runs no command", async () => {
  await using test = await testRun("tasks");
  await using checkout = await checkoutWithBlank();
  const before = await fileNames(checkout.root);
  // An address that the broker itself does not advertise, and that no environment variable names.
  const [hostname = "", port = ""] = test.brokers.split(":");
  using forwarder = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  const forwarding = (async () => {
    for await (const client of forwarder) {
      const broker = await Deno.connect({ hostname, port: Number(port) });
      client.readable.pipeTo(broker.writable).catch(() => {});
      broker.readable.pipeTo(client.writable).catch(() => {});
    }
  })();
  const brokers = `127.0.0.2:${forwarder.addr.port}`;
  const flags = ["--brokers", brokers, "--topic-prefix", test.prefix, "--json"];
  for (
    const hostile of ["", "$(touch made)", "`touch made`", '"; touch made; "', "' ; touch made '"]
  ) {
    const env = { KAFKA_BROKERS: hostile };
    const { exitCode, stdout, stderr } = await checkout.run(
      "produce",
      ["--count", "3", ...flags],
      env,
    );
    assertEquals([exitCode, JSON.parse(stdout).total_orders], [0, 3], stderr);
  }
  assertEquals(await fileNames(checkout.root), before);
  forwarder.close();
  await forwarding;
});

Deno.test("the tasks of the broker start, show and stop one", async () => {
  await using checkout = await checkoutWithBlank();
  await prepareBroker(checkout);
  const home = `${checkout.root}/java home`;
  await Deno.mkdir(`${home}/bin`, { recursive: true });
  const java = `#!/bin/sh\nexec "${(await findJava()).command}" "$@"\n`;
  await Deno.writeTextFile(`${home}/bin/java`, java, { mode: 0o755 });
  const broker = (name: string, ...args: string[]) => checkout.run(name, args, { JAVA_HOME: home });

  const up = await broker("up");
  try {
    assertEquals(up.exitCode, 0, up.stderr);
    assertStringIncludes(up.stderr, "is ready at");
    assertMatch((await broker("ps")).stdout, /^node 1 {2}ready/);
    const [status] = jsonLines((await broker("ps", "--json")).stdout);
    assertEquals(status?.ready, true);
    assertMatch(String(messageLines((await broker("up", "--json")).stderr)[0]?.message), /already/);
    assertStringIncludes((await broker("logs")).stdout, "Kafka Server started");
    assertEquals((await broker("logs", "--tail", "2")).stdout.trimEnd().split("\n").length, 2);

    const again = await broker("restart");
    assertMatch(again.stderr, /^stopping the broker …\nstopped after .*\nKafka .* is ready at/);
    // The log is silent now, so nothing is written that could show that the reader has gone.
    const following = new Deno.Command("sh", {
      cwd: checkout.root,
      args: ["-c", `'${checkout.deno}' task -q logs -f --tail 1 | head -n 1`],
      env: { JAVA_HOME: home },
    });
    assertEquals((await following.output()).success, true);
  } finally {
    const down = await broker("down", "-v");
    assertEquals([down.exitCode, /deleted its data/.test(down.stderr)], [0, true], down.stderr);
  }
  assertEquals((await broker("ps")).exitCode, 1);
  const misplaced = await broker("up", "-v");
  assertEquals(misplaced.exitCode, 2);
  assertMatch(misplaced.stderr, /--volumes belongs to deno task down, not to deno task up/);
});

Deno.test("up --data takes a directory from where the user stands, and down -v deletes nothing else", async () => {
  await using checkout = await checkoutWithBlank();
  const address = await prepareBroker(checkout);
  const place = `${checkout.root}/../a, place`;
  await Deno.mkdir(`${place}/foreign/logs`, { recursive: true });
  await Deno.writeTextFile(`${place}/foreign/notes`, "");
  await Deno.mkdir(`${place}/kafka/logs`, { recursive: true });
  await Deno.mkdir(`${place}/kafka/bench-1`);
  await Deno.rename(`${checkout.root}/.kafka/broker.json`, `${place}/kafka/broker.json`);
  const broker = (...[name, ...args]: string[]) => checkout.run(name!, args, { INIT_CWD: place });
  try {
    const up = await broker("up", "--data", "kafka/");
    assertEquals(up.exitCode, 0, up.stderr);
    assertStringIncludes((await broker("ps", "--data", "kafka")).stdout, address);
  } finally {
    await broker("down", "-v", "--data", "kafka");
  }
  assertEquals(await fileNames(`${place}/kafka`), ["bench-1", "lock"]);
  for (const name of ["up", "down"]) {
    const { exitCode, stderr } = await broker(name, "--data", "foreign");
    assertEquals(exitCode, 1);
    assertMatch(stderr, /--data ".*foreign": it holds other files, such as "notes"/);
  }
  assertEquals(await fileNames(`${place}/foreign`), ["logs", "notes"]);
});

Deno.test("up names a missing Java and a missing Maven together, and the ways out", async () => {
  await using checkout = await checkoutWithBlank();
  // At the usual one the broker of the user may run.
  await chooseFreePorts(checkout);
  await Deno.mkdir(`${checkout.root}/empty`);
  const { exitCode, stderr } = await checkout.run("up", [], {
    PATH: `${checkout.root}/empty`,
    JAVA_HOME: "",
  });
  assertEquals(exitCode, 1);
  for (
    const part of [/Java 17 or newer/, /Maven, .* missing too/, /apt-get install/, /KAFKA_BROKERS/]
  ) {
    assertMatch(stderr, part);
  }
});

Deno.test("deno task demo leaves every file as it is, also the report of a running analytics", async () => {
  await using test = await testRun("tasks");
  await using checkout = await checkoutWithBlank();
  const report = `${checkout.root}/metrics_output.txt`;
  await Deno.writeTextFile(report, "of another analytics");
  const before = await fileNames(checkout.root);

  const { exitCode, stdout, stderr } = await checkout.run("demo", ["--count", "50", "--plain"], {
    KAFKA_BROKERS: test.brokers,
    TOPIC_PREFIX: test.prefix,
  });
  assertEquals(exitCode, 0, stderr);
  assertStringIncludes(stdout, "Total Orders: 50");
  assertStringIncludes(stdout, "Everything adds up.");
  assertEquals(await Deno.readTextFile(report), "of another analytics");
  assertEquals(await fileNames(checkout.root), before);
});
