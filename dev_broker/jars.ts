/**
 * The checksums of the development broker's jars. `dev_broker/jars.sha256` lists every jar of
 * dev_broker/pom.xml, in the form of `sha256sum`; a directory with any other jars is refused.
 *
 * Permissions: `--allow-read` for the list and for the directory.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { ROOT } from "./files.ts";

/** The list of the jars and their checksums. */
export const JARS_LIST = `${ROOT}/dev_broker/jars.sha256`;

/** The SHA-256 of files by their names, in hexadecimal digits. */
export type Checksums = ReadonlyMap<string, string>;

/**
 * Reads a list in the form of `sha256sum`.
 *
 * @throws {Error} When a line is of another form, or names a file a second time.
 */
export function parseChecksums(text: string): Checksums {
  const checksums = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, digest, name] = /^([0-9a-f]{64}) [ *]([^/]+)$/.exec(line) ?? [];
    if (digest === undefined || name === undefined || checksums.has(name)) {
      throw new Error(`reading ${shown(JARS_LIST)}: unexpected line "${line}"`);
    }
    checksums.set(name, digest);
  }
  return checksums;
}

/** The list as {@linkcode parseChecksums} reads it, sorted by name. */
export function checksumsText(checksums: Checksums): string {
  return [...checksums].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, digest]) => `${digest}  ${name}\n`).join("");
}

/** Each file that has another checksum than listed, is missing or is not listed. */
export function checksumProblems(listed: Checksums, found: Checksums): string[] {
  const names = [...new Set([...listed.keys(), ...found.keys()])].sort();
  return names.flatMap((name) => {
    const [wanted, is] = [listed.get(name), found.get(name)];
    if (wanted === is) return [];
    if (wanted === undefined) return [`${name} is not listed`];
    if (is === undefined) return [`${name} is missing`];
    return [`${name} has the SHA-256 ${is}, listed is ${wanted}`];
  });
}

/** The checksums of all files in a directory. */
export async function checksumsOf(directory: string): Promise<Checksums> {
  const checksums = new Map<string, string>();
  for await (const { name } of Deno.readDir(directory)) {
    const bytes = await Deno.readFile(`${directory}/${name}`);
    checksums.set(name, createHash("sha256").update(bytes).digest("hex"));
  }
  return checksums;
}

/**
 * Checks that a directory holds exactly the jars of `dev_broker/jars.sha256`.
 *
 * @throws {Error} When it does not; the message names each jar that differs.
 */
export async function verifyJars(directory: string): Promise<void> {
  const listed = parseChecksums(await Deno.readTextFile(JARS_LIST));
  const problems = checksumProblems(listed, await checksumsOf(directory));
  if (problems.length === 0) return;
  throw new Error(
    `checking Kafka's jars: they are not those of ${shown(JARS_LIST)}, so they are not used\n` +
      problems.map((problem) => `  ${problem}\n`).join("") +
      "Maven keeps what it has downloaded, usually in ~/.m2/repository: delete these jars there " +
      "and try again; do not run jars that still differ",
  );
}

function shown(path: string): string {
  return path.slice(ROOT.length + 1);
}
