/**
 * The inventory service: turns each order into stock movements and keeps the stock levels, exactly
 * once.
 *
 * Reads `order-events`, writes `inventory-events`; what cannot be read as an order goes to
 * `order-events-dlq`. The units of each item that were reserved and released are kept in
 * `<group>-stock-levels`, in the same transactions. Start it again in another terminal and Kafka splits
 * the partitions; every instance reports the stock levels of all.
 *
 * ```sh
 * deno task inventory
 * deno task inventory --until-end --stock opening_stock.json --output stock.txt
 * ```
 *
 * Permissions: the set `service` of deno.json.
 *
 * @module
 */
import { readFlagFile } from "./lib/cli/file_access.ts";
import { COMMON_FLAGS, flag, nonEmpty, type Options, UsageError } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { printNote, printResult, printWarning } from "./lib/cli/output.ts";
import { openReportFile, reportPath } from "./lib/cli/report_file.ts";
import { atEach, serviceFlags } from "./lib/cli/service_flags.ts";
import { grouped, table } from "./lib/cli/text.ts";
import { writeInventoryEvent } from "./lib/inventory_event.ts";
import { observeService } from "./lib/http/observe_service.ts";
import { cachingPartitioner } from "./lib/kafka/partitioner.ts";
import type { Outputs } from "./lib/kafka/outputs.ts";
import type { SourceRecord } from "./lib/kafka/records.ts";
import { GroupConflictError, prepareServiceTopics } from "./lib/kafka/service_topics.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { type Processed, runService } from "./lib/kafka/stateful_service.ts";
import { eachOrder } from "./lib/order.ts";
import {
  countMovement,
  parseOpeningStock,
  type StockCounts,
  type StockLevel,
  stockLevels,
  stockTable,
} from "./lib/stock_levels.ts";
import { stockMovements } from "./lib/stock_movements.ts";
import { RecentRate } from "./lib/recent_rate.ts";
import { TRACEPARENT, traceparentOf } from "./lib/trace_context.ts";
import { inventoryEvents, stockLevels as stockLevelsTopic } from "./lib/topics.ts";

/** The flags of the program. */
export const flags = {
  ...serviceFlags("inventory"),
  stock: flag({
    value: "FILE",
    example: "opening_stock.json",
    help: 'opening stock, a JSON array such as [{"item_id":"burger","units":500}]: the stock ' +
      "levels then say how many units are available; an item that is not in it has none",
  }, nonEmpty("a file")),
  output: flag({
    value: "FILE",
    example: "stock.txt",
    help: "keep the stock levels in this file; they are printed at the end in any case",
  }, reportPath),
  ...COMMON_FLAGS,
};

/** Runs the service until the signal is aborted, or until the end with `--until-end`. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const secured = { ...options, ...readSecurity(options) };
  const settings = kafkaSettings("order-stream-inventory", secured, printNote);
  const opening = options.stock === undefined
    ? undefined
    : await readFlagFile("--stock", options.stock, parseOpeningStock);
  const file = await openReportFile(options.output);
  const { topicPrefix } = options;
  const group = topicPrefix + options.group;
  const movements = inventoryEvents(topicPrefix);
  const totals = new Totals();
  await using observed = await observeService({
    listen: options.listen,
    allowedHosts: options.allowHost,
    group,
    orders: () => totals.byStatus(),
    note: printNote,
  });
  const topics = await prepareServiceTopics(settings, {
    topicPrefix,
    group,
    state: (partitions) => stockLevelsTopic(group, partitions),
    others: [movements],
  }, signal).catch(refuseConflict);

  printNote(`group ${group} turns ${topics.orders} into ${movements.name}`);
  await runService({
    settings,
    group,
    topics,
    throttleMs: options.throttle,
    untilEnd: options.untilEnd,
    compression: options.compression,
    status: observed.status,
    table: stockTable,
    process: movementsOf({
      movements: movements.name,
      partitions: topics.partitionCounts.get(movements.name)!,
      totals,
    }),
    report: (rows) => file?.update(stockText(stockLevels(rows, opening))) ?? Promise.resolve(true),
    finish(rows) {
      if (rows === undefined) {
        printWarning(`no stock levels: ${topics.state} could not be read to its end`);
      }
      const levels = rows && stockLevels(rows, opening);
      printResult(options.json ? totals.json(levels) : totals.text(levels));
    },
  }, signal);
  await file?.close();
}

function refuseConflict(error: unknown): never {
  throw error instanceof GroupConflictError ? new UsageError(error.message) : error;
}

/** Where the movements go. */
interface Target {
  movements: string;
  partitions: number;
  totals: Totals;
}

/** Returns a function that turns records of orders into movements. */
function movementsOf(
  { movements, partitions, totals }: Target,
): (records: readonly SourceRecord[], outputs?: Outputs) => Processed<string, StockCounts> {
  const partitionOf = cachingPartitioner(partitions);
  return (records, outputs) => {
    const out = outputs?.to(movements);
    const counts = new Map<string, StockCounts>();
    const added = { orders: 0, failed: 0, reserved: 0, released: 0 };
    const { skipped, malformed } = eachOrder(records, (order, timestampMs, record) => {
      added.orders++;
      if (order.status === "failed") added.failed++;
      const events = stockMovements(order, timestampMs);
      added[order.status === "placed" ? "reserved" : "released"] += events.length;
      const traceparent = traceparentOf(record.headers);
      const headers = traceparent === undefined ? undefined : { [TRACEPARENT]: traceparent };
      for (const event of events) {
        const { item_id: key } = event;
        countMovement(counts, event);
        out?.addWritten(
          partitionOf(key),
          { key, headers },
          (to) => writeInventoryEvent(event, to),
        );
      }
    });
    return {
      ...{ counts, skipped, malformed },
      committed: () => totals.add({ ...added, skipped, malformed: malformed.length }),
    };
  };
}

/** The stock levels for people, ending with a newline. */
function stockText(levels: readonly StockLevel[]): string {
  const hasStock = levels.some(({ available_units }) => available_units !== undefined);
  const rows = levels.map(({ item_id, reserved_units, released_units, ...level }) => [
    ...[item_id, grouped(reserved_units), grouped(released_units)],
    ...(hasStock ? [grouped(level.available_units!), level.oversold ? "oversold" : ""] : []),
  ]);
  const heading = ["ITEM", "RESERVED", "RELEASED", ...(hasStock ? ["AVAILABLE", ""] : [])];
  return `STOCK LEVELS\n${"=".repeat(50)}\n${table(heading, rows, { left: [0, 4] })}\n`;
}

/** What records amount to. */
type Counted = Record<
  "orders" | "failed" | "reserved" | "released" | "skipped" | "malformed",
  number
>;

/** Totals of the work that this instance has committed. */
class Totals {
  #counts = { orders: 0, failed: 0, reserved: 0, released: 0, skipped: 0, malformed: 0 };
  #startedMs = performance.now();
  #rate = new RecentRate(this.#startedMs);
  #perSecond = 0;
  #progress = atEach(1_000, (count) => {
    const perSecond = Math.round(this.#perSecond);
    printNote(`${count} orders turned into stock movements, ${perSecond}/s`, {
      total_orders: count,
      orders_per_second: perSecond,
    });
  });

  /** The orders by their status. */
  byStatus(): { placed: number; failed: number } {
    const { orders, failed } = this.#counts;
    return { placed: orders - failed, failed };
  }

  add(counts: Counted): void {
    this.#counts.orders += counts.orders;
    this.#counts.failed += counts.failed;
    this.#counts.reserved += counts.reserved;
    this.#counts.released += counts.released;
    this.#counts.skipped += counts.skipped;
    this.#counts.malformed += counts.malformed;
    this.#perSecond = this.#rate.add(this.#counts.orders, performance.now());
    this.#progress(this.#counts.orders);
  }

  json(stock: StockLevel[] | undefined): string {
    const { orders, reserved, released, skipped, malformed } = this.#counts;
    return JSON.stringify({
      total_orders: orders,
      reserved,
      released,
      skipped_events: skipped,
      malformed_events: malformed,
      seconds: Number(this.#seconds().toFixed(3)),
      stock,
    });
  }

  text(stock: StockLevel[] | undefined): string {
    const { orders, reserved, released, skipped, malformed } = this.#counts;
    return [
      "INVENTORY",
      `Orders:       ${orders}`,
      `Reserved:     ${reserved}`,
      `Released:     ${released}`,
      `Skipped:      ${skipped}`,
      `Dead letters: ${malformed}`,
      `Seconds:      ${this.#seconds().toFixed(2)}`,
      ...(stock === undefined ? [] : ["", stockText(stock).trimEnd()]),
    ].join("\n");
  }

  #seconds(): number {
    return (performance.now() - this.#startedMs) / 1_000;
  }
}

if (import.meta.main) {
  main({
    usage: "deno task inventory",
    summary: "Turns each order into stock movements and keeps the stock levels, exactly once.",
    flags,
    examples: [
      "deno task inventory --until-end",
      "deno task inventory --stock opening_stock.json --output stock.txt",
    ],
    run,
  });
}
