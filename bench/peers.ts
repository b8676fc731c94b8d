/**
 * The clients that are compared: how to install each, how to start it and how to read its report.
 *
 * The peers' programs are in `bench/peers/`. A client that cannot be installed on this machine is
 * reported as missing, with the reason; the others are still measured.
 *
 * Permissions: `--allow-run=sh,java,mvn`, `--allow-net=127.0.0.1`, `--allow-env=JAVA_HOME`,
 * `--allow-read`, `--allow-write` for `bench/.venv` and `.kafka`; `sh` starts the compilers.
 *
 * @module
 */
import { exists, ROOT } from "../dev_broker/files.ts";
import { findJava, kafkaClasspath } from "../dev_broker/java.ts";
import { KAFKA_VERSION } from "../dev_broker/config.ts";
import { commandOf, type Script } from "../lib/cli/launch.ts";
import { inventoryEvents, orderEvents } from "../lib/topics.ts";
import { type Command, start } from "./measure.ts";

/** The jobs that clients are compared in. */
export const JOBS = ["produce", "analytics", "inventory"] as const;

/** A job that clients are compared in. */
export type Job = typeof JOBS[number];

/** The jobs that are also measured on orders of other writers. */
export const FOREIGN_JOBS = ["analytics", "inventory"] as const;

/** The values of `--peers`. */
export const PEERS = [
  "confluent-kafka",
  "franz-go",
  "kafka-python",
  "platformatic",
  "java",
] as const;

/** A peer, by the name that `--peers` takes. */
export type PeerName = typeof PEERS[number];

/** The task of a client in one run. */
export interface Work {
  /** Which of the three jobs to do. */
  job: Job;
  /** Number of orders to produce or to read. */
  orders: number;
  /** The brokers in the form of `--brokers`. */
  brokers: string;
  /** Prefix of topics and groups; the topics exist. */
  prefix: string;
  /** Consumer group without the prefix; it has no committed offsets. */
  group: string;
  /** Directory for temporary files. */
  directory: string;
}

/** What a client reports at its end. */
export interface Report {
  /** Number of orders it processed. */
  orders: number;
  /** Number of failed orders; `undefined` if it does not report it. */
  failed?: number | undefined;
  /** Time after start-up, by its own clock; `undefined` if it does not report it. */
  workingSeconds?: number | undefined;
}

/** An installed client. */
export interface Client {
  /** Name and version for tables and charts. */
  name: string;
  /** Per job, why its figures are not directly comparable. */
  remarks: Partial<Record<Job, string>>;
  /** The command that does the work. */
  command(work: Work): Command;
  /** Reads its report from its output; throws if there is none. */
  report(job: Job, written: { stdout: string; stderr: string }): Report;
}

/** No client compresses: all of them send, and read, the same bytes. */
export const PLAIN = ["--compression", "none"];

/** Our own programs, with the permissions of their tasks. */
export const ORDER_STREAM: Client = {
  name: "Order Stream",
  remarks: {},
  command(work) {
    const common = ["--topic-prefix", work.prefix, "--json", ...PLAIN];
    switch (work.job) {
      case "produce":
        return program(
          "producer.ts",
          work,
          ["--count", String(work.orders), "--seed", "1"],
          common,
        );
      case "analytics": {
        const output = `${work.directory}/report.json`;
        const flags = ["--until-end", "--group", work.group, "--output", output];
        return program("analytics.ts", work, flags, common);
      }
      case "inventory":
        return program("inventory.ts", work, ["--until-end", "--group", work.group], common);
    }
  },
  report(job, { stdout, stderr }) {
    const facts = JSON.parse(stdout);
    if (job !== "analytics") {
      return {
        orders: facts.total_orders,
        failed: facts.failed_orders,
        workingSeconds: facts.seconds,
      };
    }
    const note = /counted by this instance in ([\d.]+) s/.exec(stderr);
    return {
      orders: facts.total_orders,
      failed: facts.failed_orders,
      workingSeconds: note === null ? undefined : Number(note[1]),
    };
  },
};

/** The command that starts one of our programs. */
export function program(
  script: Script,
  { brokers }: Pick<Work, "brokers">,
  ...flags: string[][]
): Command {
  return {
    program: Deno.execPath(),
    args: [...commandOf(script, brokers), ...flags.flat()],
  };
}

/**
 * Installs a peer.
 *
 * @throws {Error} When it cannot be installed here, with the reason.
 */
export function preparePeer(name: PeerName, note: (line: string) => void): Promise<Client> {
  switch (name) {
    case "confluent-kafka":
      return pythonPeer("confluent-kafka-python", {
        distribution: "confluent-kafka",
        script: "confluent.py",
        note,
      });
    case "franz-go":
      return goPeer(note);
    case "kafka-python":
      return pythonPeer("kafka-python", {
        distribution: "kafka-python",
        script: "kafka_python.py",
        note,
      });
    case "platformatic":
      return platformaticPeer();
    case "java":
      return javaPeer(note);
  }
}

const PEERS_DIR = `${ROOT}/bench/peers`;
const VENV = `${ROOT}/bench/.venv`;
const PYTHON = `${VENV}/bin/python`;
const REQUIREMENTS = `${PEERS_DIR}/requirements.txt`;

/** Compiled peers. */
const BUILD = `${ROOT}/bench/.build`;

/** The arguments that all peer programs take. */
function peerFlags(work: Work): string[] {
  const { name: topic } = orderEvents(work.prefix);
  const common = [work.job, "--brokers", work.brokers, "--topic", topic];
  const count = ["--orders", String(work.orders)];
  if (work.job === "produce") return [...common, ...count];
  const group = ["--group", work.prefix + work.group];
  const output = ["--output", inventoryEvents(work.prefix).name];
  return [...common, ...count, ...group, ...output];
}

/** A program of `bench/peers/`. */
function peer(name: string, command: (flags: string[]) => Command): Client {
  return {
    name,
    remarks: { analytics: "counts in memory only" },
    command: (work) => command(peerFlags(work)),
    report: (_job, { stdout }) => JSON.parse(stdout.trim().split("\n").at(-1)!),
  };
}

async function pythonPeer(
  name: string,
  { distribution, script, note }: {
    distribution: string;
    script: string;
    note: (line: string) => void;
  },
): Promise<Client> {
  await installPython(note);
  const version = await output(PYTHON, [
    "-c",
    `import importlib.metadata as m; print(m.version("${distribution}"))`,
  ]);
  return peer(
    `${name} ${version}`,
    (flags) => ({ program: PYTHON, args: [`${PEERS_DIR}/${script}`, ...flags] }),
  );
}

/** Creates the virtual environment with the pinned packages, unless it exists. */
async function installPython(note: (line: string) => void): Promise<void> {
  const wanted = await Deno.readTextFile(REQUIREMENTS);
  const installed = `${VENV}/requirements.txt`;
  if (await exists(installed) && await Deno.readTextFile(installed) === wanted) return;
  note("installing the Python clients into bench/.venv");
  await output("python3", ["-m", "venv", VENV]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  const pinned = ["--only-binary", ":all:", "--require-hashes", "--requirement", REQUIREMENTS];
  await output(PYTHON, [...pip, ...pinned]);
  await Deno.writeTextFile(installed, wanted);
}

async function goPeer(note: (line: string) => void): Promise<Client> {
  const directory = `${PEERS_DIR}/franz_go`;
  const binary = `${BUILD}/franz_go`;
  note("building the Go client into bench/.build");
  await output("go", ["build", "-C", directory, "-buildvcs=false", "-o", binary, "."]);
  const module = /franz-go v(\S+)/.exec(await Deno.readTextFile(`${directory}/go.mod`));
  return peer(`franz-go ${module![1]}`, (flags) => ({ program: binary, args: flags }));
}

async function platformaticPeer(): Promise<Client> {
  const script = `${PEERS_DIR}/platformatic.ts`;
  const config = ["--config", `${PEERS_DIR}/deno.json`, "--frozen"];
  await output(Deno.execPath(), ["cache", ...config, script]);
  const { imports } = JSON.parse(await Deno.readTextFile(`${PEERS_DIR}/deno.json`));
  const name = imports["@platformatic/kafka"].replace("npm:", "").replace(/(.)@/, "$1 ");
  const args = [
    "run",
    ...config,
    "--no-prompt",
    "--allow-net",
    "--allow-env",
    "--allow-read",
    "--allow-sys",
    // For its prebuilt native CRC32C; without this permission it uses WebAssembly.
    "--allow-ffi",
    script,
  ];
  return peer(name, (flags) => ({ program: Deno.execPath(), args: [...args, ...flags] }));
}

/** The jars that a client needs; the others of the broker would only lengthen its start. */
const CLIENT_JARS = /^(kafka-clients|jackson-(core|databind|annotations)|slf4j-api)-\d/;

async function javaPeer(note: (line: string) => void): Promise<Client> {
  const { command: java } = await findJava();
  const libs = (await kafkaClasspath({ note })).replace(/\/\*$/, "");
  const names = await Array.fromAsync(Deno.readDir(libs), ({ name }) => name);
  const jars = names.filter((name) => CLIENT_JARS.test(name)).map((name) => `${libs}/${name}`);
  const directory = `${PEERS_DIR}/java`;
  const sources = ["Peer.java", "Orders.java"].map((name) => `${directory}/${name}`);
  const classes = `${BUILD}/java`;
  note("compiling the Java client into bench/.build");
  // The compiler stands beside the command `java`; a runtime alone does not contain it.
  await output(`${java}c`, ["-cp", jars.join(":"), "-d", classes, ...sources]);
  const args = ["-cp", [...jars, classes].join(":"), "Peer"];
  return peer(
    `Kafka's Java client ${KAFKA_VERSION}`,
    (flags) => ({ program: java, args: [...args, ...flags] }),
  );
}

/** Runs a command and returns its trimmed stdout; throws when it fails. */
async function output(program: string, args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await start({ program, args }).ended;
  if (exitCode === 0) return stdout.trim();
  // The shell's code for a command that does not exist.
  if (exitCode === 127) throw new Error(`the command ${program} is missing`);
  const problem = (stderr + stdout).trim().split("\n").slice(-3).join("\n");
  throw new Error(`\`${program.replace(`${ROOT}/`, "")} ${args[0]}\` failed: ${problem}`);
}
