/**
 * An example of a service of your own: how many of each item were sold, exactly once.
 *
 * The counts are rows of a compacted topic, written in the same transactions as the group's offsets.
 * So the program can be killed at any time, run several times side by side, and be moved with
 * `replay.ts`. To write your own, copy it and change `soldTable` and `process`.
 *
 * ```sh
 * deno run -q -P=kafka examples/best_sellers.ts --until-end
 * ```
 *
 * @module
 */
import * as v from "valibot";
import { keepFileAccess } from "../lib/cli/file_access.ts";
import { COMMON_FLAGS, flag, nonEmpty, type Options, toggle } from "../lib/cli/flags.ts";
import { main } from "../lib/cli/main.ts";
import { printNote, printResult } from "../lib/cli/output.ts";
import { readSecurity } from "../lib/cli/security.ts";
import type { SourceRecord } from "../lib/kafka/records.ts";
import { prepareServiceTopics } from "../lib/kafka/service_topics.ts";
import { kafkaSettings } from "../lib/kafka/settings.ts";
import { type Processed, runService } from "../lib/kafka/stateful_service.ts";
import { eachOrder } from "../lib/order.ts";
import type { StateRows, StateTable } from "../lib/state_rows.ts";
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

/** The state: how many of each item were sold. */
interface Sold {
  sold: number;
}

const soldTable: StateTable<string, Sold> = {
  writer: "best-sellers",
  // Other rows are named "progress" and "barrier".
  nameOf: (item) => `item ${item}`,
  keyOf: (name) => name.startsWith("item ") ? name.slice("item ".length) : undefined,
  schema: v.object({ sold: v.number() }),
  add: (a, b) => ({ sold: a.sold + b.sold }),
};

/** Counts until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const secured = { ...options, ...readSecurity(options) };
  keepFileAccess({});
  const settings = kafkaSettings("best-sellers", secured, printNote);
  const { topicPrefix, untilEnd, json } = options;
  const group = topicPrefix + options.group;
  const topics = await prepareServiceTopics(settings, {
    topicPrefix,
    group,
    // Partition p of the counts belongs to partition p of the orders.
    state: (partitions) => ({
      name: `${group}-counts`,
      partitions,
      settings: { "cleanup.policy": "compact" },
    }),
  }, signal);
  await runService({
    ...{ settings, group, topics, throttleMs: 0, untilEnd, table: soldTable, process },
    // Called with each change; here only the last one is shown.
    report: () => Promise.resolve(true),
    finish(rows) {
      if (rows === undefined) return;
      const ranked = [...totals(rows)].sort(([, a], [, b]) => b - a);
      printResult(
        json
          ? JSON.stringify(Object.fromEntries(ranked))
          : ranked.map(([item, sold]) => `${String(sold).padStart(8)}  ${visible(item)}`).join(
            "\n",
          ),
      );
    },
  }, signal);
}

/** What a batch of orders adds to the state, and what else is to be written. */
function process(records: readonly SourceRecord[]): Processed<string, Sold> {
  const counts = new Map<string, Sold>();
  const notOrders = eachOrder(records, ({ status, items }) => {
    if (status === "failed") return;
    for (const { item_id, quantity } of items) {
      counts.set(item_id, { sold: quantity + (counts.get(item_id)?.sold ?? 0) });
    }
  });
  return { counts, ...notOrders, committed: () => {} };
}

function totals(rows: StateRows<string, Sold>): Map<string, number> {
  const total = new Map<string, number>();
  for (const { counts } of rows.partitions()) {
    for (const [item, { sold }] of counts) total.set(item, sold + (total.get(item) ?? 0));
  }
  return total;
}

if (import.meta.main) {
  main({
    usage: "deno run -q -P=kafka examples/best_sellers.ts",
    summary: "Counts how many of each item were sold, exactly once.",
    flags,
    examples: [
      "deno run -q -P=kafka examples/best_sellers.ts --until-end",
      "deno run -q -P=kafka examples/best_sellers.ts --json",
    ],
    run,
  });
}
