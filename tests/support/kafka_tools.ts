/**
 * Kafka's own tools, from the broker's jars: the judge that is not ours.
 *
 * @module
 */
import { kafkaClasspath } from "../../lib/dev_broker.ts";

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
  return runTool("consumer.group.ConsumerGroupCommand", ["--bootstrap-server", brokers, ...args]);
}

/** The values of all committed records of a topic, as `kafka-console-consumer` shows them. */
export async function kafkaConsoleConsumer(brokers: string, topic: string): Promise<string[]> {
  const text = await runTool("consumer.ConsoleConsumer", [
    "--bootstrap-server",
    brokers,
    "--topic",
    topic,
    "--from-beginning",
    "--isolation-level",
    "read_committed",
    // It ends when no further record comes for this long.
    "--timeout-ms",
    "5000",
  ]);
  // Its log, in which it says that no further record came, goes to the same place.
  const lines = text.split("\n").slice(0, -1);
  const end = lines.findIndex((line) => line.includes("terminating consumer process"));
  return end === -1 ? lines : lines.slice(0, end);
}

/** Runs a class of Kafka's tools and returns what it prints. */
async function runTool(tool: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("java", {
    args: [
      "-Xmx128m",
      "-XX:TieredStopAtLevel=1",
      "-XX:+UseSerialGC",
      "-cp",
      await kafkaClasspath(),
      `org.apache.kafka.tools.${tool}`,
      ...args,
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) {
    throw new Error(`${tool} failed: ${text}${new TextDecoder().decode(stderr)}`);
  }
  return text;
}

/** What `--describe` says of a group's partitions. */
export async function describeGroup(brokers: string, group: string): Promise<DescribedPartition[]> {
  const text = await kafkaConsumerGroups(brokers, ["--describe", "--group", group]);
  return text.split("\n").map((line) => line.trim().split(/\s+/))
    .filter(([name]) => name === group)
    .map(([, , partition, committed, end, lag]) => ({
      partition: Number(partition),
      committed: committed!,
      end: end!,
      lag: lag!,
    }));
}
