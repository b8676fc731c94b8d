/**
 * The development broker: starts, stops and shows one Apache Kafka on this machine.
 *
 * With a Docker engine it is a container (compose.yaml), else the same Kafka runs from its jars with
 * Java 17 or newer, in `.kafka/`. It listens on loopback only and keeps running when this program
 * ends.
 *
 * ```sh
 * deno task up
 * deno task ps
 * deno task logs -f --tail 20
 * deno task restart
 * deno task down -v
 * deno task up --nodes 3
 * deno task up --secure
 * ```
 *
 * Permissions: the set `broker` of deno.json, and `--allow-run` as the task `broker` has it.
 *
 * @module
 */
import { resolve } from "node:path";
import { keepFileAccess } from "./lib/cli/file_access.ts";
import {
  flag,
  nonEmpty,
  oneOf,
  type Options,
  toggle,
  UsageError,
  wholeNumber,
} from "./lib/cli/flags.ts";
import { LiveLines } from "./lib/cli/live_lines.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult, readerGone } from "./lib/cli/output.ts";
import { takesEscapes } from "./lib/cli/terminal.ts";
import { userPath } from "./lib/cli/user_path.ts";
import { durationMs } from "./lib/duration.ts";
import {
  deleteData,
  nodeStatus,
  requireDataDirectory,
  startBroker,
  type StartResult,
  stopBroker,
} from "./dev_broker/cluster.ts";
import { brokerAddresses, defaultNodes, HOST, KAFKA_VERSION } from "./dev_broker/config.ts";
import { compose, containerRuns, dockerProblem } from "./dev_broker/docker.ts";
import { DEFAULT_DATA_DIR, ROOT } from "./dev_broker/files.ts";
import { openLog } from "./dev_broker/log.ts";
import type { NodeStatus } from "./dev_broker/node.ts";
import { brokerSecrets, userFile, USERS, writeContainerSecrets } from "./dev_broker/secure.ts";
import { type BrokerState, readState, writeState } from "./dev_broker/state.ts";
import { answersKafka } from "./lib/kafka/probe.ts";
import { delayOrAbort } from "./lib/async.ts";

const commands = {
  up: "start the broker and wait until it is ready",
  down: "stop the broker and wait until it is gone",
  restart: "stop the broker and start it again, with the same data",
  status: "show whether the broker is running; exit code 1 when it is not",
  logs: "print the log of the broker",
};

type Command = keyof typeof commands;

/** The flags of the program. */
export const flags = {
  nodes: flag({
    value: "1|3",
    example: "3",
    help: "number of nodes; 3 need Java (default 1, or that of the existing data)",
  }, (text) => defaultNodes(Number(oneOf("1", "3")(text)))),
  data: flag(
    {
      value: "DIR",
      example: ".kafka",
      help: "directory for data, settings and logs (default .kafka in the project)",
    },
    nonEmpty("a directory"),
  ),
  secure: toggle(
    "TLS, logins and access control; makes a login for each program (default as in existing data)",
  ),
  engine: flag({
    value: "docker|java",
    help: "what runs the broker (default Docker if its engine is running, else Java)",
  }, oneOf("docker", "java")),
  heap: flag({
    value: "SIZE",
    example: "1g",
    help: "maximum Java heap of each node (default 192m)",
  }, heapSize),
  volumes: toggle("also delete all topics, records and logs", "v"),
  follow: toggle("keep printing new lines", "f"),
  tail: flag({
    value: "N",
    example: "50",
    help: "begin with the last N lines (default all)",
  }, wholeNumber({ min: 0 })),
  timeout: flag({
    value: "DURATION",
    example: "60s",
    help: "time limit for becoming ready (default 60s) or for a clean stop (default 30s)",
  }, durationMs),
  json: toggle("print status, messages and errors as JSON, one object a line"),
  quiet: toggle("print only warnings, errors and the result"),
  verbose: toggle("show Maven's output and the stack of an error"),
};

/** The task of each command, and the flags that it takes besides those of all. */
const TASKS: Record<Command, { task: string; flags: string[]; examples: [string, string] }> = {
  up: {
    task: "up",
    flags: ["nodes", "secure", "engine", "heap", "timeout"],
    examples: ["deno task up --nodes 3", "deno task up --secure"],
  },
  down: {
    task: "down",
    flags: ["volumes", "timeout"],
    examples: ["deno task down", "deno task down -v"],
  },
  restart: {
    task: "restart",
    flags: ["timeout"],
    examples: ["deno task restart", "deno task restart --timeout 2m"],
  },
  status: { task: "ps", flags: [], examples: ["deno task ps", "deno task ps --json"] },
  logs: {
    task: "logs",
    flags: ["follow", "tail"],
    examples: ["deno task logs -f --tail 20", "deno task logs --tail 100"],
  },
};
const FLAGS_OF_ALL = ["data", "json", "quiet", "verbose"];

/** Runs one of the commands. */
export async function run(
  options: Options<typeof flags>,
  signal: AbortSignal,
  command: string,
): Promise<number> {
  refuseMisplaced(options, command as Command);
  const dataDir = options.data === undefined ? DEFAULT_DATA_DIR : resolve(userPath(options.data));
  const ours = [DEFAULT_DATA_DIR, dataDir];
  keepFileAccess({ read: [...ours, `${ROOT}/dev_broker`], write: ours });
  await requireDataDirectory(dataDir);
  const context = { dataDir, options, state: await readState(dataDir), signal };
  const work = { up, down, restart, status, logs }[command as Command];
  return await work(context);
}

interface Context {
  dataDir: string;
  options: Options<typeof flags>;
  state: BrokerState | undefined;
  signal: AbortSignal;
}

async function up(context: Context): Promise<number> {
  const { dataDir, options, state, signal } = context;
  const running = (await nodeStatus(dataDir)).some(({ pid }) => pid !== undefined);
  if (running && options.engine === "docker") {
    throw new Error(
      "starting the broker with Docker: it is already running with Java; stop it with: deno task down",
    );
  }
  const withDocker = !running && await usesDocker(options, state);
  const startedMs = performance.now();
  const { outcome, brokers, isSecure } = withDocker
    ? await startDocker(context)
    : await startBroker(dataDir, {
      ...options,
      timeoutMs: options.timeout,
      note: printNote,
      onDownload: downloadBar(),
      signal,
    });
  const notes = {
    foreign: `a Kafka broker that this project did not start already answers at ${brokers}`,
    // It may be of another version, started before this project was updated.
    running: `Kafka is already running at ${brokers}`,
    started: `Kafka ${KAFKA_VERSION} is ready at ${brokers} after ${secondsSince(startedMs)} ` +
      `(${withDocker ? "Docker" : `Java, ${shown(dataDir)}`})`,
  };
  printNote(notes[outcome]);
  if (outcome === "started") printNote("stop it with: deno task down");
  if (isSecure) printLogins(dataDir, options);
  return 0;
}

/** How to start the programs with their logins. */
function printLogins(dataDir: string, { json }: Options<typeof flags>): void {
  if (json) {
    const files = USERS.map((user) => [user, userFile(dataDir, user)]);
    printResult(JSON.stringify({ command_configs: Object.fromEntries(files) }));
    return;
  }
  printNote("it has TLS, logins and access control; each program has a login of its own:");
  for (const [user, task] of Object.entries(TASKS_OF_USERS)) {
    printResult(`deno task ${task} --command-config ${shown(userFile(dataDir, user))}`);
  }
}

/** The task of each program that has a login, as it is started first. */
const TASKS_OF_USERS: Record<string, string> = {
  producer: "produce",
  dashboard: "dashboard",
  inventory: "inventory",
  analytics: "analytics",
  lag: "lag",
  show: "show orders",
  resend: "show dead-letters --resend",
  replay: "replay --group analytics --verify",
  admin: "acls",
};

async function restart(context: Context): Promise<number> {
  await down(context);
  return await up({ ...context, state: await readState(context.dataDir) });
}

/** Whether Docker shall run the broker: if requested, else if it can and the data is not Java's. */
async function usesDocker(
  { engine, nodes }: Options<typeof flags>,
  state: BrokerState | undefined,
): Promise<boolean> {
  if (engine === "java") return false;
  if (engine === undefined && (nodes?.length === 3 || state?.engine === "java")) return false;
  const problem = await dockerProblem();
  if (problem !== undefined && engine === "docker") {
    throw new Error(`starting the broker with Docker needs an engine with Compose: ${problem}`);
  }
  return problem === undefined;
}

async function startDocker(
  { dataDir, options, state, signal }: Context,
): Promise<Pick<StartResult, "outcome" | "brokers" | "isSecure">> {
  const secure = options.secure || state?.engine === "docker" && state.secure === true;
  const brokers = brokerAddresses(defaultNodes(1));
  const { port } = defaultNodes(1)[0]!;
  const ran = await containerRuns();
  if (!ran) {
    const answer = await answersKafka(HOST, port);
    if (answer === "kafka") return { outcome: "foreign", brokers, isSecure: false };
    if (answer === "something else") {
      throw new Error(`starting Kafka: another program listens at ${brokers}; stop it first`);
    }
  }
  if (options.secure && state?.engine === "docker" && !state.secure) {
    throw new Error(
      "the container's data is that of a cluster without access control; " +
        "`deno task down --volumes` deletes it",
    );
  }
  const secrets = secure ? await brokerSecrets(dataDir) : undefined;
  const secretsFile = secrets && await writeContainerSecrets(dataDir, secrets);
  await writeState(dataDir, { engine: "docker", secure });
  try {
    const seconds = Math.ceil((options.timeout ?? 60_000) / 1_000);
    await compose(["up", "--detach", "--wait", "--wait-timeout", String(seconds), "kafka"], {
      ...{ signal, secretsFile },
    });
  } catch (error) {
    if (!ran) await compose(["down"]).catch(() => {});
    throw error;
  }
  if (secrets !== undefined) {
    const { setUpUsers } = await import("./dev_broker/secure_admin.ts");
    await setUpUsers(brokers, { dataDir, secrets, signal });
  }
  return { outcome: ran ? "running" : "started", brokers, isSecure: secure };
}

function secondsSince(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`;
}

async function down({ dataDir, options, state, signal }: Context): Promise<number> {
  const { timeout, volumes } = options;
  if (state?.engine === "docker") {
    const seconds = timeout === undefined ? [] : ["--timeout", String(Math.ceil(timeout / 1_000))];
    // The programs beside the broker too: without it they would start again and again.
    const all = ["--profile", "service", "down"];
    await compose([...all, ...seconds, ...(volumes ? ["--volumes"] : [])], { signal });
  } else {
    const startedMs = performance.now();
    const stopped = await stopBroker(dataDir, { graceMs: timeout, note: printNote, signal });
    printNote(
      stopped.length === 0 ? "no broker is running" : `stopped after ${secondsSince(startedMs)}`,
    );
  }
  if (volumes) {
    await deleteData(dataDir);
    printNote("deleted its data");
  }
  return 0;
}

async function status({ dataDir, options, state }: Context): Promise<number> {
  if (state?.engine === "docker") {
    const ready = await containerRuns();
    if (options.json) printResult(JSON.stringify({ engine: "docker", ready, nodes: [] }));
    else await compose(["ps"]);
    return ready ? 0 : 1;
  }
  const nodes = await nodeStatus(dataDir);
  const ready = nodes.length > 0 && nodes.every((node) => node.state === "ready");
  if (options.json) {
    printResult(
      JSON.stringify({ engine: state?.engine ?? null, ready, nodes: nodes.map(nodeJson) }),
    );
  } else if (nodes.length === 0) {
    const { port } = defaultNodes(1)[0]!;
    printResult(`no broker was started in ${shown(dataDir)}`);
    if (await answersKafka(HOST, port) === "kafka") {
      printResult(`the one that answers at ${HOST}:${port} was not started by this project`);
    }
  } else {
    for (const node of nodes) printResult(statusLine(node));
  }
  return ready ? 0 : 1;
}

function nodeJson({ id, state, port, controllerPort, pid, since, logFile }: NodeStatus) {
  const controller = { controller_port: controllerPort };
  return {
    id,
    state,
    port,
    ...controller,
    pid: pid ?? null,
    since: since ?? null,
    log_file: logFile,
  };
}

function statusLine({ id, state, port, pid, since, logFile }: NodeStatus): string {
  return [
    `node ${id}`,
    state.padEnd("not answering".length),
    `${HOST}:${port}`,
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(since === undefined ? [] : [`since ${since.toISOString().slice(0, 19)}Z`]),
    shown(logFile),
  ].join("  ");
}

async function logs({ dataDir, options, state, signal }: Context): Promise<number> {
  if (state?.engine === "docker") {
    const tail = options.tail === undefined ? [] : ["--tail", String(options.tail)];
    // The log holds names that clients give themselves.
    const onText = lineSplitter((lines) => printResult(lines.join("\n")));
    await compose(["logs", ...(options.follow ? ["--follow"] : []), ...tail], { signal, onText });
    return 0;
  }
  const nodes = await nodeStatus(dataDir);
  if (nodes.length === 0) {
    throw new Error(
      `reading the log: no broker was started in ${shown(dataDir)}; start one with: deno task up`,
    );
  }
  const prints = await Promise.all(
    nodes.map(({ id, logFile }) =>
      openLog(logFile, {
        tail: options.tail,
        onLines(lines) {
          const prefix = nodes.length === 1 ? "" : `node ${id} | `;
          printResult(lines.map((line) => prefix + line).join("\n"));
        },
      })
    ),
  );
  if (options.follow && !Deno.stdout.isTerminal()) watchReader();
  for (let more = true; more;) {
    for (const print of prints) await print();
    more = options.follow && !signal.aborted;
    if (more) await delayOrAbort(250, signal);
  }
  return 0;
}

/**
 * Notices that the reader of stdout has gone, although nothing is written: GNU tail watches its output
 * for that, and ends with this process. Any other tail is of no use here, and of no harm.
 */
async function watchReader(): Promise<void> {
  const args = ["--follow", `--pid=${Deno.pid}`, "/dev/null"];
  try {
    const tail = new Deno.Command("tail", { args, stdin: "null", stderr: "null" }).spawn();
    tail.unref();
    const { signal } = await tail.status;
    if (signal === "SIGPIPE") readerGone();
  } catch (error) {
    // There is no tail: the next line of the log shows it.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function refuseMisplaced(options: Options<typeof flags>, command: Command): void {
  const { task } = TASKS[command];
  for (const [name, value] of Object.entries(options)) {
    const isGiven = value !== undefined && value !== false;
    if (!isGiven || [...FLAGS_OF_ALL, ...TASKS[command].flags].includes(name)) continue;
    const places = Object.values(TASKS).filter(({ flags }) => flags.includes(name))
      .map(({ task }) => `deno task ${task}`);
    throw new UsageError(`--${name} belongs to ${places.join(" and ")}, not to deno task ${task}`);
  }
  if (options.json && task === "logs") {
    throw new UsageError("--json does not belong to deno task logs: the log is text");
  }
  if (options.nodes?.length === 3 && options.engine === "docker") {
    throw new UsageError("--nodes 3 needs --engine java: compose.yaml has one node");
  }
}

function heapSize(text: string): string {
  if (!/^[1-9]\d*[kmg]$/i.test(text)) throw new Error("expected a size such as 192m or 1g");
  return text;
}

/** Returns a function that takes text and passes on the lines that are whole. */
function lineSplitter(onLines: (lines: string[]) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    if (lines.length > 0) onLines(lines);
  };
}

/** A path as a user would type it in the project's directory. */
function shown(path: string): string {
  return path.startsWith(`${ROOT}/`) ? path.slice(ROOT.length + 1) : path;
}

/** A bar for a download, redrawn in place; `undefined` where nothing can be redrawn. */
function downloadBar(): ((doneBytes: number, totalBytes: number) => void) | undefined {
  if (!takesEscapes(Deno.stderr)) return undefined;
  const lines = new LiveLines(true);
  return (doneBytes, totalBytes) => {
    const share = Math.min(1, doneBytes / totalBytes);
    const full = Math.round(share * BAR_COLUMNS);
    const megabytes = [doneBytes, totalBytes].map((bytes) => Math.round(bytes / 1e6));
    lines.show([
      `${"━".repeat(full)}${"─".repeat(BAR_COLUMNS - full)}  ${Math.round(share * 100)} %, ` +
      `${megabytes[0]} of about ${megabytes[1]} MB`,
    ]);
  };
}

const BAR_COLUMNS = 30;

const SUMMARY =
  "Starts, stops and shows one Apache Kafka for work on this machine, on loopback only.";

/** The command that a task of deno.json has put before the user's words. */
function runMain(): void {
  const [word = "", ...args] = Deno.args;
  if (!(word in TASKS)) {
    main({
      ...{ usage: "deno task broker", summary: SUMMARY, commands, flags, run },
      examples: ["deno task up", "deno task logs --follow"],
    });
    return;
  }
  const command = word as Command;
  const { task, flags: names, examples } = TASKS[command];
  const summary = commands[command];
  main({
    usage: `deno task ${task}`,
    summary: `${summary[0]!.toUpperCase()}${summary.slice(1)}. It is one Apache Kafka for work ` +
      "on this machine, on loopback only.",
    flags,
    shownFlags: [...names, ...FLAGS_OF_ALL],
    examples,
    isForReading: command === "logs",
    run: (options, signal) => run(options, signal, command),
  }, args);
}

if (import.meta.main) runMain();
