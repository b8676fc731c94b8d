/**
 * The demo: the whole flow once, with the real programs as separate processes.
 *
 * Starts a broker if none answers, sends orders through inventory and analytics, shows the report,
 * and then reads the topics again to check that nothing was lost, changed or counted twice. It
 * creates its own topics and deletes them at the end, so it disturbs no other work on the cluster.
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
import { withAdmin } from "./lib/kafka/client.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { delayOrAbort } from "./lib/async.ts";
import { adminPool } from "./lib/kafka/client_pool.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { openLagReader } from "./lib/kafka/lag_reader.ts";
import { behindBy, groupStatus } from "./lib/lag/verdict.ts";
import { readTopic } from "./lib/kafka/read_topic.ts";
import { defaultNodes, HOST } from "./dev_broker/config.ts";
import { answersKafka } from "./lib/kafka/probe.ts";
import { launch, type Running } from "./lib/cli/launch.ts";
import { type MetricsReport, reportText } from "./lib/metrics_report.ts";
import { parseOrder } from "./lib/order.ts";
import { Reconciliation } from "./lib/reconciliation.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
  type TopicSpec,
} from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  count: flag({ value: "N", default: "10000", help: "how many orders" }, wholeNumber({ min: 1 })),
  keep: toggle("leave everything running, and the topics in place"),
  ...COMMON_FLAGS,
};

/** The event times are spread over this long, for a report of several minutes. */
const SPAN = "10m";
/** The demo has its own report file: a running analytics owns metrics_output.txt. */
const REPORT = "metrics_demo.txt";
/** A tombstone is neither an order nor an event, and neither are no bytes. */
const EMPTY = new Uint8Array();
const PAINT = { producer: cyan, inventory: yellow, analytics: green };

/** Runs the demo; the exit code is 1 when something does not add up. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  const stopBroker = await ensureBroker(options, signal);
  const demo = new Demo(options);
  try {
    const claims = await processOrders(demo, options.count, signal);
    const checks = await reconcile(demo, claims, signal);
    const addsUp = checks.every(({ expected, actual }) => expected === actual);
    if (options.json) {
      printResult(JSON.stringify({ report: claims.counted, checks, adds_up: addsUp }));
    } else {
      printResult(`\n${reportText(claims.counted)}\n${reconciliationText(checks, addsUp)}`);
    }
    if (options.keep) {
      demo.startServices();
      printNote(
        `both services keep running with --topic-prefix ${demo.prefix} until Ctrl-C; ` +
          `the report is in ${REPORT}; topics and broker stay`,
      );
      await delayOrAbort(2 ** 31 - 1, signal);
    }
    return addsUp ? 0 : 1;
  } finally {
    await demo.stopPrograms();
    if (!options.keep) {
      await deleteTopics(demo);
      await stopBroker();
    }
  }
}

/** The topics of the demo, and the programs that it runs on them. */
class Demo {
  readonly prefix: string;
  readonly settings: KafkaSettings;
  readonly topics: TopicSpec[];
  readonly running = new Set<Running>();

  constructor({ topicPrefix, ...options }: Options<typeof flags>) {
    const time = new Date().toISOString().slice(0, 19).replace(/\D/g, "");
    this.prefix = `${topicPrefix}demo-${time}-`;
    this.settings = kafkaSettings("order-stream-demo", options, printNote);
    this.topics = [
      orderEvents(this.prefix),
      inventoryEvents(this.prefix),
      deadLetters(this.prefix),
      orderMetrics(`${this.prefix}analytics`),
      stockLevels(`${this.prefix}inventory`),
    ];
  }

  start(name: Name, args: string[]): Running {
    const program = launch(`${name}.ts`, ["--topic-prefix", this.prefix, "--json", ...args], {
      brokers: this.settings.brokers.join(","),
      onLine: (line) => printNote(`${label(name)} ${line}`),
    });
    this.running.add(program);
    program.ended.then(() => this.running.delete(program));
    return program;
  }

  startServices(): Running[] {
    return [this.start("analytics", ["--output", REPORT]), this.start("inventory", [])];
  }

  async stopPrograms(): Promise<void> {
    this.running.forEach((program) => program.kill("SIGTERM"));
    await Promise.all([...this.running].map(({ ended }) => ended));
    // There is none when analytics did not get that far.
    await Deno.remove(new URL(REPORT, import.meta.url)).catch(() => {});
  }
}

/** Sends the orders through the three programs and returns what each reports. */
async function processOrders(demo: Demo, count: number, signal: AbortSignal): Promise<Claims> {
  await withAdmin(
    demo.settings,
    signal,
    (admin) => createMissingTopics(admin, demo.topics, printNote),
  );

  const services = demo.startServices();
  const producer = demo.start("producer", ["--count", String(count), "--span", SPAN]);
  const produced = JSON.parse(await resultOf("producer", producer, signal));
  printNote(
    `${label("producer")} ${produced.orders} orders in ${produced.seconds} s, ` +
      `${produced.orders_per_second}/s, 99% of them acknowledged within ` +
      `${produced.ack_latency_ms.p99} ms`,
  );
  await caughtUp(demo, signal);
  services.forEach((service) => service.kill("SIGTERM"));
  const [counted, moved] = await Promise.all(
    services.map(async ({ ended }) => JSON.parse((await ended).stdout)),
  );
  return { produced, counted, moved };
}

/**
 * Starts the development broker unless a broker answers already; returns a function that stops it.
 *
 * Only at the default address: a cluster named with `--brokers` is not started here.
 */
async function ensureBroker(
  { brokers }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const { port } = defaultNodes(1)[0]!;
  const usual = brokers.join() === `${HOST}:${port}`;
  if (!usual || await answersKafka(HOST, port) !== "nothing") return () => Promise.resolve();
  await runTask("up", signal);
  return () => runTask("down");
}

/** Runs a task of deno.json. */
async function runTask(task: string, signal?: AbortSignal): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    cwd: new URL(".", import.meta.url),
    args: ["task", "--quiet", task],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
    ...(signal && { signal }),
  }).output();
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`"deno task ${task}" failed with exit code ${code}: see above`);
}

type Name = keyof typeof PAINT;

function label(name: Name): string {
  return `${PAINT[name](name.padEnd(9))} ${dim("│")}`;
}

/** What a program wrote to stdout; throws when its exit code is not 0. */
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
  { settings, prefix, running }: Demo,
  signal: AbortSignal,
): Promise<void> {
  const topic = orderEvents(prefix).name;
  const reader = openLagReader(settings, { topic });
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
  throw new Error("a service ended before it had processed all orders: see above");
}

/** What the three programs report about their work. */
interface Claims {
  produced: { orders: number };
  counted: MetricsReport;
  moved: { orders: number };
}

/** Two figures that must be equal. */
interface Check {
  what: string;
  expected: number;
  actual: number;
  /** Where they differ, in words. */
  differences?: string[];
}

/** Reads the topics again and compares them with what the programs reported. */
async function reconcile(
  { settings, prefix }: Demo,
  { produced, counted, moved }: Claims,
  signal: AbortSignal,
): Promise<Check[]> {
  const stored = new Reconciliation();
  const group = `${prefix}reconciliation`;
  let unreadableOrders = 0;
  let unreadableEvents = 0;
  let deadLetterCount = 0;
  const read = ({ name: topic }: TopicSpec, onValue: (value: Uint8Array) => void) =>
    readTopic(settings, { topic, group, onRecord: ({ value }) => onValue(value ?? EMPTY) }, signal);
  await read(orderEvents(prefix), (value) => {
    const parsed = parseOrder(value);
    if (parsed.kind === "order") stored.addOrder(parsed.order, parsed.timestampMs);
    else unreadableOrders++;
  });
  await read(inventoryEvents(prefix), (value) => {
    const parsed = parseInventoryEvent(value);
    if (parsed.kind === "event") stored.addEvent(parsed.event);
    else unreadableEvents++;
  });
  await read(deadLetters(prefix), () => deadLetterCount++);

  const check = (what: string, expected: number, actual: number) => ({ what, expected, actual });
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
    check("dead letters, one for each of both groups", 2 * unreadableOrders, deadLetterCount),
  ];
}

function reconciliationText(checks: readonly Check[], addsUp: boolean): string {
  const lines = checks.flatMap(({ what, expected, actual, differences = [] }) => {
    const same = expected === actual;
    const figures = same && expected === 0 ? "0" : `${expected} ${same ? "=" : "≠"} ${actual}`;
    return [
      `  ${same ? green("✓") : red("✗")} ${what.padEnd(46)} ${figures}`,
      ...differences.map((difference) => `    ${difference}`),
    ];
  });
  const verdict = addsUp ? green("Everything adds up.") : red("Something does not add up.");
  return [bold("RECONCILIATION"), ...lines, bold(verdict)].join("\n");
}

async function deleteTopics({ settings, topics }: Demo): Promise<void> {
  const names = topics.map(({ name }) => name);
  const admin = adminPool(settings);
  try {
    await admin.use((client) => client.deleteTopics({ topics: names }));
  } catch {
    printNote(`topics ${names.join(", ")} could not be deleted`);
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
