/**
 * The demo: the whole flow once, with the real programs as the separate processes they are.
 *
 * Starts a broker if none answers, sends orders through inventory and analytics, shows the report,
 * and then reads the topics again to check that nothing was lost, changed or counted twice. It works
 * on topics of its own, which it deletes at the end, so it is safe beside other work on a cluster.
 *
 * ```sh
 * deno task demo
 * deno task demo --count 50000
 * ```
 *
 * Permissions: the set `demo` of deno.json, `--allow-net` for the brokers, and `--allow-run` for
 * `deno`, which starts the programs and the broker with the permissions of their tasks.
 *
 * @module
 */
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import { COMMON_FLAGS, flag, type Options, toggle, wholeNumber } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { parseInventoryEvent } from "./lib/inventory_event.ts";
import { connectAdmin, disconnect } from "./lib/kafka/client.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { delayOrAbort } from "./lib/async.ts";
import { adminPool } from "./lib/kafka/client_pool.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { openLagReader } from "./lib/kafka/lag_reader.ts";
import { behindBy, groupStatus } from "./lib/lag/verdict.ts";
import { readTopic } from "./lib/kafka/read_topic.ts";
import { HOST, usualNodes } from "./dev_broker/config.ts";
import { answersKafka } from "./lib/kafka/probe.ts";
import { launch, type Running } from "./lib/cli/launch.ts";
import { parseOrder } from "./lib/order.ts";
import { Reconciliation } from "./lib/reconciliation.ts";
import { deadLetters, inventoryEvents, orderEvents, orderMetrics } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  count: flag({ value: "N", default: "10000", help: "how many orders" }, wholeNumber({ min: 1 })),
  keep: toggle("leave everything running, and the topics in place"),
  ...COMMON_FLAGS,
};

/** The event times of the orders are spread over so much time, for a report of several minutes. */
const SPAN = "10m";
const OUTPUT = "metrics_output.txt";
const PAINT = { producer: cyan, inventory: yellow, analytics: green };

/** Runs the demo; the exit code is 1 when something does not add up. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  const stopBroker = await ensureBroker(options, signal);
  const prefix = `${options.topicPrefix}demo-${
    new Date().toISOString().slice(0, 19).replace(/\D/g, "")
  }-`;
  const settings = kafkaSettings("order-stream-demo", options, printNote);
  const topics = [
    orderEvents(prefix),
    inventoryEvents(prefix),
    deadLetters(prefix),
    orderMetrics(`${prefix}analytics`),
  ];
  const running = new Set<Running>();
  const start = (name: Name, args: string[]): Running => {
    const program = launch(`${name}.ts`, ["--topic-prefix", prefix, ...args], {
      brokers: options.brokers.join(","),
      onLine: (line) => printNote(`${label(name)} ${line}`),
    });
    running.add(program);
    program.ended.then(() => running.delete(program));
    return program;
  };
  const startServices = () => [
    start("analytics", ["--json", "--output", OUTPUT]),
    start("inventory", ["--json"]),
  ];

  try {
    const admin = await connectAdmin(settings, signal);
    await createMissingTopics(admin, topics, printNote);
    await disconnect(admin);

    const services = startServices();
    const count = String(options.count);
    const producer = start("producer", ["--count", count, "--span", SPAN, "--json"]);
    const produced = JSON.parse(await resultOf("producer", producer, signal));
    printNote(
      `${label("producer")} ${produced.orders} orders in ${produced.seconds} s, ` +
        `${produced.orders_per_second}/s, 99% of them acknowledged within ` +
        `${produced.ack_latency_ms.p99} ms`,
    );
    await caughtUp(settings, prefix, running, signal);
    services.forEach((service) => service.kill("SIGTERM"));
    const [counted, moved] = await Promise.all(
      services.map(async ({ ended }) => JSON.parse((await ended).stdout)),
    );
    const checks = await reconcile(settings, prefix, { produced, counted, moved }, signal);
    const adds = checks.every(({ expected, actual }) => expected === actual);
    if (options.json) printResult(JSON.stringify({ report: counted, checks, adds_up: adds }));
    else printResult(`\n${await Deno.readTextFile(OUTPUT)}\n${reconciliationText(checks)}`);
    if (options.keep) {
      startServices();
      printNote(
        `both services go on with --topic-prefix ${prefix} until Ctrl-C; topics and broker stay`,
      );
      await delayOrAbort(2 ** 31 - 1, signal);
    }
    return adds ? 0 : 1;
  } finally {
    running.forEach((program) => program.kill("SIGTERM"));
    await Promise.all([...running].map(({ ended }) => ended));
    if (!options.keep) {
      await deleteTopics(settings, topics.map(({ name }) => name));
      await stopBroker();
    }
  }
}

/**
 * Starts the development broker unless a broker answers already; returns what stops it again.
 *
 * Only at the usual address: a cluster that somebody named is theirs to start.
 */
async function ensureBroker(
  { brokers }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const { port } = usualNodes(1)[0]!;
  const usual = brokers.join() === `${HOST}:${port}`;
  if (!usual || await answersKafka(HOST, port) !== "nothing") return () => Promise.resolve();
  await runTask("up", signal);
  return () => runTask("down");
}

/** Runs a task of deno.json, with the permissions that it has there. */
async function runTask(task: string, signal?: AbortSignal): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    cwd: new URL(".", import.meta.url),
    args: ["task", "--quiet", task],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
    ...(signal === undefined ? {} : { signal }),
  }).output();
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`"deno task ${task}" failed with exit code ${code}: see above`);
}

type Name = keyof typeof PAINT;

function label(name: Name): string {
  return `${PAINT[name](name.padEnd(9))} ${dim("│")}`;
}

/** What a program wrote to stdout, once it has ended well. */
async function resultOf(name: Name, program: Running, signal: AbortSignal): Promise<string> {
  const stop = () => program.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  const { exitCode, stdout } = await program.ended;
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  if (exitCode !== 0) throw new Error(`${name}.ts failed with exit code ${exitCode}: see above`);
  return stdout;
}

/** Waits until both services have committed the end of the orders. */
async function caughtUp(
  settings: KafkaSettings,
  prefix: string,
  running: Set<Running>,
  signal: AbortSignal,
): Promise<void> {
  const topic = orderEvents(prefix).name;
  const reader = openLagReader(settings, { topic, topicPrefix: prefix });
  try {
    for (let last = ""; running.size === 2; await delayOrAbort(200, signal)) {
      signal.throwIfAborted();
      const samples = await reader.sample([`${prefix}analytics`, `${prefix}inventory`]);
      const lags = samples.map((sample) => behindBy(groupStatus([sample])));
      const line = `lag: analytics ${lags[0]}, inventory ${lags[1]}`;
      if (line !== last) printNote(dim(line));
      last = line;
      if (lags.every((lag) => lag === 0)) return;
    }
  } finally {
    await reader.close();
  }
  throw new Error("a service has ended before its work was done: see above");
}

/** What the three programs say of their work. */
interface Claims {
  produced: { orders: number; failed: number };
  counted: { total_orders: number; failed_orders: number; malformed_events: number };
  moved: { orders: number; reserved: number; released: number };
}

/** Two figures that must be the same. */
interface Check {
  what: string;
  expected: number;
  actual: number;
  /** Where they differ, in words. */
  differences?: string[];
}

/** Reads the topics again and compares them with what the programs claim. */
async function reconcile(
  settings: KafkaSettings,
  prefix: string,
  { produced, counted, moved }: Claims,
  signal: AbortSignal,
): Promise<Check[]> {
  const stored = new Reconciliation();
  let unreadableOrders = 0;
  let unreadableEvents = 0;
  let letters = 0;
  const read = (topic: string, onRecord: (value: Uint8Array | null) => void) =>
    readTopic(settings, {
      topic,
      group: `${prefix}reconciliation`,
      onRecord: ({ value }) => onRecord(value),
    }, signal);
  await read(orderEvents(prefix).name, (value) => {
    const parsed = value === null ? undefined : parseOrder(value);
    if (parsed?.kind === "order") stored.addOrder(parsed.order, parsed.timestampMs);
    else unreadableOrders++;
  });
  await read(inventoryEvents(prefix).name, (value) => {
    const parsed = value === null ? undefined : parseInventoryEvent(value);
    if (parsed?.kind === "event") stored.addEvent(parsed.event);
    else unreadableEvents++;
  });
  await read(deadLetters(prefix).name, () => letters++);

  const check = (what: string, expected: number, actual: number): Check => ({
    what,
    expected,
    actual,
  });
  const placed = stored.orders - stored.failed;
  const differences = stored.differences();
  return [
    check("orders acknowledged, stored", produced.orders, stored.orders),
    check("orders stored, counted by analytics", stored.orders, counted.total_orders),
    check("orders stored, turned into movements", stored.orders, moved.orders),
    check("orders counted, placed + failed", counted.total_orders, placed + counted.failed_orders),
    check("inventory events expected, found", stored.expected, stored.found),
    {
      ...check("inventory events missing, too many or changed", 0, differences.length),
      differences: differences.slice(0, 10),
    },
    check("records that could not be read", 0, unreadableOrders + unreadableEvents),
    check("dead letters, one for each of both groups", 2 * unreadableOrders, letters),
  ];
}

function reconciliationText(checks: readonly Check[]): string {
  const lines = checks.flatMap(({ what, expected, actual, differences = [] }) => {
    const same = expected === actual;
    const figures = same && expected === 0 ? "0" : `${expected} ${same ? "=" : "≠"} ${actual}`;
    return [
      `  ${same ? green("✓") : red("✗")} ${what.padEnd(46)} ${figures}`,
      ...differences.map((difference) => `    ${difference}`),
    ];
  });
  const adds = checks.every(({ expected, actual }) => expected === actual);
  const verdict = adds ? green("Everything adds up.") : red("Something does not add up.");
  return [bold("RECONCILIATION"), ...lines, bold(verdict)].join("\n");
}

async function deleteTopics(settings: KafkaSettings, topics: string[]): Promise<void> {
  const admin = adminPool(settings);
  try {
    await admin.use((client) => client.deleteTopics({ topics }));
  } catch {
    printNote(`topics ${topics.join(", ")} could not be deleted`);
  } finally {
    await admin.close();
  }
}

if (import.meta.main) {
  main({
    usage: "deno task demo",
    summary:
      "Runs the whole flow once: broker if none answers, producer, inventory, analytics, report " +
      "and reconciliation.",
    flags,
    run,
  });
}
