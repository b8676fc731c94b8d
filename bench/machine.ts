/**
 * The machine and the versions that figures were measured with.
 *
 * Permissions: `--allow-sys=cpus,systemMemoryInfo,osRelease`, `--allow-run=sh,java`,
 * `--allow-env=JAVA_HOME`.
 *
 * @module
 */
import { cpus } from "node:os";
import { findJava } from "../dev_broker/java.ts";
import { KAFKA_VERSION } from "../dev_broker/config.ts";
import { start } from "./measure.ts";

/** Hardware and versions that figures depend on. */
export interface Machine {
  /** Time of the measurement, ISO 8601. */
  date: string;
  /** Short hash of the measured commit; ends with `+` if files differ from it. */
  commit: string;
  /** Model name of the processor. */
  cpu: string;
  /** Number of logical cores. */
  cores: number;
  /** Memory in GB (10^9 bytes). */
  memoryGb: number;
  /** Operating system, its release and architecture. */
  os: string;
  /** Version of Deno. */
  deno: string;
  /** Version of Kafka if the benchmark started it, and where it runs. */
  broker: string;
  /** First line of `java -version`; Java runs Kafka and its tools. */
  java: string;
}

/**
 * Describes this machine.
 *
 * @param broker Whether the benchmark started the broker or found it running.
 */
export async function describeMachine(broker: "own" | "running"): Promise<Machine> {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    commit: await commit(),
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGb: Math.round(Deno.systemMemoryInfo().total / 1e9),
    os: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    broker: broker === "own"
      ? `Apache Kafka ${KAFKA_VERSION} on the same machine`
      : "a broker that was already running",
    java: await findJava().then(({ version }) => version.split("\n")[0]!, (error) => {
      if (isDenied(error) || isDenied(error.cause)) throw error;
      return "none";
    }),
  };
}

function isDenied(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable;
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) =>
    (await start({ program: "git", args }).ended.then(({ stdout }) => stdout)).trim();
  const short = await git("rev-parse", "--short", "HEAD");
  if (short === "") return "unknown";
  return short + (await git("status", "--porcelain") === "" ? "" : "+");
}
