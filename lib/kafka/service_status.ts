/**
 * What an instance of a service is doing: whether its processing goes on, whether it is ready, and how
 * much it has done. Nothing is counted or asked unless a service is given such a status.
 *
 * It asks the brokers itself where the partitions end: a consumer that has stopped would not notice that
 * records wait.
 *
 * @module
 */
import { awakeMs, deadline, delayOrAbort, holdClock, unlessAborted } from "../async.ts";
import { ProgressWatch } from "../progress_watch.ts";
import { trouble } from "./errors.ts";
import type { ClusterReader } from "./kafkajs/cluster.ts";
import type { KafkaSettings } from "./settings.ts";

/** A partition that is assigned to this instance. */
export interface AssignedPartition {
  partition: number;
  /** The offset of the next record to process; `undefined` while the partition is being opened. */
  position: bigint | undefined;
  /** When something was last done for it, by `awakeMs`. */
  activeMs: number;
}

/** Where a status gets what it reports. */
export interface StatusSource {
  settings: KafkaSettings;
  cluster: Pick<ClusterReader, "logBounds">;
  /** The topic that is read, prefix included. */
  topic: string;
  /** The partitions; `undefined` while this instance is not a member of the group. */
  assigned(): AssignedPartition[] | undefined;
}

/** How a transaction ended. */
export interface TransactionEnd {
  /** The partition whose records it processed. */
  partition: number;
  /** How many records those were. */
  records: number;
  isCommitted: boolean;
  /** How long it took, in seconds. */
  seconds: number;
}

/** A partition, as far as it is known. */
export interface KnownPartition {
  partition: number;
  isOpen: boolean;
  /** Records after the position, transaction markers included; `undefined` when it is not known. */
  lagRecords: number | undefined;
}

/** The answer to a probe. */
export interface Finding {
  isGood: boolean;
  /** Why, one line each. */
  lines: string[];
}

/** How often the ends of the partitions are read, in milliseconds. */
const INTERVAL_MS = 2_000;
/** How long the brokers may take to answer, in milliseconds. */
const ANSWER_LIMIT_MS = 3_000;

/** The status of an instance of a service. */
export class ServiceStatus {
  /** Transactions that were committed, and those that failed. */
  readonly transactions = { committed: 0, failed: 0 };
  /** Records that are not orders. */
  readonly notOrders = { skipped: 0, deadLetters: 0 };
  #watch = new ProgressWatch();
  #source: StatusSource | undefined;
  /** The end of each partition at the last answer; `undefined` for one without a leader. */
  #ends: ReadonlyMap<number, bigint | undefined> = new Map();
  /** What is wrong with the brokers. */
  #problem: string | undefined = "no broker has answered yet";
  #isStopping = false;
  #subscribers: ((end: TransactionEnd) => void)[] = [];

  /** @param group The consumer group, prefix included. */
  constructor(readonly group: string) {}

  /** Calls the function at the end of each transaction from now on. */
  onTransaction(take: (end: TransactionEnd) => void): void {
    this.#subscribers.push(take);
  }

  /** A transaction has ended. */
  transacted(end: TransactionEnd): void {
    this.transactions[end.isCommitted ? "committed" : "failed"]++;
    for (const take of this.#subscribers) take(end);
  }

  /** Watches the processing until the signal is aborted. */
  async follow(source: StatusSource, signal: AbortSignal): Promise<void> {
    using _clock = holdClock();
    this.#source = source;
    while (!signal.aborted) {
      const reading = source.cluster.logBounds(source.topic);
      try {
        const bounds = await deadline(reading, ANSWER_LIMIT_MS, { signal });
        this.#ends = new Map([...bounds].map(([partition, each]) => [partition, each?.stable]));
        this.#problem = undefined;
        this.#compare();
      } catch (error) {
        if (signal.aborted) break;
        this.#problem = trouble(error, source.settings);
        this.#watch.interrupt();
        await unlessAborted(reading.catch(() => {}), signal);
      }
      await delayOrAbort(INTERVAL_MS, signal);
    }
    this.#isStopping = true;
    this.#watch.interrupt();
  }

  /** The partitions of this instance. */
  partitions(): KnownPartition[] {
    return (this.#source?.assigned() ?? []).map(({ partition, position }) => {
      const end = this.#problem === undefined ? this.#ends.get(partition) : undefined;
      const isKnown = end !== undefined && position !== undefined;
      return {
        partition,
        isOpen: position !== undefined,
        lagRecords: isKnown ? Math.max(0, Number(end - position)) : undefined,
      };
    });
  }

  /** Whether the processing goes on, as far as this instance can help it. */
  liveness(): Finding {
    const stops = this.#stopLines();
    return stops.length > 0 ? bad(stops) : good("ok: processing has not stopped");
  }

  /** Whether this instance processes its share, or would if it had one. */
  readiness(): Finding {
    if (this.#isStopping) return bad(["stopping"]);
    if (this.#problem !== undefined) return bad([this.#problem]);
    const assigned = this.#source?.assigned();
    if (assigned === undefined) return bad([`joining the group ${this.group}`]);
    const opening = assigned.filter(({ position }) => position === undefined);
    const leaderless = assigned.filter(({ partition }) => this.#ends.get(partition) === undefined);
    const reasons = [
      ...(opening.length > 0 ? [`being opened: ${listOf(opening)}`] : []),
      ...(leaderless.length > 0 ? [`without a leader: ${listOf(leaderless)}`] : []),
      ...this.#stopLines(),
    ];
    if (reasons.length > 0) return bad(reasons);
    return good(
      assigned.length === 0
        ? `ok: a member of the group ${this.group}, which has partitions for others only`
        : `ok: ${listOf(assigned)}`,
    );
  }

  #compare(): void {
    const readings = (this.#source?.assigned() ?? []).map(({ partition, position, activeMs }) => ({
      ...{ partition, activeMs, next: position },
      end: this.#ends.get(partition),
    }));
    this.#watch.add(readings, awakeMs());
  }

  #stopLines(): string[] {
    return this.#watch.stops.map(({ partition, forMs, isOpening }) =>
      `partition ${partition} ${isOpening ? "is being opened" : "has records waiting"}, ` +
      `and nothing was done for ${Math.round(forMs / 1_000)} s`
    );
  }
}

function good(line: string): Finding {
  return { isGood: true, lines: [line] };
}

function bad(lines: string[]): Finding {
  return { isGood: false, lines };
}

function listOf(partitions: readonly { partition: number }[]): string {
  const numbers = partitions.map(({ partition }) => partition).sort((a, b) => a - b).join(", ");
  return `partition${partitions.length === 1 ? "" : "s"} ${numbers}`;
}
