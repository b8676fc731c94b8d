/**
 * The development broker: starts, stops and shows one Apache Kafka for work on this machine.
 *
 * Where a Docker engine runs it is a container (compose.yaml), else the same Kafka from its jars with
 * Java 17 or newer, in `.kafka/`. It listens on loopback only and goes on after this program ends.
 *
 * ```sh
 * deno task up
 * deno task ps
 * deno task logs --follow
 * deno task down --volumes
 * deno task up --nodes 3
 * ```
 *
 * Permissions: the set `broker` of deno.json, and `--allow-run` as the task `broker` has it.
 *
 * @module
 */
import { resolve } from "node:path";
import { flag, nonEmpty, oneOf, type Options, toggle, UsageError } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { durationMs } from "./lib/duration.ts";
import {
  type BrokerState,
  DEFAULT_DATA_DIR,
  deleteData,
  KAFKA_VERSION,
  type NodeStatus,
  nodeStatus,
  readState,
  startBroker,
  stopBroker,
  writeState,
} from "./dev_broker/cluster.ts";
import { brokerAddresses, HOST, usualNodes } from "./dev_broker/config.ts";
import { compose, containerRuns, dockerProblem } from "./dev_broker/docker.ts";
import { answersKafka } from "./lib/kafka/probe.ts";
import { pause } from "./lib/async.ts";

const commands = {
  up: "start the broker and wait until it is ready",
  down: "stop it and wait until it is gone",
  status: "show whether it runs; exit code 1 when it does not",
  logs: "print its log",
};

/** The flags of the program. */
export const flags = {
  nodes: flag({
    value: "1|3",
    help: "up: so many nodes, which need Java (default 1, or as many as the data is of)",
  }, (text) => Number(oneOf("1", "3")(text))),
  data: flag(
    { value: "DIR", help: "where data, settings and logs are (default .kafka)" },
    nonEmpty,
  ),
  engine: flag({
    value: "docker|java",
    help: "up: what runs it (default Docker where an engine runs, else Java)",
  }, oneOf("docker", "java")),
  heap: flag({
    value: "SIZE",
    help: "up: the most memory for objects of a node with Java (default 192m)",
  }, heapSize),
  volumes: toggle("down: also delete all topics, records and logs"),
  follow: toggle("logs: go on with what comes"),
  timeout: flag({
    value: "DURATION",
    help: "up: how long to wait until it is ready (default 60s); down: until it ends (default 30s)",
  }, durationMs),
  json: toggle("status: print JSON"),
  verbose: toggle("show what Maven prints and the stack of an error"),
};

/** Runs one of the four commands. */
export async function run(
  options: Options<typeof flags>,
  signal: AbortSignal,
  command: string,
): Promise<number> {
  refuseMisplaced(options, command);
  const dataDir = options.data === undefined ? DEFAULT_DATA_DIR : resolve(options.data);
  const state = await readState(dataDir);
  switch (command) {
    case "up":
      return await up(dataDir, { options, state, signal });
    case "down":
      return await down(dataDir, { options, state, signal });
    case "status":
      return await status(dataDir, { options, state });
    default:
      return await logs(dataDir, { options, state, signal });
  }
}

interface Context {
  options: Options<typeof flags>;
  state: BrokerState | undefined;
  signal: AbortSignal;
}

async function up(dataDir: string, { options, state, signal }: Context): Promise<number> {
  const running = (await nodeStatus(dataDir)).some(({ pid }) => pid !== undefined);
  if (running && options.engine === "docker") {
    throw new Error("starting the broker with Docker: it runs with Java already; stop it first");
  }
  if (!running && await usesDocker(options, state)) {
    return await upWithDocker(dataDir, { options, signal });
  }

  const { nodes, heap, timeout, verbose } = options;
  const startedMs = performance.now();
  const { outcome, brokers } = await startBroker(dataDir, {
    nodes: nodes === undefined ? undefined : usualNodes(nodes),
    heap,
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    note: printNote,
    signal,
    verbose,
  });
  const elapsed = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const count = brokers.split(",").length;
  if (outcome === "foreign") {
    printNote(`a Kafka broker that was not started from here already answers at ${brokers}`);
  } else if (outcome === "running") {
    printNote(`Kafka ${KAFKA_VERSION} is already running at ${brokers}`);
  } else {
    printNote(
      `Kafka ${KAFKA_VERSION} is ready at ${brokers} after ${elapsed} s ` +
        `(Java, ${count === 1 ? "1 node" : `${count} nodes`}, ${
          shown(dataDir)
        }); stop it with: deno task down`,
    );
  }
  return 0;
}

/** Whether Docker is to run the broker: when told so, else when it can and no data says otherwise. */
async function usesDocker(
  { engine, nodes }: Options<typeof flags>,
  state: BrokerState | undefined,
): Promise<boolean> {
  if (engine === "java") return false;
  if (engine === undefined && (nodes === 3 || state?.engine === "java")) return false;
  const problem = await dockerProblem();
  if (problem !== undefined && engine === "docker") {
    throw new Error(`starting the broker with Docker needs an engine with Compose: ${problem}`);
  }
  return problem === undefined;
}

async function upWithDocker(
  dataDir: string,
  { options, signal }: Pick<Context, "options" | "signal">,
): Promise<number> {
  const brokers = brokerAddresses(usualNodes(1));
  const { port } = usualNodes(1)[0]!;
  const ran = await containerRuns();
  if (!ran) {
    const answer = await answersKafka(HOST, port);
    if (answer === "kafka") {
      printNote(`a Kafka broker that was not started from here already answers at ${brokers}`);
      return 0;
    }
    if (answer === "something else") {
      throw new Error(`starting Kafka: another program listens at ${brokers}; stop it first`);
    }
  }
  const startedMs = performance.now();
  await writeState(dataDir, { engine: "docker" });
  try {
    const seconds = Math.ceil((options.timeout ?? 60_000) / 1_000);
    await compose(["up", "--detach", "--wait", "--wait-timeout", String(seconds)], { signal });
  } catch (error) {
    if (!ran) await compose(["down"]).catch(() => {});
    throw error;
  }
  const elapsed = ((performance.now() - startedMs) / 1_000).toFixed(1);
  printNote(
    ran
      ? `Kafka ${KAFKA_VERSION} is already running at ${brokers}`
      : `Kafka ${KAFKA_VERSION} is ready at ${brokers} after ${elapsed} s (Docker)`,
  );
  return 0;
}

async function down(dataDir: string, { options, state, signal }: Context): Promise<number> {
  const { timeout, volumes } = options;
  if (state?.engine === "docker") {
    const seconds = timeout === undefined ? [] : ["--timeout", String(Math.ceil(timeout / 1_000))];
    await compose(["down", ...seconds, ...(volumes ? ["--volumes"] : [])], { signal });
  } else {
    const startedMs = performance.now();
    const stopped = await stopBroker(dataDir, { graceMs: timeout, note: printNote, signal });
    const elapsed = ((performance.now() - startedMs) / 1_000).toFixed(1);
    printNote(stopped.length === 0 ? "no broker is running" : `stopped after ${elapsed} s`);
  }
  if (volumes) {
    await deleteData(dataDir);
    printNote(`deleted its data`);
  }
  return 0;
}

async function status(
  dataDir: string,
  { options, state }: Omit<Context, "signal">,
): Promise<number> {
  if (state?.engine === "docker") {
    await compose(["ps", ...(options.json ? ["--format", "json"] : [])]);
    return await containerRuns() ? 0 : 1;
  }
  const nodes = await nodeStatus(dataDir);
  const ready = nodes.length > 0 && nodes.every((node) => node.state === "ready");
  if (options.json) {
    printResult(JSON.stringify({ engine: state?.engine ?? null, ready, nodes }));
  } else if (nodes.length === 0) {
    const { port } = usualNodes(1)[0]!;
    const foreign = await answersKafka(HOST, port) === "kafka";
    printResult(
      `no broker was started in ${shown(dataDir)}` +
        (foreign ? `; the one that answers at ${HOST}:${port} is not from here` : ""),
    );
  } else {
    for (const node of nodes) printResult(statusLine(node));
  }
  return ready ? 0 : 1;
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

async function logs(dataDir: string, { options, state, signal }: Context): Promise<number> {
  if (state?.engine === "docker") {
    await compose(["logs", ...(options.follow ? ["--follow"] : [])], { signal });
    return 0;
  }
  const nodes = await nodeStatus(dataDir);
  if (nodes.length === 0) {
    throw new Error(`there is no log: no broker was started in ${shown(dataDir)}`);
  }
  const prints = await Promise.all(
    nodes.map(({ id, logFile }) => openLog(logFile, nodes.length === 1 ? "" : `node ${id} | `)),
  );
  for (const print of prints) await print();
  while (options.follow && !signal.aborted) {
    await pause(250, signal).catch(() => {});
    for (const print of prints) await print();
  }
  return 0;
}

/** Returns a function that prints what has come to a log since its last call. */
async function openLog(path: string, prefix: string): Promise<() => Promise<void>> {
  let file = await openIfThere(path);
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let rest = "";
  const printFile = async (from: Deno.FsFile) => {
    for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
      const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
      rest = lines.pop()!;
      if (lines.length > 0) printResult(lines.map((line) => prefix + line).join("\n"));
    }
  };
  return async () => {
    if (file !== undefined) await printFile(file);
    const current = await openIfThere(path);
    // A full log has been renamed, and a new one stands in its place.
    if (current !== undefined && (await current.stat()).ino !== (await file?.stat())?.ino) {
      file?.close();
      file = current;
      await printFile(file);
    } else current?.close();
  };
}

async function openIfThere(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function refuseMisplaced(options: Options<typeof flags>, command: string): void {
  const placed = {
    nodes: "up",
    engine: "up",
    heap: "up",
    volumes: "down",
    follow: "logs",
    json: "status",
  } as const;
  for (const [name, place] of Object.entries(placed)) {
    const given = options[name as keyof typeof placed];
    if (given !== undefined && given !== false && place !== command) {
      throw new UsageError(`--${name} is for ${place}, not for ${command}`);
    }
  }
  if (options.nodes === 3 && options.engine === "docker") {
    throw new UsageError("--nodes 3 needs --engine java: compose.yaml has one node");
  }
}

function heapSize(text: string): string {
  if (!/^[1-9]\d*[kmg]$/i.test(text)) throw new Error("expected a size such as 192m or 1g");
  return text;
}

/** A path as a user would type it in the project's directory. */
function shown(path: string): string {
  const root = DEFAULT_DATA_DIR.slice(0, -".kafka".length);
  return path.startsWith(root) ? path.slice(root.length) : path;
}

if (import.meta.main) {
  main({
    usage: "deno run -A broker.ts",
    summary: "Starts, stops and shows one Apache Kafka for work on this machine, on loopback only.",
    commands,
    flags,
    run,
    notes: "The tasks up, down, ps and logs are these commands.",
  });
}
