/**
 * Writes `dev_broker/jars.sha256` again after a change of dev_broker/pom.xml, from jars that are
 * downloaded for this purpose, not from those that Maven has kept.
 *
 * ```sh
 * deno task jars
 * ```
 *
 * Permissions: `--allow-run=mvn`, `--allow-read=.kafka,dev_broker`,
 * `--allow-write=.kafka,dev_broker/jars.sha256`.
 *
 * @module
 */
import { DEFAULT_DATA_DIR, ifThere, removeIfThere } from "./files.ts";
import { downloadJars } from "./java.ts";
import { type Checksums, checksumsOf, checksumsText, JARS_LIST, parseChecksums } from "./jars.ts";

/** The names of the jars that have another checksum than before, although a released jar never changes. */
export function changedJars(before: Checksums, after: Checksums): string[] {
  return [...after].filter(([name, digest]) => (before.get(name) ?? digest) !== digest)
    .map(([name]) => name);
}

async function renew(): Promise<void> {
  const directory = `${DEFAULT_DATA_DIR}/libs-renewed.unfinished`;
  await removeIfThere(directory);
  try {
    await downloadJars(`${directory}/jars`, { repository: `${directory}/repository` });
    const found = await checksumsOf(`${directory}/jars`);
    const listed = parseChecksums(await ifThere(Deno.readTextFile(JARS_LIST)) ?? "");
    const changed = changedJars(listed, found);
    if (changed.length > 0) {
      throw new Error(
        `renewing the list of jars: these have another checksum than before, and a released jar ` +
          `does not change: ${changed.join(", ")}`,
      );
    }
    await Deno.writeTextFile(JARS_LIST, checksumsText(found));
    console.error(
      `dev_broker/jars.sha256 lists ${found.size} jars; see what changed with git diff`,
    );
  } finally {
    await removeIfThere(directory);
  }
}

if (import.meta.main) {
  renew().catch((error) => {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  });
}
