/**
 * The ledger of a test: what the topics hold, and what follows from the orders in them.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { parseInventoryEvent } from "../../lib/inventory_event.ts";
import { type MetricsReport, metricsReport } from "../../lib/metrics_report.ts";
import { countOrder, type MinuteCounts } from "../../lib/minute_window.ts";
import { parseOrder } from "../../lib/order.ts";
import { Reconciliation } from "../../lib/reconciliation.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import type { TestRun } from "./run.ts";

/** What the topic of orders asks for. */
export interface Ledger {
  /** How many orders are stored. */
  orders: number;
  /** The report that analytics must come to, recomputed from the orders in one process. */
  report: MetricsReport;
}

/**
 * Reads orders and inventory events and asserts that each order's events are there exactly once,
 * for a `read_committed` reader.
 *
 * @param inventory Whether inventory events are expected.
 */
export async function readLedger(
  run: TestRun,
  { inventory }: { inventory: boolean },
): Promise<Ledger> {
  const reconciliation = new Reconciliation();
  const minutes: MinuteCounts = new Map();
  let malformed = 0;
  let skipped = 0;
  const group = `${run.prefix}ledger`;
  await readTopic(run.settings, {
    topic: orderEvents(run.prefix).name,
    group,
    onRecord({ value }) {
      const parsed = value === null ? undefined : parseOrder(value);
      if (parsed?.kind === "order") {
        reconciliation.addOrder(parsed.order, parsed.timestampMs);
        countOrder(minutes, parsed.timestampMs, parsed.order.status === "failed");
      } else if (parsed?.kind === "malformed") malformed++;
      else skipped++;
    },
  }, run.signal);
  if (inventory) {
    await readTopic(run.settings, {
      topic: inventoryEvents(run.prefix).name,
      group,
      onRecord({ value }) {
        const parsed = parseInventoryEvent(value!);
        if (parsed.kind === "event") reconciliation.addEvent(parsed.event);
      },
    }, run.signal);
    const differences = reconciliation.differences();
    assertEquals(differences.slice(0, 5), [], `${differences.length} inventory events differ`);
    assertEquals(reconciliation.found, reconciliation.expected);
  }
  return { orders: reconciliation.orders, report: metricsReport({ minutes, malformed, skipped }) };
}
