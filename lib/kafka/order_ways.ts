/**
 * The way of single orders through the services, while somebody watches them.
 *
 * An order is counted when the group of analytics has committed an offset past it, and moved when that of
 * inventory has. Its movements are then searched in the topic of the inventory events, from the ends that
 * this had before the order was stored: they cannot be before. While inventory is behind, the ends
 * follow, so that little has to be searched. One reading of offsets serves all orders.
 *
 * @module
 */
import { deadline, delayOrAbort } from "../async.ts";
import { parseInventoryEvent } from "../inventory_event.ts";
import type { OrderPlaced } from "../order.ts";
import type { OrderWay } from "../order_way.ts";
import { inventoryEvents, orderEvents } from "../topics.ts";
import { trouble } from "./errors.ts";
import type { ClusterReader } from "./kafkajs/cluster.ts";
import type { StoredAt } from "./order_store.ts";
import { partitionOf } from "./partitioner.ts";
import type { KafkaSettings } from "./settings.ts";

/** An order that was stored. */
export interface StoredOrder extends StoredAt {
  order: OrderPlaced;
  acceptedMs: number;
  /** When it arrived, by `performance.now()`. */
  arrivedMs: number;
  /** Where its movements can be; see {@linkcode OrderWays.ends}. */
  from: Ends;
}

/** The ends of the partitions of the inventory events at some time. */
export type Ends = ReadonlyMap<number, bigint>;

/** What is followed, and by what. */
export interface OrderWaysOptions {
  topicPrefix: string;
  /** The consumer group of analytics, prefix included. */
  analyticsGroup: string;
  /** The consumer group of inventory, prefix included. */
  inventoryGroup: string;
  cluster: ClusterReader;
  /** How many orders can be watched. */
  maxOrders: number;
  /** For how long each, in milliseconds. */
  followedMs: number;
  /** Called once, when the topic of the orders is there. */
  onTopic: () => void;
  /** Called when an order has come further. */
  onChange: (way: OrderWay) => void;
  /** Whether somebody watches an order: only then it is followed. */
  isWatched: (orderId: string) => boolean;
}

/** How often offsets are read while orders are watched, in milliseconds. */
const WATCHING_INTERVAL_MS = 150;
/** How often the brokers are asked for ends otherwise, in milliseconds. */
const IDLE_INTERVAL_MS = 1_000;
/** How long the brokers may take to answer before they count as away, in milliseconds. */
const ANSWER_LIMIT_MS = 3_000;
/** How much of the inventory events is read in one go of a partition, and how often, in bytes. */
const READ_BYTES = 131_072;
const READS_PER_POLL = 12;
/**
 * The markers of one transaction are written to its partitions at about the same time: movements may be
 * readable this long before the committed offset moves, in milliseconds.
 */
const MARKERS_MS = 1_000;

interface Followed {
  way: OrderWay;
  arrivedMs: number;
  /** What its movements are about. */
  items: readonly string[];
  /** Where the search of each partition goes on. */
  next: Map<number, bigint>;
}

/** Follows orders until the signal is aborted. */
export class OrderWays {
  /** Resolves when the following has ended. */
  readonly closed: Promise<void>;
  #settings: KafkaSettings;
  #options: OrderWaysOptions;
  #topics: { orders: string; movements: string };
  #signal: AbortSignal;
  #trouble: string | undefined;
  #hasTopic = false;
  /** The problem that was reported last. */
  #noted: string | undefined;
  /** The oldest first; those of the last seconds. */
  #ends: { atMs: number; ends: Ends }[] = [];
  /** By id, the oldest first. */
  #orders = new Map<string, Followed>();
  #woken = new AbortController();

  /** Starts to follow. */
  constructor(settings: KafkaSettings, options: OrderWaysOptions, signal: AbortSignal) {
    this.#settings = settings;
    this.#options = options;
    this.#topics = {
      orders: orderEvents(options.topicPrefix).name,
      movements: inventoryEvents(options.topicPrefix).name,
    };
    this.#signal = signal;
    this.closed = this.#run();
  }

  /** What is wrong, for the user, while the brokers do not answer. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Where the inventory events ended a moment ago: take it before an order is stored. */
  get ends(): Ends {
    return this.#ends.at(-1)?.ends ?? new Map();
  }

  /** Keeps an order, so that it can be watched. */
  add({ order, partition, offset, acceptedMs, arrivedMs, from }: StoredOrder): void {
    const { order_id } = order;
    const { maxOrders, followedMs } = this.#options;
    for (const [id, { arrivedMs }] of this.#orders) {
      const isOver = performance.now() - arrivedMs > followedMs;
      if (this.#orders.size < maxOrders && !isOver) break;
      if (isOver || !this.#options.isWatched(id)) this.#orders.delete(id);
    }
    this.#orders.delete(order_id);
    this.#orders.set(order_id, {
      way: {
        ...{ order_id, topic: this.#topics.orders, partition, offset, accepted_ms: acceptedMs },
        ...{ counted_ms: null, moved_ms: null, movements: [], state: "following" },
      },
      arrivedMs,
      items: order.items.map(({ item_id }) => item_id),
      next: new Map(from),
    });
  }

  /** How far an order has come; `undefined` when it is not kept, or not any more. */
  wayOf(orderId: string): OrderWay | undefined {
    return this.#orders.get(orderId)?.way;
  }

  /** Looks at once, because somebody has begun to watch. */
  wake(): void {
    this.#woken.abort();
  }

  async #run(): Promise<void> {
    while (!this.#signal.aborted) {
      this.#woken = new AbortController();
      const startedMs = performance.now();
      this.#trouble = await this.#problem(() => this.#askOrders());
      const problem = this.#trouble ?? await this.#problem(() => this.#follow());
      if (problem !== undefined && problem !== this.#noted) {
        this.#settings.note(`following orders: ${problem}`);
      }
      this.#noted = problem;
      this.#giveUp();
      const isWatching = this.#watched().length > 0;
      const intervalMs = isWatching ? WATCHING_INTERVAL_MS : IDLE_INTERVAL_MS;
      await delayOrAbort(
        startedMs + intervalMs - performance.now(),
        AbortSignal.any([this.#signal, this.#woken.signal]),
      );
    }
  }

  #watched(): Followed[] {
    return [...this.#orders.values()].filter(({ way }) =>
      way.state === "following" && this.#options.isWatched(way.order_id)
    );
  }

  /** What is wrong, for the user, when the work fails. */
  async #problem(work: () => Promise<void>): Promise<string | undefined> {
    try {
      await deadline(work(), ANSWER_LIMIT_MS, { signal: this.#signal });
      return undefined;
    } catch (error) {
      return this.#signal.aborted ? undefined : trouble(error, this.#settings);
    }
  }

  /** Asks the leaders of the orders, which must answer when orders are to be stored. */
  async #askOrders(): Promise<void> {
    const { cluster, onTopic } = this.#options;
    const { orders } = this.#topics;
    if (!await cluster.hasTopic(orders)) return;
    await cluster.endOffsets(orders);
    if (!this.#hasTopic) onTopic();
    this.#hasTopic = true;
  }

  async #follow(): Promise<void> {
    await this.#readEnds();
    const watched = this.#watched();
    if (watched.length === 0) return;
    await this.#readProgress(watched);
    await this.#findMovements(watched.filter(({ way }) => way.moved_ms !== null));
  }

  /** Keeps the ends of the last moments. */
  async #readEnds(): Promise<void> {
    const { cluster } = this.#options;
    const { movements } = this.#topics;
    const atMs = performance.now();
    const bounds = await cluster.hasTopic(movements)
      ? await cluster.logBounds(movements)
      : new Map<number, undefined>();
    const last = this.ends;
    const ends = new Map([...bounds].map(([partition, found]) =>
      // Without a leader it ends where it did.
      [partition, found?.stable ?? last.get(partition) ?? 0n] as const
    ));
    this.#ends.push({ atMs, ends });
    while ((this.#ends[1]?.atMs ?? Infinity) < atMs - MARKERS_MS) this.#ends.shift();
  }

  async #readProgress(watched: readonly Followed[]): Promise<void> {
    const { cluster, analyticsGroup, inventoryGroup } = this.#options;
    const { orders } = this.#topics;
    const listed = (await cluster.listGroups(orders))
      .filter(({ groupId }) => groupId === analyticsGroup || groupId === inventoryGroup);
    // Where the search can begin, if these commits do not include an order yet.
    const before = this.#ends[0]!;
    const isOld = performance.now() - before.atMs > MARKERS_MS;
    const committed = await cluster.committedOffsets(listed, orders);
    for (const followed of watched) {
      const { way, arrivedMs, next } = followed;
      const isPast = (group: string) =>
        (committed.get(group)?.get(way.partition) ?? -1n) > BigInt(way.offset);
      const nowMs = Math.round(performance.now() - arrivedMs);
      const counted_ms = way.counted_ms ?? (isPast(analyticsGroup) ? nowMs : null);
      const moved_ms = way.moved_ms ?? (isPast(inventoryGroup) ? nowMs : null);
      if (moved_ms === null && isOld) {
        for (const [partition, end] of before.ends) {
          if (end > (next.get(partition) ?? 0n)) next.set(partition, end);
        }
      }
      this.#change(followed, { counted_ms, moved_ms });
    }
  }

  /** Reads the partitions in which movements can be, each once for all orders. */
  async #findMovements(moved: readonly Followed[]): Promise<void> {
    const { ends } = this;
    if (ends.size === 0) return;
    const wanted = new Map<number, Followed[]>();
    for (const followed of moved) {
      const { way, items } = followed;
      if (way.movements.length === items.length) continue;
      for (const partition of new Set(items.map((item) => partitionOf(item, ends.size)))) {
        wanted.getOrInsertComputed(partition, () => []).push(followed);
      }
    }
    let reads = 0;
    for (const [partition, orders] of wanted) {
      while (reads < READS_PER_POLL && await this.#readMovements(partition, orders)) reads++;
    }
  }

  /** Reads a piece of a partition; `false` when it is read to its end. */
  async #readMovements(partition: number, orders: readonly Followed[]): Promise<boolean> {
    const { cluster } = this.#options;
    const nextOf = ({ next }: Followed) => next.get(partition) ?? 0n;
    const missing = orders.filter(({ way, items }) => way.movements.length < items.length);
    const offset = missing.map(nextOf).reduce((a, b) => a < b ? a : b, this.ends.get(partition)!);
    if (offset >= this.ends.get(partition)!) return false;
    const place = { topic: this.#topics.movements, partition, offset };
    const { records, next } = await cluster.recordsAt(place, READ_BYTES);
    if (next === undefined) return false;
    const byId = new Map(missing.map((followed) => [followed.way.order_id, followed]));
    for (const record of records) {
      const parsed = record.value === null ? undefined : parseInventoryEvent(record.value);
      if (parsed?.kind !== "event") continue;
      const { order_id, item_id, quantity, action } = parsed.event;
      const followed = byId.get(order_id);
      if (followed === undefined || BigInt(record.offset) < nextOf(followed)) continue;
      const movements = [...followed.way.movements, { item_id, quantity, action }];
      this.#change(followed, { movements });
    }
    for (const followed of missing) {
      if (nextOf(followed) < next) followed.next.set(partition, next);
    }
    return true;
  }

  /** Ends the following of orders whose time is over. */
  #giveUp(): void {
    for (const followed of this.#orders.values()) {
      const { way, arrivedMs } = followed;
      if (performance.now() - arrivedMs < this.#options.followedMs) return;
      if (way.state === "following") this.#change(followed, { state: "given up" });
    }
  }

  #change(followed: Followed, changes: Partial<OrderWay>): void {
    const before = followed.way;
    const way = { ...before, ...changes };
    const isDone = way.counted_ms !== null && way.moved_ms !== null &&
      way.movements.length >= followed.items.length;
    if (isDone) way.state = "done";
    const isSame = (Object.keys(way) as (keyof OrderWay)[]).every((name) =>
      way[name] === before[name]
    );
    if (isSame) return;
    followed.way = way;
    this.#options.onChange(way);
  }
}
