/**
 * The machine and the versions that figures hold for.
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

/** What figures depend on. */
export interface Machine {
  /** When they were measured. */
  date: string;
  /** What was measured; with `+` when files differ from the commit. */
  commit: string;
  /** The processor. */
  cpu: string;
  /** How many of its cores there are. */
  cores: number;
  /** Memory in GB (10^9 bytes). */
  memoryGb: number;
  /** The operating system. */
  os: string;
  /** Deno. */
  deno: string;
  /** Where the broker comes from. */
  broker: string;
  /** Java, which runs Kafka and its tools. */
  java: string;
}

/**
 * Looks at the machine.
 *
 * @param broker Where the broker comes from.
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
      ? `Apache Kafka ${KAFKA_VERSION}, one node, beside it`
      : "already running",
    java: await findJava().then(({ version }) => version.split("\n")[0]!, () => "none"),
  };
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) =>
    (await start({ program: "git", args }).ended.then(({ stdout }) => stdout)).trim();
  const short = await git("rev-parse", "--short", "HEAD");
  if (short === "") return "unknown";
  return short + (await git("status", "--porcelain") === "" ? "" : "+");
}
