import { assert, assertEquals } from "@std/assert";
import { partitionOf } from "../../lib/kafka/partitioner.ts";
import { metricsReport } from "../../lib/metrics_report.ts";
import { countOrder, type MinuteCounts } from "../../lib/minute_window.ts";
import { orderGenerator } from "../../lib/order_generator.ts";
import { countMovement, type StockCounts } from "../../lib/stock_levels.ts";
import { stockMovements } from "../../lib/stock_movements.ts";
import {
  check,
  type Damage,
  type Facts,
  type LogBatch,
  lostAndTwice,
  type StoredMovement,
  type StoredOrder,
} from "./checker.ts";

const PARTITIONS = 3;
const ORDERS = 60;
/** Each order has its own transaction; that of each fifth order is aborted first. */
const ABORTED = 5;

/** The facts as mutable data, of a run in which all went well. */
function healthy() {
  const next = orderGenerator({
    seed: 7,
    failureRate: 0.2,
    eventTimeMs: (index) => 1_700_000_000_000 + index * 5_000,
  });
  const orders: StoredOrder[] = [];
  const movements: StoredMovement[] = [];
  const movementBatches: LogBatch[] = [];
  const orderEnds = new Map<number, bigint>();
  const ends = new Map<number, bigint>();
  const minutes: MinuteCounts = new Map();
  const counts = new Map<string, StockCounts>();
  const append = (by: Map<number, bigint>, partition: number) => {
    const offset = by.get(partition) ?? 0n;
    by.set(partition, offset + 1n);
    return offset;
  };
  for (let number = 0; number < ORDERS; number++) {
    const order = next();
    const timestampMs = Date.parse(order.timestamp);
    const partition = partitionOf(order.order_id, PARTITIONS);
    orders.push({ partition, offset: append(orderEnds, partition), order, timestampMs });
    countOrder(minutes, timestampMs, order.status === "failed");
    const events = stockMovements(order, timestampMs);
    const isRetried = number % ABORTED === 0;
    for (const outcome of isRetried ? ["abort", "commit"] as const : ["commit"] as const) {
      const touched = new Set<number>();
      for (const event of events) {
        const to = partitionOf(event.item_id, PARTITIONS);
        touched.add(to);
        const offset = append(ends, to);
        const producerId = BigInt(partition);
        movementBatches.push({
          ...{ partition: to, producerId, first: offset, last: offset, kind: "transactional" },
        });
        if (outcome === "commit") movements.push({ partition: to, offset, event });
      }
      for (const to of touched) {
        const offset = append(ends, to);
        movementBatches.push({
          ...{ partition: to, producerId: BigInt(partition), first: offset, last: offset },
          kind: outcome,
        });
      }
    }
    for (const event of events) countMovement(counts, event);
  }
  const report = metricsReport({ minutes, malformed: 2, skipped: 1 });
  const stock = [...counts].map(([item_id, { reserved, released }]) => ({
    ...{ item_id, reserved_units: reserved, released_units: released },
  }));
  return {
    publications: [{
      ids: orders.map(({ order }) => order.order_id),
      acknowledged: ORDERS,
      firstUndelivered: undefined as string | undefined,
    }],
    ...{ orders, movements, movementBatches, skipped: 1 },
    malformed: ["0/50", "2/51"],
    deadLetters: new Map([["inventory", ["0/50", "2/51"]], ["analytics", ["2/51", "0/50"]]]),
    reports: [report, structuredClone(report)],
    stocks: [stock],
    committed: new Map([["inventory", new Map(orderEnds)], ["analytics", new Map(orderEnds)]]),
    orderEnds,
    bounds: new Map([[
      "inventory-events",
      new Map([...ends].map(([partition, end]) => [partition, { start: 0n, stable: end, end }])),
    ]]),
  } satisfies Facts;
}

type Mutable = ReturnType<typeof healthy>;

const DAMAGES: Record<Damage, (facts: Mutable) => void> = {
  "order lost": ({ orders }) => orders.splice(7, 1),
  "order twice": ({ orders }) => orders.push({ ...orders[7]!, offset: 1_000n }),
  "order nobody published": ({ publications }) => publications[0]!.ids.splice(7, 1),
  "order out of order": ({ orders }) => {
    const [a, b] = orders.filter(({ partition }) => partition === 0);
    [a!.order, b!.order] = [b!.order, a!.order];
  },
  "movement missing": ({ movements }) => movements.splice(7, 1),
  "movement too many": ({ movements }) => movements.push({ ...movements[7]!, offset: 1_000n }),
  "movement out of order": ({ orders, movements }) => {
    // Two movements of one item for orders of one partition.
    const placeOf = (id: string) => orders.find(({ order }) => order.order_id === id)!.partition;
    const [a, b] = movements.filter(({ event }) =>
      event.item_id === movements[0]!.event.item_id &&
      placeOf(event.order_id) === placeOf(movements[0]!.event.order_id)
    );
    [a!.event, b!.event] = [b!.event, a!.event];
  },
  "aborted data visible": ({ movements, movementBatches }) => {
    const abort = movementBatches.find(({ kind }) => kind === "abort")!;
    const aborted = movementBatches.find(({ partition, producerId }) =>
      partition === abort.partition && producerId === abort.producerId
    )!;
    movements.push({ ...movements[0]!, partition: aborted.partition, offset: aborted.first });
  },
  "committed data invisible": ({ movements }) => movements.splice(7, 1),
  "dead letters differ": ({ deadLetters }) => deadLetters.set("analytics", ["0/50", "0/50"]),
  "metrics differ": ({ reports }) => reports[1]!.failed_orders++,
  "stock differs": ({ stocks }) => stocks[0]![0]!.reserved_units--,
  "committed offset differs": ({ committed, orderEnds }) =>
    committed.get("inventory")!.set(1, orderEnds.get(1)! - 1n),
  "hanging transaction": ({ bounds }) => bounds.get("inventory-events")!.get(1)!.stable--,
};

Deno.test("check finds nothing where all adds up", () => {
  assertEquals(check(healthy()), []);
  const facts = healthy();
  assert(facts.movementBatches.some(({ kind }) => kind === "abort"));
});

for (const [damage, harm] of Object.entries(DAMAGES)) {
  Deno.test(`check finds: ${damage}`, () => {
    const facts = healthy();
    harm(facts);
    const found = check(facts).find((finding) => finding.damage === damage);
    assert(found !== undefined, JSON.stringify(check(facts)));
    assert(found.count > 0 && found.example !== "");
  });
}

Deno.test("check finds a batch that is visible although its transaction has no end", () => {
  const facts = healthy();
  const last = facts.movementBatches.findLastIndex(({ kind }) => kind === "commit");
  facts.movementBatches.splice(last, 1);
  assert(check(facts).some(({ damage }) => damage === "aborted data visible"));
});

Deno.test("check finds that a group has committed nothing in a partition", () => {
  const facts = healthy();
  facts.committed.get("analytics")!.delete(0);
  assertEquals(check(facts).map(({ damage }) => damage), ["committed offset differs"]);
});

Deno.test("check takes a producer that gave up at its word", () => {
  const facts = healthy();
  const [publication] = facts.publications;
  const { ids } = publication!;
  // The last ten were never delivered, and the producer said so.
  ids.push(...Array.from({ length: 10 }, (_, index) => `undelivered_${index}`));
  publication!.firstUndelivered = "undelivered_0";
  assertEquals(check(facts), []);
  // One that it called acknowledged is missing.
  publication!.acknowledged++;
  assertEquals(check(facts).map(({ damage, count }) => [damage, count]), [["order lost", 1]]);
  // One before the first that it named is missing.
  const named = healthy();
  const [other] = named.publications;
  other!.firstUndelivered = other!.ids[11];
  other!.acknowledged = 5;
  assertEquals(check(named), []);
  other!.ids.unshift("lost_0");
  assertEquals(check(named).map(({ damage, count }) => [damage, count]), [["order lost", 1]]);
});

Deno.test("lostAndTwice adds up what is missing and what is there too often", () => {
  const facts = healthy();
  facts.movements.splice(3, 2);
  facts.movements.push({ ...facts.movements[9]!, offset: 1_000n });
  // Never stored, and named as delivered.
  facts.publications[0]!.ids.push("lost_0");
  assertEquals(lostAndTwice(check(facts)), { lost: 3, twice: 1 });
});
