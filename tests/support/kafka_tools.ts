/**
 * Kafka's own `kafka-consumer-groups`, from the broker's jars: the judge that is not ours.
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
export async function kafkaConsumerGroups(brokers: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("java", {
    args: [
      "-Xmx128m",
      "-XX:TieredStopAtLevel=1",
      "-XX:+UseSerialGC",
      "-cp",
      await kafkaClasspath(),
      "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
      "--bootstrap-server",
      brokers,
      ...args,
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) {
    throw new Error(`kafka-consumer-groups failed: ${text}${new TextDecoder().decode(stderr)}`);
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
