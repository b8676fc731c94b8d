/**
 * Hostile variables and flags, through the tasks of deno.json, whose command lines a shell reads: nothing
 * runs, nothing is connected to, and the message names the variable. No broker is needed.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { visible } from "../../lib/visible_text.ts";
import { checkoutWithBlank } from "../support/checkout.ts";

/** What a shell would do something with; `made` would then be there. */
const VALUES = [
  ...[
    "$(touch made)",
    "`touch made`",
    '"; touch made; "',
    '\\"; touch made; \\"',
    "'; touch made; '",
  ],
  ...[
    '\\"$(touch made)',
    "|touch made",
    "&& touch made",
    "\ntouch made\n",
    "> made",
    "*",
    "\\",
    "~",
  ],
  ...["${IFS}", "--json", "\x1b[32mOK", "\u202e", "a,b", " , "],
];
/** The programs that take brokers. */
const TASKS = ["produce", "inventory", "analytics", "lag", "replay", "show", "demo", "acls"];

async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
}

Deno.test("no variable and no flag of a task runs a command", async () => {
  await using checkout = await checkoutWithBlank();
  const before = await namesIn(checkout.root);
  const refuses = async (
    { task, source, value }: { task: string; source: string; value: string },
    args: string[] = [],
  ) => {
    const env = source.startsWith("--") ? {} : { [source]: value };
    const words = source.startsWith("--") ? [...args, source, value] : args;
    const { exitCode, stdout, stderr } = await checkout.run(task, words, env);
    assertEquals([exitCode, stdout], [2, ""], `${task} ${source}: ${stderr}`);
    assertStringIncludes(stderr, `error: ${source} "${visible(value)}": expected`);
  };
  for (const value of VALUES.filter((each) => each !== "--json")) {
    await Promise.all(
      ["KAFKA_BROKERS", "--brokers", "TOPIC_PREFIX"].map((source) =>
        refuses({ task: "lag", source, value })
      ),
    );
  }
  await refuses({ task: "lag", source: "KAFKA_BROKERS", value: "--json" });
  for (const task of TASKS) {
    await Promise.all(
      ["KAFKA_BROKERS", "--brokers", "TOPIC_PREFIX"].map((source) =>
        refuses({ task, source, value: VALUES[0]! })
      ),
    );
  }
  // The command line of these holds $JAVA_HOME.
  for (const value of VALUES) {
    const [ps, logs] = await Promise.all([
      checkout.run("ps", [], { JAVA_HOME: value }),
      checkout.run("logs", [`--data=${value}`]),
    ]);
    assertEquals([ps.exitCode, logs.exitCode], [1, 1], logs.stderr);
  }
  assertEquals(await namesIn(checkout.root), before);
});

Deno.test("no host is connected to that is not written as host:port", async () => {
  await using checkout = await checkoutWithBlank();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let connections = 0;
  const counting = (async () => {
    for await (const connection of listener) {
      connections++;
      connection.close();
    }
  })();
  const address = `127.0.0.1:${listener.addr.port}`;
  const run = (brokers: string) =>
    checkout.run("lag", ["--timeout", "1s"], { KAFKA_BROKERS: brokers });
  for (
    const value of [
      ...[`localhost:1 ${address}`, `localhost:1\n${address}`, `user@${address}`, `//${address}`],
      ...[
        `${address}/`,
        `${address}#`,
        `localhost:1;${address}`,
        `${address} `.repeat(2),
        `"${address}"`,
      ],
    ]
  ) {
    const { exitCode, stderr } = await run(value);
    assertEquals(exitCode, 2, stderr);
    assertStringIncludes(stderr, "expected host:port, or several with commas between, not ");
  }
  assertEquals(connections, 0);
  assertEquals((await run(` ${address} ,`)).exitCode, 1);
  assertEquals(connections > 0, true);
  listener.close();
  await counting.catch(() => {});
});
