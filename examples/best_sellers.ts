/**
 * An example of a consumer program of your own: how many of each item were sold, exactly once.
 *
 * The state of a partition is one row of a compacted topic, written in the same transaction as the
 * group's offset. So the program can be killed at any time, run several times side by side, and be
 * moved with `replay.ts`. To write your own, copy it and change `Counts` and `step`.
 *
 * ```sh
 * deno run -q -P=kafka examples/best_sellers.ts --until-end
 * ```
 *
 * @module
 */
import { COMMON_FLAGS, flag, nonEmpty, type Options, toggle } from "../lib/cli/flags.ts";
import { main } from "../lib/cli/main.ts";
import { printNote, printResult } from "../lib/cli/output.ts";
import { withAdmin } from "../lib/kafka/client.ts";
import { createMissingTopics } from "../lib/kafka/create_topics.ts";
import type { Assignment, PartitionWork } from "../lib/kafka/partition_session.ts";
import { runProcessor } from "../lib/kafka/processor.ts";
import { readTopic } from "../lib/kafka/read_topic.ts";
import { type KafkaSettings, kafkaSettings } from "../lib/kafka/settings.ts";
import { eachOrder } from "../lib/order.ts";
import { orderEvents } from "../lib/topics.ts";
import { visible } from "../lib/visible_text.ts";

/** The flags of the program. */
export const flags = {
  group: flag(
    { value: "NAME", default: "best-sellers", help: "the consumer group" },
    nonEmpty("a group's name"),
  ),
  untilEnd: toggle("stop when all that is in the topic now is processed and committed"),
  ...COMMON_FLAGS,
};

/** The row of one partition: what was sold in the orders before `nextOffset`. */
interface Counts {
  nextOffset: string;
  sold: [item: string, quantity: number][];
}

/** Counts until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const settings = kafkaSettings("best-sellers", options, printNote);
  const group = options.topicPrefix + options.group;
  const orders = orderEvents(options.topicPrefix);
  const counts = `${group}-counts`;
  const partitions = await withAdmin(settings, signal, async (admin) => {
    const partitions = (await createMissingTopics(admin, [orders], printNote)).get(orders.name)!;
    // Partition p of the counts belongs to partition p of the orders.
    const spec = { name: counts, partitions, settings: { "cleanup.policy": "compact" } };
    await createMissingTopics(admin, [spec], printNote);
    return partitions;
  });

  await runProcessor({
    settings,
    group,
    topic: orders.name,
    partitions,
    throttleMs: 0,
    untilEnd: options.untilEnd,
    open: (assignment) => open(assignment, counts, settings),
  }, signal);

  const total = new Map<string, number>();
  for (const { sold } of (await readCounts(settings, counts)).values()) {
    for (const [item, quantity] of sold) add(total, item, quantity);
  }
  const ranked = [...total].sort(([, a], [, b]) => b - a);
  printResult(
    options.json
      ? JSON.stringify(Object.fromEntries(ranked))
      : ranked.map(([item, quantity]) => `${String(quantity).padStart(8)}  ${visible(item)}`).join(
        "\n",
      ),
  );
}

/** Restores the counts of a partition; those that belong to another offset are dropped. */
async function open(
  { partition, committed, signal }: Assignment,
  topic: string,
  settings: KafkaSettings,
): Promise<PartitionWork> {
  const stored = (await readCounts(settings, topic, signal)).get(partition);
  const isCurrent = stored?.nextOffset === committed?.toString();
  let sold = new Map(isCurrent ? stored?.sold : []);
  return {
    // The group was moved: write the empty counts even if no order comes.
    pending: !isCurrent,
    step(records, nextOffset) {
      const next = new Map(sold);
      eachOrder(records, ({ status, items }) => {
        if (status === "failed") return;
        for (const { item_id, quantity } of items) add(next, item_id, quantity);
      });
      const row: Counts = { nextOffset: String(nextOffset), sold: [...next] };
      return {
        outputs: [{ topic, partition, key: String(partition), value: JSON.stringify(row) }],
        committed: () => sold = next,
      };
    },
  };
}

function add(counts: Map<string, number>, item: string, quantity: number): void {
  counts.set(item, (counts.get(item) ?? 0) + quantity);
}

/** The last committed row of each partition. */
async function readCounts(
  settings: KafkaSettings,
  topic: string,
  signal: AbortSignal = AbortSignal.timeout(settings.timeoutMs),
): Promise<Map<number, Counts>> {
  const rows = new Map<number, Counts>();
  await readTopic(settings, {
    topic,
    // Ends in a random id, so that lag.ts knows that it is not there to stay.
    group: `${topic}-${crypto.randomUUID()}`,
    onRecord: ({ value }, partition) => rows.set(partition, JSON.parse(value!.toString())),
  }, signal);
  return rows;
}

if (import.meta.main) {
  main({
    usage: "deno run -q -P=kafka examples/best_sellers.ts",
    summary: "Counts how many of each item were sold, exactly once.",
    flags,
    examples: [
      "deno run -q -P=kafka --allow-net examples/best_sellers.ts --until-end",
      "deno run -q -P=kafka --allow-net examples/best_sellers.ts --json",
    ],
    run,
  });
}
