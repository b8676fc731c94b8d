/**
 * What a page of the service reads, with one set of connections.
 *
 * @module
 */
import { minuteTable } from "../metrics_table.ts";
import type { Minute, MinuteCount } from "../minute_window.ts";
import { type StockCounts, stockTable } from "../stock_levels.ts";
import { DASHBOARD_GROUP, deadLetters, orderEvents, orderMetrics, stockLevels } from "../topics.ts";
import { type ClusterReader, clusterReader, type LogBounds } from "./kafkajs/cluster.ts";
import { type LagReader, openLagReader } from "./lag_reader.ts";
import {
  type LatestDeadLetters,
  latestDeadLetters,
  NO_DEAD_LETTERS,
} from "./latest_dead_letters.ts";
import { LatestOrdersReader } from "./latest_orders.ts";
import { RowsFollower } from "./rows_follower.ts";
import { type KafkaSettings, readerSettings } from "./settings.ts";

/** The groups of the two services. */
export interface LiveReaderOptions {
  topicPrefix: string;
  /** The consumer group of analytics, prefix included. */
  analyticsGroup: string;
  /** The consumer group of inventory, prefix included. */
  inventoryGroup: string;
  /** Takes an error after which a state topic is followed again. */
  onError: (error: unknown) => void;
}

/** Reads what a page shows; it only reads from Kafka. */
export class LiveReader {
  readonly lag: LagReader;
  readonly metrics: RowsFollower<Minute, MinuteCount>;
  readonly stock: RowsFollower<string, StockCounts>;
  readonly orders: LatestOrdersReader;
  readonly cluster: ClusterReader;
  #topics: { orders: string; deadLetters: string };
  #letters: LatestDeadLetters = NO_DEAD_LETTERS;

  /** Starts to follow the state of the services, until the signal is aborted. */
  constructor(settings: KafkaSettings, options: LiveReaderOptions, signal: AbortSignal) {
    const { topicPrefix, analyticsGroup, inventoryGroup, onError } = options;
    const asReader = readerSettings(settings);
    this.#topics = {
      orders: orderEvents(topicPrefix).name,
      deadLetters: deadLetters(topicPrefix).name,
    };
    this.cluster = clusterReader(asReader);
    this.lag = openLagReader(asReader, { topic: this.#topics.orders });
    this.orders = new LatestOrdersReader(this.cluster, this.#topics.orders);
    const following = {
      ...{ settings: asReader, cluster: this.cluster, onError },
      groupPrefix: topicPrefix + DASHBOARD_GROUP,
    };
    const metrics = orderMetrics(analyticsGroup).name;
    this.metrics = new RowsFollower({ ...following, topic: metrics, table: minuteTable }, signal);
    const stock = stockLevels(inventoryGroup).name;
    this.stock = new RowsFollower({ ...following, topic: stock, table: stockTable }, signal);
  }

  /** Where each partition of the orders begins and ends now. */
  bounds(): Promise<Map<number, LogBounds | undefined>> {
    return this.cluster.logBounds(this.#topics.orders);
  }

  /** The newest dead letters. */
  async deadLetters(): Promise<LatestDeadLetters> {
    this.#letters = await latestDeadLetters(
      this.cluster,
      this.#topics.deadLetters,
      this.#letters,
    );
    return this.#letters;
  }

  /** Disconnects; the signal must be aborted. */
  async close(): Promise<void> {
    await Promise.all([
      ...[this.metrics.closed, this.stock.closed],
      ...[this.cluster.close(), this.lag.close()],
    ]);
  }
}
