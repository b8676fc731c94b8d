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
 * Permissions: the set `kafka` of deno.json.
 *
 * @module
 */
import { COMMON_FLAGS, type Options } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { atEach, serviceFlags } from "./lib/cli/service_flags.ts";
import { inventoryEventEncoder } from "./lib/inventory_event.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { createMissingTopics } from "./lib/kafka/create_topics.ts";
import { deadLetter } from "./lib/kafka/dead_letter.ts";
import type { Step } from "./lib/kafka/partition_session.ts";
import { cachingPartitioner } from "./lib/kafka/partitioner.ts";
import { runProcessor } from "./lib/kafka/processor.ts";
import type { SourceRecord, TargetRecord } from "./lib/kafka/records.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { eachOrder } from "./lib/order.ts";
import { stockMovements } from "./lib/stock_movements.ts";
import { deadLetters, inventoryEvents, orderEvents } from "./lib/topics.ts";

/** The flags of the program. */
export const flags: ReturnType<typeof serviceFlags> & typeof COMMON_FLAGS = {
  ...serviceFlags("inventory"),
  ...COMMON_FLAGS,
};

/** Runs the service until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const settings = kafkaSettings("order-stream-inventory", options, printNote);
  const { topicPrefix } = options;
  const group = topicPrefix + options.group;
  const orders = orderEvents(topicPrefix);
  const movements = inventoryEvents(topicPrefix);
  const deadLetterTopic = deadLetters(topicPrefix);
  const partitionCounts = await withAdmin(
    settings,
    signal,
    (admin) => createMissingTopics(admin, [orders, movements, deadLetterTopic], printNote),
  );
  const totals = new Totals();
  const source = { ordersTopic: orders.name, group };
  const step = movementStep(source, {
    movements: movements.name,
    movementPartitions: partitionCounts.get(movements.name)!,
    deadLetterTopic: deadLetterTopic.name,
    totals,
  });

  printNote(`group ${group} turns ${orders.name} into ${movements.name}`);
  try {
    await runProcessor({
      settings,
      group,
      topic: orders.name,
      partitions: partitionCounts.get(orders.name)!,
      throttleMs: options.throttle,
      untilEnd: options.untilEnd,
      // No state to restore, and nothing to commit before the first record.
      open: ({ partition }) =>
        Promise.resolve({ pending: false, step: (records) => step(partition, records) }),
    }, signal);
  } finally {
    printResult(options.json ? totals.json() : totals.text());
  }
}

/** Where the orders come from. */
interface Source {
  ordersTopic: string;
  group: string;
}

/** Where the outputs go. */
interface Target {
  movements: string;
  movementPartitions: number;
  deadLetterTopic: string;
  totals: Totals;
}

/** Returns a function that turns records of a partition into movements and dead letters. */
function movementStep(
  { ordersTopic, group }: Source,
  { movements, movementPartitions, deadLetterTopic, totals }: Target,
): (partition: number, records: readonly SourceRecord[]) => Step {
  const encode = inventoryEventEncoder();
  const partitionOf = cachingPartitioner(movementPartitions);
  return (partition, records) => {
    const outputs: TargetRecord[] = [];
    let orderCount = 0;
    let released = 0;
    const { skipped, malformed } = eachOrder(records, (order, timestampMs) => {
      orderCount++;
      for (const event of stockMovements(order, timestampMs)) {
        if (event.action === "release") released++;
        outputs.push({
          topic: movements,
          partition: partitionOf(event.item_id),
          key: event.item_id,
          value: encode(event),
        });
      }
    });
    const reserved = outputs.length - released;
    for (const { record, reason } of malformed) {
      outputs.push(
        deadLetter(record, deadLetterTopic, { topic: ordersTopic, partition, group, reason }),
      );
    }
    const added = { orders: orderCount, reserved, released, skipped, malformed: malformed.length };
    return { outputs, committed: () => totals.add(added) };
  };
}

/** Totals of the work that this instance has committed. */
class Totals {
  #counts = { orders: 0, reserved: 0, released: 0, skipped: 0, malformed: 0 };
  #startedMs = performance.now();
  #progress = atEach(1_000, (count) => {
    const perSecond = Math.round(this.#counts.orders / this.#seconds());
    printNote(`${count} orders turned into stock movements, ${perSecond}/s`, {
      total_orders: count,
      orders_per_second: perSecond,
    });
  });

  add(counts: Record<"orders" | "reserved" | "released" | "skipped" | "malformed", number>): void {
    this.#counts.orders += counts.orders;
    this.#counts.reserved += counts.reserved;
    this.#counts.released += counts.released;
    this.#counts.skipped += counts.skipped;
    this.#counts.malformed += counts.malformed;
    this.#progress(this.#counts.orders);
  }

  json(): string {
    const { orders, reserved, released, skipped, malformed } = this.#counts;
    return JSON.stringify({
      total_orders: orders,
      reserved,
      released,
      skipped_events: skipped,
      malformed_events: malformed,
      seconds: Number(this.#seconds().toFixed(3)),
    });
  }

  text(): string {
    const { orders, reserved, released, skipped, malformed } = this.#counts;
    return [
      "INVENTORY",
      `Orders:       ${orders}`,
      `Reserved:     ${reserved}`,
      `Released:     ${released}`,
      `Skipped:      ${skipped}`,
      `Dead letters: ${malformed}`,
      `Seconds:      ${this.#seconds().toFixed(2)}`,
    ].join("\n");
  }

  #seconds(): number {
    return (performance.now() - this.#startedMs) / 1_000;
  }
}

if (import.meta.main) {
  main({
    usage: "deno task inventory",
    summary: "Turns each order into stock movements, exactly once.",
    flags,
    examples: [
      "deno task inventory --until-end",
      "deno task inventory --group kitchen --throttle 10ms",
    ],
    run,
  });
}
