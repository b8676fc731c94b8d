/**
 * The checker of the fault tests: what was lost, what happened twice, and what does not add up.
 *
 * It takes what producers reported and what the topics hold, and recomputes everything that the services
 * derive from the orders. Modelled on Jepsen's workload for Kafka
 * (https://github.com/jepsen-io/redpanda/blob/main/doc/workload.md) and on the verifiers of Kafka's own
 * system tests.
 *
 * @module
 */
import type { InventoryEvent } from "../../lib/inventory_event.ts";
import type { LogBounds } from "../../lib/kafka/kafkajs/cluster.ts";
import { type MetricsReport, metricsReport, reportJson } from "../../lib/metrics_report.ts";
import { countOrder, type MinuteCounts } from "../../lib/minute_window.ts";
import type { OrderPlaced } from "../../lib/order.ts";
import { Reconciliation } from "../../lib/reconciliation.ts";
import { countMovement, type StockCounts } from "../../lib/stock_levels.ts";
import { stockMovements } from "../../lib/stock_movements.ts";

/** What a producer was to publish and what it reported. */
export interface Publication {
  /** The ids of the orders, in the order in which they were to be published. */
  ids: readonly string[];
  /** How many orders it reported as acknowledged. */
  acknowledged: number;
  /** The first order that it reported as not delivered, if any. */
  firstUndelivered?: string | undefined;
}

/** An order as it is stored. */
export interface StoredOrder {
  partition: number;
  offset: bigint;
  order: OrderPlaced;
  timestampMs: number;
}

/** A stock movement as a `read_committed` reader sees it. */
export interface StoredMovement {
  partition: number;
  offset: bigint;
  event: InventoryEvent;
}

/** A batch of a topic as the broker stores it, markers of transactions included. */
export interface LogBatch {
  partition: number;
  producerId: bigint;
  first: bigint;
  last: bigint;
  kind: "plain" | "transactional" | "commit" | "abort";
}

/** What inventory reports of an item. */
export interface ReportedStock {
  item_id: string;
  reserved_units: number;
  released_units: number;
}

/** What is known after a run. */
export interface Facts {
  publications: readonly Publication[];
  /** All that are stored, those of each partition by offset. */
  orders: readonly StoredOrder[];
  /** Where the records are that should be orders and are not: `partition/offset`. */
  malformed: readonly string[];
  /** How many records are other events. */
  skipped: number;
  /** As a `read_committed` reader sees them, those of each partition by offset. */
  movements: readonly StoredMovement[];
  /** All batches of the topic of the movements, those of each partition by offset. */
  movementBatches: readonly LogBatch[];
  /** The records that each group has written dead letters for: `partition/offset`. */
  deadLetters: ReadonlyMap<string, readonly string[]>;
  /** The metrics as each instance of analytics has reported them. */
  reports: readonly MetricsReport[];
  /** The stock as each instance of inventory has reported it. */
  stocks: readonly (readonly ReportedStock[])[];
  /** What each group has committed, by partition of the orders. */
  committed: ReadonlyMap<string, ReadonlyMap<number, bigint>>;
  /** Where the partitions of the orders end. */
  orderEnds: ReadonlyMap<number, bigint>;
  /** The bounds of all topics. */
  bounds: ReadonlyMap<string, ReadonlyMap<number, LogBounds>>;
}

/** What can be wrong. */
export type Damage =
  | "order lost"
  | "order twice"
  | "order nobody published"
  | "order out of order"
  | "movement missing"
  | "movement too many"
  | "movement out of order"
  | "aborted data visible"
  | "committed data invisible"
  | "dead letters differ"
  | "metrics differ"
  | "stock differs"
  | "committed offset differs"
  | "hanging transaction";

/** Something that is wrong. */
export interface Finding {
  damage: Damage;
  /** How often. */
  count: number;
  /** The first of them. */
  example: string;
}

/** Counts what is wrong by its kind. */
class Findings {
  #found = new Map<Damage, Finding>();

  add(damage: Damage, example: string, count = 1): void {
    const finding = this.#found.get(damage);
    if (finding === undefined) this.#found.set(damage, { damage, count, example });
    else finding.count += count;
  }

  get list(): Finding[] {
    return [...this.#found.values()];
  }
}

/** Everything that is wrong; empty when all adds up. */
export function check(facts: Facts): Finding[] {
  const findings = new Findings();
  checkPublications(facts, findings);
  checkMovements(facts, findings);
  checkVisibility(facts, findings);
  checkReports(facts, findings);
  checkOffsets(facts, findings);
  return findings.list;
}

/**
 * How many orders or movements were lost, and how many are there twice. What is visible or invisible by
 * mistake is one of them already.
 */
export function lostAndTwice(findings: readonly Finding[]): { lost: number; twice: number } {
  const sum = (...kinds: Damage[]) =>
    findings.filter(({ damage }) => kinds.includes(damage))
      .reduce((total, { count }) => total + count, 0);
  return {
    lost: sum("order lost", "movement missing"),
    twice: sum("order twice", "movement too many"),
  };
}

/** All that was acknowledged is stored once, and each partition has the order of its producer. */
function checkPublications({ publications, orders }: Facts, findings: Findings): void {
  const stored = new Map<string, number>();
  for (const { order: { order_id: id } } of orders) stored.set(id, (stored.get(id) ?? 0) + 1);
  for (const [id, count] of stored) {
    if (count > 1) findings.add("order twice", `${id} is stored ${count} times`, count - 1);
  }

  const published = new Map<string, { producer: number; number: number }>();
  for (const [producer, { ids, acknowledged, firstUndelivered }] of publications.entries()) {
    ids.forEach((id, number) => published.set(id, { producer, number }));
    // Of those after the first that was not delivered only the number of the acknowledged is known.
    const delivered = firstUndelivered === undefined ? ids.length : ids.indexOf(firstUndelivered);
    const missing = ids.slice(0, delivered).filter((id) => !stored.has(id));
    if (missing.length > 0) {
      findings.add("order lost", `${missing[0]} is not stored`, missing.length);
    }
    const found = ids.filter((id) => stored.has(id)).length + missing.length;
    if (found < acknowledged) {
      const example = `${found} of ${acknowledged} acknowledged orders are stored`;
      findings.add("order lost", example, acknowledged - found);
    }
  }

  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { partition, order: { order_id: id } } of orders) {
    const from = published.get(id);
    if (from === undefined) {
      findings.add("order nobody published", id);
      continue;
    }
    if (seen.has(id)) continue;
    seen.add(id);
    const line = `${partition}/${from.producer}`;
    if (from.number < (last.get(line) ?? -1)) {
      findings.add("order out of order", `${id} in partition ${partition}`);
    } else last.set(line, from.number);
  }
}

/** Each order has its movements once, and those of an item have the order of the orders. */
function checkMovements({ orders, movements }: Facts, findings: Findings): void {
  const reconciliation = new Reconciliation();
  const places = new Map<string, StoredOrder>();
  for (const stored of orders) {
    const { order, timestampMs } = stored;
    if (!places.has(order.order_id)) places.set(order.order_id, stored);
    reconciliation.addOrder(order, timestampMs);
  }
  for (const { event } of movements) reconciliation.addEvent(event);
  for (const [text, surplus] of reconciliation.surplus) {
    if (surplus < 0) findings.add("movement missing", text, -surplus);
    else findings.add("movement too many", text, surplus);
  }

  const last = new Map<string, bigint>();
  for (const { event: { order_id, item_id } } of movements) {
    const place = places.get(order_id);
    if (place === undefined) continue;
    const line = `${place.partition}/${item_id}`;
    if (place.offset < (last.get(line) ?? -1n)) {
      findings.add("movement out of order", `${item_id} of ${order_id}`);
    } else last.set(line, place.offset);
  }
}

/** A `read_committed` reader sees exactly what was committed. */
function checkVisibility(facts: Facts, findings: Findings): void {
  const visible = new Map<number, Set<bigint>>();
  for (const { partition, offset } of facts.movements) {
    visible.getOrInsertComputed(partition, () => new Set()).add(offset);
  }
  const open = new Map<string, LogBatch[]>();
  const settle = (batch: LogBatch, isCommitted: boolean) => {
    const { partition, first, last } = batch;
    for (let offset = first; offset <= last; offset++) {
      const isVisible = visible.get(partition)?.has(offset) ?? false;
      if (isVisible === isCommitted) continue;
      findings.add(
        isVisible ? "aborted data visible" : "committed data invisible",
        `offset ${offset} of partition ${partition}`,
      );
    }
  };
  for (const batch of facts.movementBatches) {
    const { partition, producerId, kind } = batch;
    const transaction = `${partition}/${producerId}`;
    if (kind === "plain") settle(batch, true);
    else if (kind === "transactional") {
      open.getOrInsertComputed(transaction, () => []).push(batch);
    } else {
      for (const each of open.get(transaction) ?? []) settle(each, kind === "commit");
      open.delete(transaction);
    }
  }
  for (const batches of open.values()) for (const batch of batches) settle(batch, false);
}

/** What the services report is what follows from the orders. */
function checkReports(facts: Facts, findings: Findings): void {
  const { orders, malformed, skipped, reports, stocks, deadLetters } = facts;
  const minutes: MinuteCounts = new Map();
  const counts = new Map<string, StockCounts>();
  for (const { order, timestampMs } of orders) {
    countOrder(minutes, timestampMs, order.status === "failed");
    for (const event of stockMovements(order, timestampMs)) countMovement(counts, event);
  }
  const expected = reportJson(metricsReport({ minutes, malformed: malformed.length, skipped }))
    .trim();
  for (const report of reports) {
    const found = reportJson(report).trim();
    if (found !== expected) findings.add("metrics differ", difference(found, expected));
  }

  const stock = stockText([...counts].map(([item_id, { reserved, released }]) => ({
    item_id,
    reserved_units: reserved,
    released_units: released,
  })));
  for (const reported of stocks) {
    const found = stockText(reported);
    if (found !== stock) findings.add("stock differs", difference(found, stock));
  }

  const places = [...malformed].sort().join(", ");
  for (const [group, letters] of deadLetters) {
    const found = [...letters].sort().join(", ");
    if (found === places) continue;
    findings.add("dead letters differ", `${group}: ${difference(found, places)}`);
  }
}

function stockText(stock: readonly ReportedStock[]): string {
  return stock.map(({ item_id, reserved_units, released_units }) =>
    `${item_id} ${reserved_units} ${released_units}`
  ).sort().join(", ");
}

/** Where two texts begin to differ. */
function difference(found: string, expected: string): string {
  let at = 0;
  while (at < found.length && found[at] === expected[at]) at++;
  const from = Math.max(0, at - 30);
  const piece = (text: string) => JSON.stringify(text.slice(from, at + 30));
  return `${piece(found)} instead of ${piece(expected)}`;
}

/** All is committed, and no transaction is left open. */
function checkOffsets({ committed, orderEnds, bounds }: Facts, findings: Findings): void {
  for (const [group, offsets] of committed) {
    for (const [partition, end] of orderEnds) {
      const offset = offsets.get(partition);
      if ((offset ?? 0n) === end) continue;
      const what = `${group}: ${
        offset ?? "nothing"
      } in partition ${partition}, which ends at ${end}`;
      findings.add("committed offset differs", what);
    }
  }
  for (const [topic, partitions] of bounds) {
    for (const [partition, found] of partitions) {
      if (found.stable === found.end) continue;
      const what = `${topic}, partition ${partition}: open since ${found.stable} of ${found.end}`;
      findings.add("hanging transaction", what);
    }
  }
}
