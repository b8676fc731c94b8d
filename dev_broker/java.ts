/**
 * What the development broker needs to run with Java: a Java, and Apache Kafka's jars, which Maven
 * downloads.
 *
 * The jars belong to the project and are shared by all data directories. They appear by one rename,
 * complete and with the checksums of the repository or not at all, so an interrupted download leaves
 * nothing half-made. They are checked once, after the download: a program that can change them
 * later can change the project too.
 *
 * Permissions: `--allow-run=java,mvn` (and `$JAVA_HOME/bin/java`), `--allow-env=JAVA_HOME`,
 * `--allow-read=.kafka,dev_broker`, `--allow-write=.kafka`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { javaMajorVersion, KAFKA_VERSION } from "./config.ts";
import { DEFAULT_DATA_DIR, exists, lockFile, outputOf, removeIfThere, ROOT } from "./files.ts";
import { JARS_LIST, verifyJars } from "./jars.ts";

const POM = `${ROOT}/dev_broker/pom.xml`;
const OLDEST_JAVA = 17;
const DOWNLOAD_LIMIT_MS = 15 * 60_000;
/** What Maven downloads, about, in bytes. */
const DOWNLOAD_BYTES = 64e6;
const HOW_ELSE = `install Java and Maven:
Debian, Ubuntu: sudo apt-get install openjdk-17-jre-headless maven
macOS: brew install openjdk maven
or start a Docker engine, which "deno task up" prefers;
or set KAFKA_BROKERS to a Kafka that runs elsewhere, and start none`;

/** How a caller follows what takes long, and stops it. */
export interface Progress {
  /** Called with a message for the user. */
  note?: (line: string) => void;
  /** Called as a download goes on, with what has come and what is expected, in bytes. */
  onDownload?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Stops the work. */
  signal?: AbortSignal | undefined;
  /**
   * Shows what Maven prints.
   *
   * @default {false}
   */
  verbose?: boolean;
}

/**
 * Finds Java: the one at `JAVA_HOME` when that is set, else the one on the `PATH`. Returns the command
 * that runs it, and what that prints for `-version`.
 *
 * @throws {Error} When there is none or it is too old.
 */
export async function findJava(): Promise<{ command: string; version: string }> {
  const home = Deno.env.get("JAVA_HOME") ?? "";
  const command = home === "" ? "java" : `${home.replace(/\/+$/, "")}/bin/java`;
  const where = home === "" ? "on the PATH" : `at JAVA_HOME "${home}"`;
  const wanted = `running Kafka needs Java ${OLDEST_JAVA} or newer`;
  const { success, text: version } = await outputOf(command, ["-version"]).catch(async (error) => {
    if (error instanceof Deno.errors.NotFound) {
      const missing = await hasMaven() ? "" : "; Maven, which downloads Kafka, is missing too";
      throw new Error(`${wanted}, and there is none ${where}${missing}; ${HOW_ELSE}`);
    }
    throw new Error(`${wanted}, and the one ${where} cannot be run`, { cause: error });
  });
  const major = success ? javaMajorVersion(version) : undefined;
  if (major === undefined) {
    throw new Error(
      `${wanted}, and \`${command} -version\` says "${version.trim().split("\n")[0]}"`,
    );
  }
  if (major < OLDEST_JAVA) {
    throw new Error(
      `${wanted}, and the one ${where} is ${major}; ${HOW_ELSE}`,
    );
  }
  return { command, version };
}

/**
 * Kafka's jars as Java's `-cp` takes them; downloads and checks them when they are not there yet.
 *
 * @throws {Error} When Maven is missing or cannot download them, or when a jar is not the listed one.
 */
export async function kafkaClasspath(progress: Progress = {}): Promise<string> {
  const { note = () => {}, signal } = progress;
  const digest = createHash("sha256");
  for (const file of [POM, JARS_LIST]) digest.update(await Deno.readFile(file));
  const libs = `${DEFAULT_DATA_DIR}/libs-${KAFKA_VERSION}-${digest.digest("hex").slice(0, 8)}`;
  if (await exists(libs)) return `${libs}/*`;

  await Deno.mkdir(DEFAULT_DATA_DIR, { recursive: true });
  using _lock = await lockFile(`${DEFAULT_DATA_DIR}/libs.lock`, {
    signal,
    onWait: () => note("another program is downloading Apache Kafka; waiting for it"),
  });
  if (await exists(libs)) return `${libs}/*`;

  note(`downloading Apache Kafka ${KAFKA_VERSION} from Maven Central (about 60 MB, only once)`);
  const startedMs = performance.now();
  const unfinished = `${libs}.unfinished`;
  await removeIfThere(unfinished);
  try {
    await downloadJars(unfinished, progress);
    await verifyJars(unfinished);
    await Deno.rename(unfinished, libs);
  } finally {
    await removeIfThere(unfinished);
  }
  note(`downloaded in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
  return `${libs}/*`;
}

/**
 * Downloads the jars of dev_broker/pom.xml into a directory, with Maven.
 *
 * @param options.repository Where Maven keeps what it has downloaded, if not in its usual place.
 *
 * @throws {Error} When Maven is missing or fails.
 */
export async function downloadJars(
  directory: string,
  { signal, onDownload, verbose = false, repository }: Progress & { repository?: string },
): Promise<void> {
  const doing = `downloading Kafka's jars with Maven`;
  const limit = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  const args = [
    "--batch-mode",
    "--strict-checksums",
    "--file",
    POM,
    "dependency:copy-dependencies",
    "-DincludeScope=runtime",
    `-DoutputDirectory=${directory}`,
    ...(repository === undefined ? [] : [`-Dmaven.repo.local=${repository}`]),
  ];
  const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  let doneBytes = 0;
  const onText = (text: string) => {
    doneBytes += downloadedBytes(text);
    if (doneBytes > 0) onDownload?.(doneBytes, DOWNLOAD_BYTES);
  };
  const { success, code, text } = await outputOf("mvn", args, { signal: either, onText }).catch(
    (error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Error(`${doing}: the command mvn is missing; ${HOW_ELSE}`);
    },
  );
  signal?.throwIfAborted();
  if (verbose) console.error(text);
  if (limit.aborted) {
    throw new Error(`${doing}: not done after ${DOWNLOAD_LIMIT_MS / 60_000} minutes`);
  }
  if (!success) throw new Error(`${doing}: exit code ${code}\n${mavenErrors(text)}`);
}

async function hasMaven(): Promise<boolean> {
  return await outputOf("mvn", ["--version"]).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  });
}

/** The sizes in lines of Maven such as `Downloaded from central: https://… (5.3 MB at 12 MB/s)`. */
function downloadedBytes(text: string): number {
  const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6 };
  return [...text.matchAll(/^.*Downloaded from .*\((\d+(?:\.\d+)?) ([kM]?B) at /gm)]
    .reduce((sum, [, size, unit]) => sum + Number(size) * units[unit!]!, 0);
}

/** Maven's error messages, without its advice on how to read them. */
function mavenErrors(text: string): string {
  // deno-lint-ignore no-control-regex -- Maven colours its output on some systems.
  const lines = text.replace(/\x1b\[[0-9;]*m/g, "").split("\n")
    .map((line) => line.replace(/ -> \[Help \d+\]/, "").trimEnd()).filter((line) => line !== "");
  const advice = /^\[ERROR\]( (To see|Re-run|For more|After correcting|\[Help)|$)/;
  const errors = lines.filter((line) => line.startsWith("[ERROR]") && !advice.test(line));
  return (errors.length > 0 ? errors : lines).slice(0, 5).join("\n") || "it printed nothing";
}
