/**
 * The demo: the whole flow once, with the real programs as separate processes.
 *
 * Starts a broker if none answers and sends orders through inventory and analytics. While they come
 * in, it kills both services with SIGKILL and starts two instances of each; then it replays
 * analytics and compares the reports, and reads the topics again to check that nothing was lost,
 * changed or counted twice. It creates its own topics and deletes them at the end, so it disturbs
 * no other work on the cluster.
 *
 * ```sh
 * deno task demo
 * deno task demo --count 50000
 * deno task demo --plain
 * ```
 *
 * Permissions: the set `demo` of deno.json. It may run programs, as it starts those of the project,
 * with the permissions of their tasks, by the path of the `deno` that runs it.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { bold, cyan, dim, green, red, yellow } from "@std/fmt/colors";
import { defaultNodes, HOST } from "./dev_broker/config.ts";
import { isFree } from "./dev_broker/free_ports.ts";
import { delayOrAbort, retry, unlessAborted } from "./lib/async.ts";
import {
  COMMON_FLAGS,
  flag,
  type Options,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { collect, launch, type Running } from "./lib/cli/launch.ts";
import { fitted, lineColumns, LiveLines } from "./lib/cli/live_lines.ts";
import { main } from "./lib/cli/main.ts";
import { messageOf, printNote, printPaintedNote, printResult } from "./lib/cli/output.ts";
import { takesEscapes } from "./lib/cli/terminal.ts";
import { grouped } from "./lib/cli/text.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { adminPool } from "./lib/kafka/client_pool.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { explain, whileRetriable } from "./lib/kafka/errors.ts";
import { type LagReader, openLagReader } from "./lib/kafka/lag_reader.ts";
import { answersKafka } from "./lib/kafka/probe.ts";
import { type KafkaSettings, kafkaSettings } from "./lib/kafka/settings.ts";
import { readStoredEvents } from "./lib/kafka/stored_events.ts";
import { behindBy, type GroupSample, groupStatus } from "./lib/lag/verdict.ts";
import { type MetricsReport, reportText } from "./lib/metrics_report.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
  type TopicSpec,
} from "./lib/topics.ts";
import { visible } from "./lib/visible_text.ts";

/** The programs of the demo find their brokers by address only. */
const { commandConfig: _, allowPlainPassword: __, ...UNSECURED_FLAGS } = COMMON_FLAGS;

/** The flags of the program. */
export const flags = {
  count: flag({
    value: "N",
    default: "10000",
    help: "how many orders, at least 1",
  }, wholeNumber({ min: 1 })),
  plain: toggle("only let the orders flow: no kill -9, no replay"),
  keep: toggle("leave everything running, and the topics in place"),
  ...UNSECURED_FLAGS,
};

/** The event times are spread over this long, for a report of several minutes. */
const SPAN = "10m";
/** How long orders come in while services are killed, in seconds; more orders take longer. */
const PRODUCE_SECONDS = 8;
/** What the services keep up with on a small machine: they are killed in the middle of their work. */
const MAX_ORDERS_PER_SECOND = 15_000;
/** The share of the orders that the services have processed when they are killed. */
const KILL_AT = 1 / 3;
/** The share of the orders that is sent by then at the latest: more must come in afterwards. */
const KILL_BEFORE = 2 / 3;
/** Roughly what the rest of the demo takes, in seconds: killed members are missed after six. */
const SECONDS = { plain: 4, full: 8, broker: 6 };
/** The time between two looks at the groups, in milliseconds. */
const SAMPLE_INTERVAL_MS = 200;
/** The reports are in a directory below this one: a running analytics owns metrics_output.txt. */
const REPORTS_DIR = fileURLToPath(new URL(".demo", import.meta.url));
/** Where the page usually is. */
const DASHBOARD = { hostname: "127.0.0.1", port: 8080 };
/** How many lines of a failed program are shown. */
const LAST_LINES = 10;
const BAR_COLUMNS = 30;

const SERVICES = ["inventory", "analytics"] as const;
type Service = typeof SERVICES[number];
type Name = "producer" | "replay" | "dashboard" | Service;
const PAINT = {
  producer: cyan,
  inventory: yellow,
  analytics: green,
  replay: bold,
  dashboard: bold,
};
const VERBS = { producer: "sent", inventory: "moved", analytics: "counted" };

/** Runs the demo; the exit code is 1 when something does not add up. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<number> {
  refuseSecured();
  const demo = new Demo(options);
  const ownsBroker = await needsBroker(options);
  demo.lines.note(introduction(options, ownsBroker));
  if (ownsBroker) {
    const exitCode = await runTask("up", options, signal);
    // The task has said what is wrong.
    if (exitCode !== 0) return exitCode;
  }
  signal.addEventListener("abort", demo.quiet);
  let exitCode;
  try {
    exitCode = await perform(demo, signal);
  } catch (error) {
    await demo.stopAll();
    // Ctrl-C also reaches the programs: their end is not the cause.
    signal.throwIfAborted();
    throw error;
  } finally {
    await demo.stopAll();
    await demo.close();
    if (!options.keep) {
      await deleteTopics(demo);
      await Deno.remove(demo.reports, { recursive: true }).catch(() => {});
      // Fails when another demo has its reports there.
      await Deno.remove(REPORTS_DIR).catch(() => {});
      if (ownsBroker) {
        printNote("stopping the broker …");
        await runTask("down", options);
      }
    }
  }
  if (!options.keep && !options.json && !signal.aborted) {
    nextSteps(options, ownsBroker).forEach(printPaintedNote);
  }
  return exitCode;
}

/** The programs would use the variable, the demo itself would not. */
function refuseSecured(): void {
  const protocol = Deno.env.get("KAFKA_SECURITY_PROTOCOL") ?? "";
  if (["", "PLAINTEXT"].includes(protocol.trim().toUpperCase())) return;
  throw new UsageError(
    `KAFKA_SECURITY_PROTOCOL "${protocol}": the demo knows neither TLS nor logins; unset it, and name ` +
      "brokers that take plaintext",
  );
}

function introduction({ count, plain }: Options<typeof flags>, ownsBroker: boolean): string {
  const orders = `${grouped(count)} order${count === 1 ? "" : "s"}`;
  const start = ownsBroker ? `Starts Kafka, sends ${orders}` : `Sends ${orders} through Kafka`;
  const seconds = (plain ? SECONDS.plain : SECONDS.full) + (ownsBroker ? SECONDS.broker : 0) +
    count / (plain ? MAX_ORDERS_PER_SECOND : ordersPerSecond(count));
  return `${start}${plain ? "" : ", kills both services midway"}: about ${Math.round(seconds)} s`;
}

function ordersPerSecond(count: number): number {
  return Math.min(count / PRODUCE_SECONDS, MAX_ORDERS_PER_SECOND);
}

/** What works as it stands after the demo. */
function nextSteps(options: Options<typeof flags>, ownsBroker: boolean): string[] {
  const where = brokersFlag(options);
  return [
    "",
    bold("Try next"),
    ...(ownsBroker ? ["  deno task up"] : []),
    `  deno task produce --count 5000${where}`,
    `  deno task show orders --tail 3${where}`,
    `  deno task lag --watch${where}`,
  ];
}

/** The flag that other programs need to find the same brokers. */
function brokersFlag({ brokers }: Options<typeof flags>): string {
  const usual = Deno.env.get("KAFKA_BROKERS") || COMMON_FLAGS.brokers.default;
  return brokers.join() === usual ? "" : ` --brokers ${brokers.join()}`;
}

/** The topics of the demo, and the programs that it runs on them. */
class Demo {
  readonly prefix: string;
  readonly settings: KafkaSettings;
  readonly topics: TopicSpec[];
  /** The directory of the reports. */
  readonly reports: string;
  readonly lines: LiveLines;
  readonly running = new Map<Running, Name>();
  /** The creation of the topics, once it has begun. */
  creating: Promise<unknown> | undefined;
  #reader: LagReader;
  #failure: { name: Name; exitCode: number; stderr: string } | undefined;

  constructor(readonly options: Options<typeof flags>) {
    const { topicPrefix, json, ...others } = options;
    const id = crypto.randomUUID().slice(0, 8);
    this.prefix = `${topicPrefix}demo-${id}-`;
    this.reports = `${REPORTS_DIR}/${id}`;
    this.lines = new LiveLines(!json && takesEscapes(Deno.stderr));
    this.settings = kafkaSettings(
      "order-stream-demo",
      others,
      (line) => this.lines.note(line),
    );
    this.topics = [
      orderEvents(this.prefix),
      inventoryEvents(this.prefix),
      deadLetters(this.prefix),
      orderMetrics(`${this.prefix}analytics`),
      stockLevels(`${this.prefix}inventory`),
    ];
    this.#reader = openLagReader(this.settings, {
      topic: orderEvents(this.prefix).name,
    });
  }

  /** Draws nothing any more. */
  quiet = (): void => this.lines.close();

  start(name: Name, args: string[], onLine: (line: string) => void = () => {}): Running {
    const program = launch(`${name}.ts`, ["--topic-prefix", this.prefix, "--json", ...args], {
      brokers: this.settings.brokers.join(","),
      onLine: (line) => onLine(messageOf(line)),
    });
    this.running.set(program, name);
    program.ended.then(({ exitCode, stderr }) => {
      const hasEndedItself = this.running.delete(program);
      if (hasEndedItself && exitCode !== 0) this.#failure ??= { name, exitCode, stderr };
    });
    return program;
  }

  /** Starts this many instances of both services. */
  startServices(instances: number): Record<Service, Running[]> {
    const start = (name: Service, args: string[]) =>
      Array.from({ length: instances }, () => this.start(name, args));
    return {
      inventory: start("inventory", []),
      analytics: start("analytics", ["--output", `${this.reports}/report.txt`]),
    };
  }

  /** Ends programs with a signal and returns how they ended. */
  async end(programs: readonly Running[], signal: "SIGTERM" | "SIGKILL") {
    for (const program of programs) {
      this.running.delete(program);
      program.kill(signal);
    }
    return await Promise.all(programs.map(({ ended }) => ended));
  }

  async stopAll(): Promise<void> {
    await this.end([...this.running.keys()], "SIGTERM");
  }

  async close(): Promise<void> {
    this.lines.close();
    await this.#reader.close();
  }

  /**
   * Shows how the programs get on until they have got to a state, and returns that state.
   *
   * @throws {Error} When a program fails; the end of its messages is printed.
   */
  async until(isReached: (progress: Progress) => boolean, signal: AbortSignal): Promise<Progress> {
    const groups = SERVICES.map((name) => this.prefix + name);
    for (;; await delayOrAbort(SAMPLE_INTERVAL_MS, signal)) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) this.#fail(this.#failure);
      // New groups may have no coordinator yet.
      const sampling = retry(
        () => this.#reader.sample(groups),
        whileRetriable(this.settings, signal),
      ).catch((error) => {
        throw explain(error, this.settings);
      });
      const samples = await unlessAborted(sampling, signal);
      if (samples === undefined) continue;
      const [inventory, analytics] = samples.map(serviceProgress);
      const progress = {
        sent: recordsOf(samples[0]!),
        inventory: inventory!,
        analytics: analytics!,
      };
      this.lines.show(this.#progressLines(progress));
      if (isReached(progress)) return progress;
    }
  }

  #progressLines(progress: Progress): string[] {
    const { count } = this.options;
    const columns = lineColumns(Deno.stderr);
    return (["producer", ...SERVICES] as const).map((name) => {
      const orders = name === "producer" ? progress.sent : progress[name].orders;
      const figures = `${grouped(orders).padStart(grouped(count).length)} of ${grouped(count)}`;
      const note = name === "producer" ? "" : this.#instances(name, progress[name]);
      const facts = `${figures} ${VERBS[name].padEnd(8)} ${note}`.trimEnd();
      const width = Math.max(0, Math.min(BAR_COLUMNS, columns - 36 - 2 * grouped(count).length));
      const full = Math.round(Math.min(1, orders / count) * width);
      const bar = this.lines.isLive ? `${"━".repeat(full)}${dim("─".repeat(width - full))}  ` : "";
      return `${PAINT[name](name.padEnd(9))}  ${bar}${facts}`;
    });
  }

  #instances(name: Service, { isReady, members }: ServiceProgress): string {
    const instances = [...this.running.values()].filter((each) => each === name).length;
    if (instances === 0) return "";
    return isReady && members === instances
      ? `${instances} instance${instances === 1 ? "" : "s"}`
      : "joining";
  }

  #fail({ name, exitCode, stderr }: { name: Name; exitCode: number; stderr: string }): never {
    this.lines.close();
    const last = stderr.trimEnd().split("\n").slice(-LAST_LINES);
    last.forEach((line) => printPaintedNote(`${PAINT[name](name)} ${visible(messageOf(line))}`));
    throw new Error(`${name} failed with exit code ${exitCode}: see above`);
  }
}

/** How far the programs have got, by the offsets in Kafka. */
interface Progress extends Record<Service, ServiceProgress> {
  /** Orders in the topic. */
  sent: number;
}

interface ServiceProgress {
  /** Orders that the group has committed. */
  orders: number;
  /** Members of the group, as Kafka counts them. */
  members: number;
  /** Whether the members have their partitions. */
  isReady: boolean;
}

function recordsOf({ partitions }: GroupSample): number {
  return partitions.reduce((sum, { logStart, end }) => sum + Number(end - logStart), 0);
}

function serviceProgress(sample: GroupSample): ServiceProgress {
  return {
    orders: recordsOf(sample) - behindBy(groupStatus([sample])),
    members: sample.members ?? 0,
    isReady: sample.state === "Stable",
  };
}

/** What the programs report about their work, and what was survived. */
interface Outcome {
  produced: { total_orders: number };
  /** The report of each instance of analytics. */
  reports: MetricsReport[];
  /** How far they were when the services were killed; `null` when they were not. */
  killed: { orders_sent: number; orders_moved: number; orders_counted: number } | null;
  /** Members of both groups at the end. */
  members: number;
  /** The orders that analytics was sent back over, and its report file before and after. */
  replay: { again: number; before: Uint8Array; after: Uint8Array } | null;
}

/** The whole flow and its reconciliation. */
async function perform(demo: Demo, signal: AbortSignal): Promise<number> {
  const { keep, json } = demo.options;
  signal.throwIfAborted();
  await Deno.mkdir(demo.reports, { recursive: true });
  await withAdmin(demo.settings, signal, async (admin) => {
    demo.creating = createMissingTopics(admin, demo.topics);
    await demo.creating;
  });
  const outcome = await processOrders(demo, signal);
  demo.lines.close();
  demo.lines.note("reading all topics again …");
  const checks = await reconcile(demo, outcome, signal);

  const report = outcome.reports[0]!;
  const addsUp = checks.every(({ expected, actual }) => expected === actual);
  printResult(
    json
      ? JSON.stringify({ report, killed: outcome.killed, checks, adds_up: addsUp })
      : `\n${reportText(report)}\n${reconciliationText(checks, addsUp)}`,
  );
  if (keep) await keepRunning(demo, signal);
  return addsUp ? 0 : 1;
}

/** Sends the orders through the three programs, with all that the services must survive. */
async function processOrders(demo: Demo, signal: AbortSignal): Promise<Outcome> {
  const { count, plain } = demo.options;
  const ready = (instances: number) => ({ inventory, analytics }: Progress) =>
    [inventory, analytics].every(({ isReady, members }) => isReady && members === instances);
  let services = demo.startServices(1);
  await demo.until(ready(1), signal);
  const rate = plain ? [] : ["--rate", String(ordersPerSecond(count))];
  const producer = demo.start("producer", ["--count", String(count), "--span", SPAN, ...rate]);
  let killed: Outcome["killed"] = null;
  if (!plain) {
    killed = await killServices(demo, services, signal);
    services = demo.startServices(2);
    demo.lines.note("two instances of each start; Kafka misses a killed one after 6 s");
  }
  const atEnd = await demo.until(
    (progress) =>
      !demo.running.has(producer) && ready(plain ? 1 : 2)(progress) &&
      SERVICES.every((name) => progress[name].orders === progress.sent),
    signal,
  );
  const produced = JSON.parse((await producer.ended).stdout);
  const [analytics] = await Promise.all([
    demo.end(services.analytics, "SIGTERM"),
    demo.end(services.inventory, "SIGTERM"),
  ]);
  const reports = analytics.map(({ exitCode, stdout, stderr }) => {
    if (stdout === "") {
      throw new Error(`analytics (exit code ${exitCode}) has no report: ${stderr}`);
    }
    return JSON.parse(stdout);
  });
  const members = atEnd.inventory.members + atEnd.analytics.members;
  const replayed = plain ? null : await replay(demo, signal);
  return { produced, reports, killed, members, replay: replayed };
}

/** Kills both services in the middle of their work, as `kill -9` does. */
async function killServices(
  demo: Demo,
  { inventory, analytics }: Record<Service, Running[]>,
  signal: AbortSignal,
): Promise<Outcome["killed"]> {
  const { count } = demo.options;
  await demo.until(
    (progress) =>
      SERVICES.every((name) => progress[name].orders >= count * KILL_AT) ||
      progress.sent >= count * KILL_BEFORE,
    signal,
  );
  await demo.end([...inventory, ...analytics], "SIGKILL");
  const at = await demo.until(() => true, signal);
  const [counted, sent] = [at.analytics.orders, at.sent].map(grouped);
  const pids = [...inventory, ...analytics].map(({ pid }) => pid).join(" ");
  demo.lines.note(red(`kill -9 ${pids}: both services, after ${counted} of ${sent} orders`));
  return {
    orders_sent: at.sent,
    orders_moved: at.inventory.orders,
    orders_counted: at.analytics.orders,
  };
}

/** Resets analytics to the first order and lets it count again. */
async function replay(demo: Demo, signal: AbortSignal): Promise<Outcome["replay"]> {
  demo.lines.note("replay: analytics is reset and counts again from the first order");
  const runToEnd = async (name: Name | "replay", args: string[]) => {
    const program = demo.start(name, args);
    await demo.until(() => !demo.running.has(program), signal);
    return (await program.ended).stdout;
  };
  const move = ["--group", "analytics", "--to", "earliest", "--execute"];
  const { read_again: again } = JSON.parse(await runToEnd("replay", move));
  const file = `${demo.reports}/replay.txt`;
  await runToEnd("analytics", ["--until-end", "--output", file]);
  const before = await Deno.readFile(`${demo.reports}/report.txt`);
  return { again, before, after: await Deno.readFile(file) };
}

/** Leaves the services running until the signal is aborted. */
async function keepRunning(demo: Demo, signal: AbortSignal): Promise<void> {
  demo.startServices(1);
  const where = `${brokersFlag(demo.options)} --topic-prefix ${demo.prefix}`;
  const page = await startPage(demo, signal);
  [
    `page:   ${page}`,
    "inventory and analytics run on until Ctrl-C; topics and broker stay even then",
    `report: ${demo.reports.slice(dirname(REPORTS_DIR).length + 1)}/report.txt`,
    `more:   deno task produce --count 5000${where}`,
    `look:   deno task show orders --tail 3${where}`,
    `watch:  deno task lag --watch${where}`,
    "stop:   Ctrl-C; and the broker of this project with: deno task down",
  ].forEach((line) => printNote(line));
  await demo.until(() => false, signal);
}

/** Starts the page, at its usual port unless that is taken, and returns its address. */
async function startPage(demo: Demo, signal: AbortSignal): Promise<string> {
  let address: string | undefined;
  const listen = isFree(DASHBOARD) ? DASHBOARD : { ...DASHBOARD, port: 0 };
  demo.start("dashboard", ["--listen", `${listen.hostname}:${listen.port}`], (line) => {
    address ??= /^the page is at (\S+)$/.exec(line)?.[1];
  });
  await demo.until(() => address !== undefined, signal);
  return address!;
}

/**
 * Whether the development broker must be started: at the default address, when nothing answers there.
 * A cluster named with `--brokers` is not started here.
 */
async function needsBroker({ brokers }: Options<typeof flags>): Promise<boolean> {
  const { port } = defaultNodes(1)[0]!;
  return brokers.join() === `${HOST}:${port}` && await answersKafka(HOST, port) === "nothing";
}

/** Runs a task of deno.json and returns its exit code. */
async function runTask(
  task: "up" | "down",
  { json }: Options<typeof flags>,
  signal?: AbortSignal,
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    args: ["task", "--quiet", task],
    stdin: "null",
    stdout: "null",
    stderr: json ? "piped" : "inherit",
    // Ctrl-C must not stop the stopping.
    detached: signal === undefined,
    ...(signal && { signal }),
  }).spawn();
  if (json) await collect(child.stderr, (line) => printNote(line));
  const { code } = await child.status;
  return code;
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
  { settings, prefix, options: { plain } }: Demo,
  { produced, reports, members, replay }: Outcome,
  signal: AbortSignal,
): Promise<Check[]> {
  const stored = await readStoredEvents(settings, prefix, signal);
  const { orders, failed, expected, found } = stored.reconciliation;
  const counted = reports[0]!;
  const check = (what: string, expected: number, actual: number) => ({ what, expected, actual });
  const survived = plain ? "once" : "once, despite kill -9";
  const differences = stored.reconciliation.differences();
  const agreeing = reports.filter(({ digest }) => digest === counted.digest).length;
  return [
    check("orders acknowledged and stored", produced.total_orders, orders),
    check(`orders counted ${survived}`, orders, counted.total_orders),
    check("failed orders among them", failed, counted.failed_orders),
    check(`movements made ${survived}`, expected, found),
    {
      ...check("movements missing, double or changed", 0, differences.length),
      differences: differences.slice(0, 10),
    },
    ...(replay === null ? [] : [
      check("new instances at work", 4, members),
      check("analytics instances that agree", 2, agreeing),
      check("orders counted again by the replay", orders, replay.again),
      check(
        "report bytes equal after the replay",
        replay.before.length,
        equalBytes(replay.before, replay.after),
      ),
    ]),
    check(
      "records that could not be read",
      0,
      stored.unreadableOrders + stored.unreadableEvents,
    ),
    check("dead letters", 2 * stored.unreadableOrders, stored.deadLetters),
  ];
}

/** How many bytes of both are equal at their place, less those that one has more. */
function equalBytes(a: Uint8Array, b: Uint8Array): number {
  return a.filter((byte, index) => byte === b[index]).length - Math.max(0, b.length - a.length);
}

function reconciliationText(checks: readonly Check[], addsUp: boolean): string {
  const lines = checks.flatMap(({ what, expected, actual, differences = [] }) => {
    const same = expected === actual;
    const figures = same && expected === 0
      ? "0"
      : `${grouped(expected)} ${same ? "=" : "≠"} ${grouped(actual)}`;
    return [
      `  ${same ? green("✓") : red("✗")} ${what.padEnd(37)} ${figures}`,
      ...differences.map((difference) => `    ${difference}`),
    ];
  });
  const columns = lineColumns(Deno.stdout);
  const verdict = addsUp ? green("Everything adds up.") : red("Something does not add up.");
  return [
    bold("RECONCILIATION"),
    ...lines.map((line) => fitted(line, columns)),
    bold(verdict),
  ].join("\n");
}

/** Deletes all topics of the demo, also those that only the services know. */
async function deleteTopics({ settings, prefix, creating }: Demo): Promise<void> {
  // After Ctrl-C it is no longer awaited, and still goes on.
  await creating?.catch(() => {});
  const admin = adminPool(settings);
  try {
    await admin.use(async (client) => {
      const topics = (await client.listTopics()).filter((name) => name.startsWith(prefix));
      if (topics.length > 0) await client.deleteTopics({ topics });
    });
  } catch {
    printNote(`the topics ${prefix}… could not be deleted`);
  } finally {
    await admin.close();
  }
}

if (import.meta.main) {
  main({
    usage: "deno task demo",
    summary:
      "Runs the whole flow once: broker if none answers, orders, kill -9 of both services, two new " +
      "instances of each, a replay, the report and a reconciliation of all topics.",
    flags,
    examples: ["deno task demo --count 50000", "deno task demo --json > demo.json"],
    run,
  });
}
