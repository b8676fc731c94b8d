/**
 * The newest orders, read at the end of the topic; a sample of them when they come too fast.
 *
 * @module
 */
import type { ClusterReader, LogBounds } from "./kafkajs/cluster.ts";
import { type OrderPlaced, parseOrder } from "../order.ts";

/** An order and where it is, with the names that it has in JSON; its time is in UTC. */
export interface PlacedOrder
  extends Pick<OrderPlaced, "order_id" | "user_id" | "status" | "total_amount" | "timestamp"> {
  partition: number;
  offset: number;
  /** The first items. */
  items: { item_id: string; quantity: number }[];
  /** How many items it has. */
  item_count: number;
}

/** The newest orders. */
export interface LatestOrders {
  /** Whether orders were left out because they came too fast. */
  sampled: boolean;
  /** Newest first. */
  orders: PlacedOrder[];
}

const SHOWN_ORDERS = 12;
/** More than this of a partition in a second are left out, and so are longer lists of items. */
const READ_RECORDS = 4n;
const SHOWN_ITEMS = 8;
/** How much is read of one partition at once, in bytes; a batch may be larger. */
const READ_BYTES = 16_384;
/** How many partitions are read in a second when all have new orders. */
const READ_PARTITIONS = 2;

/** Reads the newest orders again and again. */
export class LatestOrdersReader {
  latest: LatestOrders = { sampled: false, orders: [] };
  readonly #cluster: ClusterReader;
  readonly #topic: string;
  #seen = new Map<number, bigint>();
  #turn = 0;

  constructor(cluster: ClusterReader, topic: string) {
    this.#cluster = cluster;
    this.#topic = topic;
  }

  /** Reads what is new up to the given bounds. */
  async read(bounds: ReadonlyMap<number, LogBounds | undefined>): Promise<void> {
    const isFirst = this.#seen.size === 0;
    const changed = [...bounds].flatMap(([partition, found]) => {
      if (found === undefined || found.stable <= found.start) return [];
      const seen = this.#seen.get(partition) ?? found.start;
      return seen >= found.stable ? [] : [{ partition, seen, ...found }];
    });
    const isFast = changed.some(({ seen, stable }) => stable - seen > READ_RECORDS);
    const turn = this.#turn++;
    const chosen = isFast && !isFirst
      ? changed.filter((_, index) => (index + turn) % changed.length < READ_PARTITIONS)
      : changed;
    const found = (await Promise.all(chosen.map((each) => this.#readEnd(each)))).flat();
    for (const { partition, stable } of changed) this.#seen.set(partition, stable);
    if (changed.length === 0) return;
    found.sort((a, b) => b.timeMs - a.timeMs);
    this.latest = {
      sampled: isFast && !isFirst,
      orders: [...found.map(({ order }) => order), ...this.latest.orders].slice(0, SHOWN_ORDERS),
    };
  }

  async #readEnd(
    { partition, seen, stable }: { partition: number; seen: bigint; stable: bigint },
  ): Promise<{ timeMs: number; order: PlacedOrder }[]> {
    const from = stable - READ_RECORDS;
    const offset = from > seen ? from : seen;
    const place = { topic: this.#topic, partition, offset };
    const { records } = await this.#cluster.recordsAt(place, READ_BYTES);
    return records.slice(-Number(READ_RECORDS)).flatMap(({ value, offset, timestamp }) => {
      const parsed = value === null ? undefined : parseOrder(value);
      if (parsed?.kind !== "order") return [];
      const { order_id, user_id, status, total_amount, items } = parsed.order;
      const order = {
        ...{ order_id, user_id, status, total_amount, partition, offset: Number(offset) },
        timestamp: new Date(parsed.timestampMs).toISOString(),
        items: items.slice(0, SHOWN_ITEMS).map(({ item_id, quantity }) => ({ item_id, quantity })),
        item_count: items.length,
      };
      return [{ timeMs: Number(timestamp), order }];
    });
  }
}
