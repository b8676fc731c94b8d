/**
 * Kafka's own command line tools, from the broker's jars: the judge that is not ours.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { kafkaClasspath } from "../../dev_broker/java.ts";
import type { Compression } from "../../lib/compression.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { committedOffsets, logRanges } from "../../lib/kafka/offsets.ts";
import { orderEvents } from "../../lib/topics.ts";
import { classArchiveFlags } from "./class_archive.ts";
import { eventually, type TestRun } from "./run.ts";

/** A line of `kafka-consumer-groups --describe`. */
export interface DescribedPartition {
  /** The partition. */
  partition: number;
  /** The committed offset; `-` when there is none. */
  committed: string;
  /** The end offset. */
  end: string;
  /** The lag; `-` when nothing is committed. */
  lag: string;
}

/** Runs `kafka-consumer-groups` and returns what it prints. */
export function kafkaConsumerGroups(brokers: string, args: string[]): Promise<string> {
  return runTool("consumer.group.ConsumerGroupCommand", brokers, { args });
}

/**
 * Reads a topic from its beginning with `kafka-console-consumer`, `read_committed`.
 *
 * @param count How many records to wait for.
 * @returns Of each record `partition`, key and value.
 */
export async function consoleConsumer(
  brokers: string,
  { topic, count }: { topic: string; count: number },
): Promise<{ partition: number; key: string; value: string }[]> {
  const properties = ["print.partition=true", "print.key=true", "key.separator=\t"];
  const text = await runTool("consumer.ConsoleConsumer", brokers, {
    args: [
      ...["--topic", topic, "--from-beginning", "--isolation-level", "read_committed"],
      // One more than there should be: what is too much is seen, and the time limit ends it.
      ...["--max-messages", String(count + 1), "--timeout-ms", "4000"],
      ...properties.flatMap((property) => ["--formatter-property", property]),
    ],
  });
  return text.split("\n").filter((line) => line.startsWith("Partition:")).map((line) => {
    const [partition, key, value] = line.split("\t");
    return { partition: Number(partition!.slice("Partition:".length)), key: key!, value: value! };
  });
}

/** Publishes records with `kafka-console-producer`. */
export async function consoleProducer(
  brokers: string,
  { topic, records, compression }: {
    topic: string;
    records: { key: string; value: string }[];
    compression: Compression;
  },
): Promise<void> {
  await runTool("ConsoleProducer", brokers, {
    args: [
      ...["--topic", topic, "--compression-codec", compression],
      ...["--reader-property", "parse.key=true", "--reader-property", "key.separator=\t"],
    ],
    input: records.map(({ key, value }) => `${key}\t${value}\n`).join(""),
  });
}

async function runTool(
  tool: string,
  brokers: string,
  { args, input = "" }: { args: string[]; input?: string },
): Promise<string> {
  const child = new Deno.Command("java", {
    args: [
      ...["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=off"],
      // Java complains on stdout of an archive that does not fit.
      ...["-Xlog:disable", ...await classArchiveFlags()],
      ...["-cp", await kafkaClasspath()],
      `org.apache.kafka.tools.${tool}`,
      ...["--bootstrap-server", brokers, ...args],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(input)).then(() => writer.close());
  const [{ success, stdout, stderr }] = await Promise.all([child.output(), written]);
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${tool} failed: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

/** Gives a user a password for SCRAM. */
export async function setScramPassword(
  brokers: string,
  { user, password }: { user: string; password: string },
): Promise<void> {
  // Kafka takes one mechanism at a time.
  for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    await runTool("ConfigCommand", brokers, {
      args: [
        ...["--alter", "--entity-type", "users", "--entity-name", user],
        ...["--add-config", `${mechanism}=[password=${password}]`],
      ],
    });
  }
}

/**
 * What `--describe` says of a group's partitions.
 *
 * @param args Further arguments of the tool.
 */
export async function describeGroup(
  brokers: string,
  group: string,
  args: string[] = [],
): Promise<DescribedPartition[]> {
  const text = await kafkaConsumerGroups(brokers, ["--describe", "--group", group, ...args]);
  return text.split("\n").map((line) => line.trim().split(/\s+/))
    .filter(([name]) => name === group)
    .map(([, , partition, committed, end, lag]) => ({
      partition: Number(partition),
      committed: committed!,
      end: end!,
      lag: lag!,
    }));
}

/**
 * Waits until a service has committed the end of every partition of the orders, and asks Kafka's own
 * tool whether it has.
 *
 * @param name The group, without the prefix.
 */
export async function caughtUp(run: TestRun, name: string, partitionCount = 6): Promise<void> {
  const group = run.prefix + name;
  const topic = orderEvents(run.prefix).name;
  const admin = adminPool(run.settings);
  // Not by the tool, which takes a second of a core each time.
  await eventually(`${name} has caught up`, () =>
    admin.use(async (client) => {
      const committed = await committedOffsets(client, group, topic);
      const ranges = await logRanges(client, topic);
      return ranges.size === partitionCount &&
        [...ranges].every(([partition, { end }]) => committed.get(partition) === end);
    }));
  await admin.close();
  const lags = (await describeGroup(run.brokers, group)).map(({ lag }) => lag);
  assertEquals(
    lags,
    Array(partitionCount).fill("0"),
    `the lag of ${name}, as Kafka's tool sees it`,
  );
}
