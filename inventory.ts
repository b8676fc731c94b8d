/**
 * The inventory service: turns each order into stock movements, exactly once.
 *
 * Reads `order-events`, writes `inventory-events`; what cannot be read as an order goes to
 * `order-events-dlq`. Start it again in another terminal and Kafka splits the partitions.
 *
 * ```sh
 * deno task inventory
 * deno task inventory --until-end
 * ```
 *
 * Permissions: the set `kafka` of deno.json, and `--allow-net` for the brokers.
 *
 * @module
 */
import { COMMON_FLAGS, type Options } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { inventoryEventEncoder } from "./lib/inventory_event.ts";
import { connectAdmin, disconnect } from "./lib/kafka/client.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { deadLetter } from "./lib/kafka/dead_letter.ts";
import { rememberingPartitioner } from "./lib/kafka/partitioner.ts";
import { type Step } from "./lib/kafka/partition_session.ts";
import { runProcessor } from "./lib/kafka/processor.ts";
import { type SourceRecord } from "./lib/kafka/records.ts";
import type { TargetRecord } from "./lib/kafka/records.ts";
import { eachOrder } from "./lib/order.ts";
import { atEach, serviceFlags } from "./lib/cli/service_flags.ts";
import { stockMovements } from "./lib/stock_movements.ts";
import { deadLetters, inventoryEvents, orderEvents } from "./lib/topics.ts";

/** The flags of the program. */
export const flags: ReturnType<typeof serviceFlags> & typeof COMMON_FLAGS = {
  ...serviceFlags("inventory"),
  ...COMMON_FLAGS,
};

/** What an instance has committed. */
export interface InventoryTotals {
  /** Orders turned into movements. */
  orders: number;
  /** Movements of placed orders. */
  reserved: number;
  /** Movements of failed orders. */
  released: number;
  /** Records of other kinds. */
  skipped: number;
  /** Dead letters. */
  malformed: number;
}

/** Runs the service until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const settings = kafkaSettings("order-stream-inventory", options, printNote);
  const group = options.topicPrefix + options.group;
  const orders = orderEvents(options.topicPrefix);
  const movements = inventoryEvents(options.topicPrefix);
  const letters = deadLetters(options.topicPrefix);

  const admin = await connectAdmin(settings, signal);
  const partitions = await createMissingTopics(admin, [orders, movements, letters], printNote);
  await disconnect(admin);
  const encode = inventoryEventEncoder();
  const partitionOf = rememberingPartitioner(partitions.get(movements.name)!);

  const totals: InventoryTotals = { orders: 0, reserved: 0, released: 0, skipped: 0, malformed: 0 };
  const startedMs = performance.now();
  const progress = atEach(1_000, (count) => {
    const perSecond = totals.orders / (performance.now() - startedMs) * 1_000;
    printNote(`${count} orders turned into stock movements, ${Math.round(perSecond)}/s`);
  });

  function step(partition: number, records: readonly SourceRecord[]): Step {
    const outputs: TargetRecord[] = [];
    let count = 0;
    let released = 0;
    const { skipped, malformed } = eachOrder(records, (order, timestampMs) => {
      count++;
      for (const event of stockMovements(order, timestampMs)) {
        if (event.action === "release") released++;
        outputs.push({
          topic: movements.name,
          partition: partitionOf(event.item_id),
          key: event.item_id,
          value: encode(event),
        });
      }
    });
    const reserved = outputs.length - released;
    for (const { record, reason } of malformed) {
      const origin = { topic: orders.name, partition, group, reason };
      outputs.push(deadLetter(record, letters.name, origin));
    }
    return {
      outputs,
      committed() {
        totals.orders += count;
        totals.reserved += reserved;
        totals.released += released;
        totals.skipped += skipped;
        totals.malformed += malformed.length;
        progress(totals.orders);
      },
    };
  }

  printNote(`group ${group} turns ${orders.name} into ${movements.name}`);
  try {
    await runProcessor({
      settings,
      group,
      topic: orders.name,
      partitions: partitions.get(orders.name)!,
      throttleMs: options.throttle,
      untilEnd: options.untilEnd,
      open: ({ partition }) =>
        Promise.resolve({ pending: false, step: (records) => step(partition, records) }),
    }, signal);
  } finally {
    const elapsedSeconds = (performance.now() - startedMs) / 1_000;
    printResult(
      options.json ? JSON.stringify({ ...totals, seconds: elapsedSeconds }) : [
        "INVENTORY",
        `Orders:       ${totals.orders}`,
        `Reserved:     ${totals.reserved}`,
        `Released:     ${totals.released}`,
        `Skipped:      ${totals.skipped}`,
        `Dead letters: ${totals.malformed}`,
        `Seconds:      ${elapsedSeconds.toFixed(2)}`,
      ].join("\n"),
    );
  }
}

if (import.meta.main) {
  main({
    usage: "deno task inventory",
    summary: "Turns each order into stock movements, exactly once.",
    flags,
    run,
  });
}
