/**
 * The clients that are compared: how each is made ready, started, and what it reports.
 *
 * The peers' programs are in `bench/peers/`. What a client needs and cannot get on this machine makes
 * it missing, with a reason; the others are measured all the same.
 *
 * Permissions: `--allow-run=sh,java,mvn`, `--allow-net=127.0.0.1`, `--allow-env=JAVA_HOME`,
 * `--allow-read`, `--allow-write` for `bench/.venv` and `.kafka`.
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

/** One of them. */
export type Job = typeof JOBS[number];

/** The peers, by the names that `--peers` takes. */
export const PEERS = ["confluent-kafka", "kafka-python", "platformatic", "java"] as const;

/** One of them. */
export type PeerName = typeof PEERS[number];

/** What a client has to do in one run. */
export interface Work {
  /** The job. */
  job: Job;
  /** How many orders. */
  orders: number;
  /** Where the brokers are, as `--brokers` takes it. */
  brokers: string;
  /** The prefix of topics and groups; the topics exist. */
  prefix: string;
  /** The consumer group without the prefix; nobody has used it. */
  group: string;
  /** A directory for files. */
  directory: string;
}

/** What a client says it has done. */
export interface Report {
  /** How many orders. */
  orders: number;
  /** How many of them failed, if it says so. */
  failed?: number | undefined;
  /** How long it worked by its own clock, once it had started, if it says so. */
  workingSeconds?: number | undefined;
}

/** A client that is there. */
export interface Client {
  /** What tables and charts call it. */
  name: string;
  /** What makes its figures another kind of figure, per job. */
  remarks: Partial<Record<Job, string>>;
  /** What it does. */
  jobs: readonly Job[];
  /** How it is started. */
  command(work: Work): Command;
  /** Reads its report from what it wrote. */
  report(job: Job, written: { stdout: string; stderr: string }): Report;
}

/** Our own programs, with the permissions that their tasks have. */
export const ORDER_STREAM: Client = {
  name: "Order Stream",
  jobs: JOBS,
  remarks: {},
  command(work) {
    const common = ["--topic-prefix", work.prefix, "--json"];
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
      return { orders: facts.orders, failed: facts.failed, workingSeconds: facts.seconds };
    }
    const note = /counted by this instance in ([\d.]+) s/.exec(stderr);
    return {
      orders: facts.total_orders,
      failed: facts.failed_orders,
      workingSeconds: note === null ? undefined : Number(note[1]),
    };
  },
};

/** One of our programs as a process. */
export function program(
  script: Script,
  { brokers, directory }: Pick<Work, "brokers" | "directory">,
  ...flags: string[][]
): Command {
  return {
    program: Deno.execPath(),
    args: [...commandOf(script, { brokers, files: [directory] }), ...flags.flat()],
  };
}

/**
 * Makes a peer ready.
 *
 * @param payloadFile Orders, one a line, for the tool that sends ready-made records.
 * @throws {Error} With the reason when it cannot be had here.
 */
export function preparePeer(
  name: PeerName,
  { payloadFile, note }: { payloadFile: string; note: (line: string) => void },
): Promise<Client> {
  switch (name) {
    case "confluent-kafka":
      return pythonPeer("confluent-kafka-python", {
        distribution: "confluent-kafka",
        script: "confluent.py",
        note,
      });
    case "kafka-python":
      return pythonPeer("kafka-python", {
        distribution: "kafka-python",
        script: "kafka_python.py",
        note,
      });
    case "platformatic":
      return platformaticPeer();
    case "java":
      return javaPeer(payloadFile);
  }
}

const PEERS_DIR = `${ROOT}/bench/peers`;
const VENV = `${ROOT}/bench/.venv`;
const PYTHON = `${VENV}/bin/python`;
const REQUIREMENTS = `${PEERS_DIR}/requirements.txt`;

/** The words that all peer programs take. */
function peerFlags(work: Work): string[] {
  const { name: topic } = orderEvents(work.prefix);
  const common = [work.job, "--brokers", work.brokers, "--topic", topic];
  const count = ["--orders", String(work.orders)];
  if (work.job === "produce") return [...common, ...count];
  const group = ["--group", work.prefix + work.group];
  const output = ["--output", inventoryEvents(work.prefix).name];
  return [...common, ...count, ...group, ...output];
}

function peerReport(_job: Job, { stdout }: { stdout: string }): Report {
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
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
  return {
    name: `${name} ${version}`,
    jobs: JOBS,
    remarks: { analytics: "counts in memory only" },
    command: (work) => ({ program: PYTHON, args: [`${PEERS_DIR}/${script}`, ...peerFlags(work)] }),
    report: peerReport,
  };
}

/** Makes the virtual environment with the pinned packages, unless it is there. */
async function installPython(note: (line: string) => void): Promise<void> {
  const wanted = await Deno.readTextFile(REQUIREMENTS);
  const installed = `${VENV}/requirements.txt`;
  if (await exists(installed) && await Deno.readTextFile(installed) === wanted) return;
  note("installing the Python clients into bench/.venv, only this once");
  await output("python3", ["-m", "venv", VENV]);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  await output(PYTHON, [...pip, "--only-binary", ":all:", "--requirement", REQUIREMENTS]);
  await Deno.writeTextFile(installed, wanted);
}

async function platformaticPeer(): Promise<Client> {
  const script = `${PEERS_DIR}/platformatic.ts`;
  const config = ["--config", `${PEERS_DIR}/deno.json`, "--frozen"];
  await output(Deno.execPath(), ["cache", ...config, script]);
  const { imports } = JSON.parse(await Deno.readTextFile(`${PEERS_DIR}/deno.json`));
  return {
    name: imports["@platformatic/kafka"].replace("npm:", "").replace(/(.)@/, "$1 "),
    jobs: JOBS,
    remarks: { analytics: "counts in memory only" },
    command: (work) => ({
      program: Deno.execPath(),
      args: [
        "run",
        ...config,
        "--no-prompt",
        "--allow-net",
        "--allow-env",
        "--allow-read",
        "--allow-sys",
        // For the ready-built native CRC32C that comes with it; without it WebAssembly is used.
        "--allow-ffi",
        script,
        ...peerFlags(work),
      ],
    }),
    report: peerReport,
  };
}

/** Kafka's own measuring tools: a yardstick, as they neither generate nor read JSON. */
async function javaPeer(payloadFile: string): Promise<Client> {
  const { command: java } = await findJava();
  const tool = (name: string, args: string[]): Command => ({
    program: java,
    args: ["-cp", classPath, `org.apache.kafka.tools.${name}`, ...args],
  });
  const classPath = await kafkaClasspath();
  return {
    name: `Kafka's Java tools ${KAFKA_VERSION}`,
    jobs: ["produce", "analytics"],
    remarks: {
      produce: "yardstick: ready-made records, no JSON",
      analytics: "yardstick: fetches only, no JSON, no counts",
    },
    command({ job, orders, brokers, prefix, group }) {
      const topic = orderEvents(prefix).name;
      if (job === "produce") {
        return tool("ProducerPerformance", [
          ...["--topic", topic, "--num-records", String(orders), "--throughput", "-1"],
          ...["--payload-file", payloadFile, "--producer-props", `bootstrap.servers=${brokers}`],
          ...["acks=all", "enable.idempotence=true", "linger.ms=50", "batch.size=262144"],
        ]);
      }
      return tool("ConsumerPerformance", [
        ...["--bootstrap-server", brokers, "--topic", topic, "--messages", String(orders)],
        ...["--group", prefix + group, "--hide-header", "--timeout", "30000"],
      ]);
    },
    report(job, { stdout }) {
      const last = stdout.trim().split("\n").at(-1) ?? "";
      return { orders: job === "produce" ? parseInt(last) : Number(last.split(", ")[4]) };
    },
  };
}

/** Runs a command and returns what it prints, without the line end. */
async function output(program: string, args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await start({ program, args }).ended;
  if (exitCode === 0) return stdout.trim();
  const problem = (stderr + stdout).trim().split("\n").slice(-3).join("\n");
  throw new Error(`\`${program.replace(`${ROOT}/`, "")} ${args[0]}\` failed: ${problem}`);
}
