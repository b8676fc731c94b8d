/**
 * What the page shows, gathered once for all its viewers.
 *
 * It counts nothing itself: orders by minute and stock are the rows that the services keep, lag comes
 * from offsets, and orders and dead letters are read where they are. It only reads from Kafka.
 *
 * @module
 */
import { delayOrAbort } from "../async.ts";
import { trouble } from "../kafka/errors.ts";
import { type LatestDeadLetters, NO_DEAD_LETTERS } from "../kafka/latest_dead_letters.ts";
import type { LatestOrders } from "../kafka/latest_orders.ts";
import { LiveReader, type LiveReaderOptions } from "../kafka/live_reader.ts";
import type { KafkaSettings } from "../kafka/settings.ts";
import { lagSampler } from "../lag/sampler.ts";
import { behindBy, type GroupStatus } from "../lag/verdict.ts";
import { type MetricsSummary, metricsSummary, type MinuteSeries } from "../minute_series.ts";
import { RecentRate } from "../recent_rate.ts";
import { SortedMinutes } from "../sorted_minutes.ts";
import { type StockLevel, stockLevels } from "../stock_levels.ts";

/** What can be said of the stream as a whole. */
export type LiveStatus =
  | "connecting"
  | "no-broker"
  | "no-topics"
  | "no-orders"
  | "catching-up"
  | "live";

/** The lag of a group, with the names that it has in JSON. */
export interface LiveGroup {
  group: string;
  verdict: string;
  members: number | null;
  lag_records: number | null;
  /** Records of partitions without a commit. */
  unread_records: number;
  lag_seconds: number | null;
  produced_per_second: number | null;
  consumed_per_second: number | null;
  drain_seconds: number | null;
  partitions: {
    partition: number;
    committed: number | null;
    end: number;
    lag_records: number | null;
    lag_seconds: number | null;
    verdict: string;
    host: string | null;
  }[];
}

/** All that a page shows but the orders by minute, with the names that it has in JSON. */
export interface LiveState {
  /** When it was gathered, ISO 8601. */
  time: string;
  status: LiveStatus;
  /** What is wrong, for people; only with `no-broker`. */
  message?: string;
  /** Changes when the orders by minute have changed. */
  version: number;
  metrics: MetricsSummary & { malformed_events: number; skipped_events: number };
  /** Orders that are written now, per second. */
  orders_per_second: number;
  groups: LiveGroup[];
  stock: StockLevel[];
  latest_orders: LatestOrders;
  dead_letters: LatestDeadLetters;
}

/** A point of the lag over time. */
export interface LagPoint {
  /** Seconds since the epoch. */
  time: number;
  /** Records behind, those of partitions without a commit included, by group. */
  lag: Record<string, number | null>;
}

/** What to show. */
export interface LiveViewOptions extends Omit<LiveReaderOptions, "onError"> {
  settings: KafkaSettings;
  /** The units of each item before the first order, where they are known. */
  opening?: ReadonlyMap<string, number> | undefined;
  /** Called once a second with what is new. */
  onState: (state: LiveState) => void;
}

const INTERVAL_MS = 1_000;
/** How long the lag over time goes back, in points. */
const HISTORY_POINTS = 1_800;

/** Gathers what a page shows, until the signal is aborted. */
export class LiveView {
  /** The lag of the last half hour. */
  readonly lagHistory: LagPoint[] = [];
  /** What it reads from. */
  readonly reader: LiveReader;
  /** Resolves when everything is closed. */
  readonly closed: Promise<void>;
  readonly #options: LiveViewOptions;
  #minutes = new SortedMinutes();
  #letters: LatestDeadLetters = NO_DEAD_LETTERS;
  #written: { rate: RecentRate; from: number } | undefined;
  #perSecond = 0;
  /** What is wrong, while the brokers do not answer. */
  #message: string | undefined;

  /** Starts to gather. */
  constructor(options: LiveViewOptions, signal: AbortSignal) {
    const { settings } = options;
    this.#options = options;
    const onError = (error: unknown) => settings.note(trouble(error, settings));
    this.reader = new LiveReader(settings, { ...options, onError }, signal);
    this.closed = this.#gather(signal);
  }

  /** The orders by minute, as of the version in the last state. */
  get series(): MinuteSeries {
    return this.#minutes.series;
  }

  async #gather(signal: AbortSignal): Promise<void> {
    const sample = lagSampler(this.reader.lag, []);
    while (!signal.aborted) {
      const startedMs = performance.now();
      try {
        const state = await this.#read(sample);
        if (signal.aborted) break;
        this.#options.onState(state);
      } catch (error) {
        if (signal.aborted) break;
        this.#message = trouble(error, this.#options.settings);
        this.#options.onState(this.#state("no-broker", []));
      }
      await delayOrAbort(Math.max(100, startedMs + INTERVAL_MS - performance.now()), signal);
    }
    await this.reader.close();
  }

  async #read(sample: ReturnType<typeof lagSampler>): Promise<LiveState> {
    const { lag, orders, metrics, stock } = this.reader;
    const exists = await lag.topicExists();
    this.#message = undefined;
    this.#sortMinutes();
    if (!exists) return this.#state("no-topics", []);
    const { groups, timeMs } = await sample();
    const bounds = await this.reader.bounds();
    await orders.read(bounds);
    this.#letters = await this.reader.deadLetters();
    this.lagHistory.push({
      time: timeMs / 1_000,
      lag: Object.fromEntries(groups.map((each) => [each.group, knownBehind(each)])),
    });
    if (this.lagHistory.length > HISTORY_POINTS) this.lagHistory.shift();
    const ends = [...bounds.values()].map((each) => Number(each?.end ?? 0n));
    const end = ends.reduce((sum, each) => sum + each, 0);
    // The first reading is where the counting begins.
    this.#written ??= { rate: new RecentRate(performance.now()), from: end };
    const { rate, from } = this.#written;
    this.#perSecond = rate.add(end - from, performance.now());
    const isEmpty = end === 0;
    const isBehind = (metrics.exists && !this.#minutes.isComplete) ||
      (stock.exists && !stock.isComplete);
    return this.#state(isEmpty ? "no-orders" : isBehind ? "catching-up" : "live", groups);
  }

  #state(status: LiveStatus, groups: readonly GroupStatus[]): LiveState {
    const { series, version, malformed, skipped } = this.#minutes;
    return {
      time: new Date().toISOString(),
      status,
      ...(this.#message !== undefined && { message: this.#message }),
      version,
      metrics: {
        ...metricsSummary(series),
        malformed_events: malformed,
        skipped_events: skipped,
      },
      orders_per_second: this.#perSecond,
      groups: groups.map(liveGroup),
      stock: stockLevels(this.reader.stock.rows, this.#options.opening),
      latest_orders: this.reader.orders.latest,
      dead_letters: this.#letters,
    };
  }

  #sortMinutes(): void {
    const { rows, isComplete } = this.reader.metrics;
    this.#minutes.update(rows, { isComplete, clock: () => performance.now() });
  }
}

function liveGroup(status: GroupStatus): LiveGroup {
  return {
    group: status.group,
    verdict: status.verdict,
    members: status.members ?? null,
    lag_records: status.lag ?? null,
    unread_records: status.unread,
    lag_seconds: status.secondsBehind ?? null,
    produced_per_second: status.producePerSecond ?? null,
    consumed_per_second: status.consumePerSecond ?? null,
    drain_seconds: finite(status.drainSeconds),
    partitions: status.partitions.map((each) => ({
      partition: each.partition,
      committed: each.committed === undefined ? null : Number(each.committed),
      end: Number(each.readableEnd),
      lag_records: each.lag ?? null,
      lag_seconds: each.secondsBehind ?? null,
      verdict: each.verdict,
      host: each.owner?.host ?? null,
    })),
  };
}

/** The records that a group is behind by; `null` when it has committed nothing and has nothing to read. */
function knownBehind(status: GroupStatus): number | null {
  return status.lag === undefined && status.unread === 0 ? null : behindBy(status);
}

function finite(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}
