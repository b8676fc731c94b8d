/**
 * An archive of the classes that Kafka loads. The tests start about 170 Java processes; until a broker is
 * ready, it needs 1.3 s of processor time instead of 2.9 s (OpenJDK 17), and making the archive takes 9 s
 * once. Java does without it when it does not fit, so nothing depends on it.
 *
 * Source: https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
 *
 * @module
 */
import { dirname } from "node:path";
import { startBroker, stopBroker } from "../../dev_broker/cluster.ts";
import {
  DEFAULT_DATA_DIR,
  exists,
  ifThere,
  lockFile,
  removeIfThere,
} from "../../dev_broker/files.ts";
import { freeNodes } from "../../dev_broker/free_ports.ts";
import { kafkaClasspath } from "../../dev_broker/java.ts";

/** The flags of Java that use the archive, whether it is there or not. */
export async function classArchiveFlags(): Promise<string[]> {
  return [`-XX:SharedArchiveFile=${await archivePath()}`];
}

/** Beside the jars: it is of no use without them. */
async function archivePath(): Promise<string> {
  return `${dirname(await kafkaClasspath())}.jsa`;
}

/** Makes the archive unless it is there: a broker writes it when it ends. */
export async function makeClassArchive(timeoutMs: number): Promise<void> {
  const path = await archivePath();
  using _lock = await lockFile(`${DEFAULT_DATA_DIR}/libs.lock`, { onWait: () => {} });
  if (await exists(path)) return;
  const dataDir = await Deno.makeTempDir({ prefix: "order-stream-classes-" });
  const unfinished = `${path}.unfinished`;
  try {
    const javaFlags = [`-XX:ArchiveClassesAtExit=${unfinished}`];
    await startBroker(dataDir, { nodes: freeNodes(1), javaFlags, timeoutMs });
  } finally {
    await stopBroker(dataDir, { graceMs: timeoutMs });
    await removeIfThere(dataDir);
  }
  await ifThere(Deno.rename(unfinished, path));
}
