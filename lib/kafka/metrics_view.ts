/**
 * The view of a metrics topic: what all instances of an analytics group have counted together.
 *
 * The view is complete up to a moment once it has read a barrier that was written at that moment, or
 * anything behind it: {@linkcode MetricsView.readWhole} writes one to each partition and waits until
 * the view is past the offset that it got. Because the view reads `read_committed`, a barrier comes
 * after everything that was committed before it.
 *
 * @module
 */
import { barrierRow, MetricsRows } from "../metrics_rows.ts";
import {
  type Connection,
  disconnect,
  explain,
  isRetriable,
  kafkaClient,
  within,
} from "./client.ts";
import { sleep } from "../async.ts";
import { chosenPartition, connect, requireAcknowledged } from "./publisher.ts";
import { followTopic } from "./follow_topic.ts";

/** A metrics topic, followed. */
export interface MetricsView {
  /** The rows as far as they are read. */
  readonly rows: MetricsRows;
  /** Counts up each time that the topic is read from its beginning, with no rows at first. */
  readonly reading: number;
  /** The numbers of all partitions. */
  readonly allPartitions: number[];
  /**
   * Reads the rows once those of the partitions hold all that is committed now. The view may begin
   * anew at any time, even before a caller that waits for a promise goes on: so the reading is done
   * here, at the moment at which they are whole.
   *
   * @throws The signal's reason, once it is aborted.
   */
  readWhole<T>(partitions: readonly number[], signal: AbortSignal, read: () => T): Promise<T>;
  /** Resolves when the view has ended, after its signal was aborted. */
  readonly closed: Promise<void>;
}

/** Between two tries to write a barrier, in milliseconds. */
const RETRY_MS = 250;

/** Follows the metrics topic of a group until the signal is aborted. */
export function openMetricsView(
  { connection, topic, group, partitions, onFailure }: {
    connection: Connection;
    topic: string;
    group: string;
    partitions: number;
    onFailure: (error: Error) => void;
  },
  signal: AbortSignal,
): MetricsView {
  const rows = new MetricsRows();
  let positions = new Map<number, bigint>();
  let waiting: (() => void)[] = [];
  let reading = 0;
  // Not idempotent, which can get stuck for good: a barrier written twice does no harm.
  const producer = kafkaClient(connection).producer({
    allowAutoTopicCreation: false,
    createPartitioner: chosenPartition,
  });
  let connecting: Promise<void> | undefined;
  const connected = () =>
    connecting ??= connect(producer, connection).catch((error) => {
      connecting = undefined;
      throw error;
    });
  connected().catch(() => {});

  const following = followTopic({
    connection,
    topic,
    groupPrefix: `${group}-view`,
    partitions,
    onReset() {
      reading++;
      rows.clear();
      positions = new Map();
    },
    onRecord: (key, value) => rows.apply({ key, value }),
    onPosition(partition, nextOffset) {
      positions.set(partition, nextOffset);
      const woken = waiting;
      waiting = [];
      woken.forEach((resolve) => resolve());
    },
  }, signal).catch(onFailure);

  /** Writes a barrier and returns its offset; one partition per send, see produce.ts. */
  async function writeBarrier(partition: number, until: AbortSignal): Promise<bigint> {
    const messages = [{ partition, ...barrierRow(partition) }];
    const deadline = performance.now() + connection.timeoutMs;
    for (;;) {
      try {
        await connected();
        const sent = producer.send({ topic, acks: -1, messages });
        const result = await within(deadline - performance.now(), until, sent);
        requireAcknowledged(result, [{ topic, partition }]);
        return BigInt(result[0]!.baseOffset!);
      } catch (error) {
        until.throwIfAborted();
        if (!isRetriable(error) || performance.now() > deadline) throw explain(error, connection);
        await sleep(RETRY_MS, until);
      }
    }
  }

  return {
    rows,
    get reading() {
      return reading;
    },
    allPartitions: Array.from({ length: partitions }, (_, partition) => partition),
    async readWhole(wanted, until, read) {
      const barriers = await Promise.all(wanted.map(async (partition) => ({
        partition,
        offset: await writeBarrier(partition, until),
      })));
      const isPast = ({ partition, offset }: { partition: number; offset: bigint }) =>
        (positions.get(partition) ?? 0n) > offset;
      while (!barriers.every(isPast)) {
        const told = new Promise<void>((resolve) => waiting.push(resolve));
        await within(connection.timeoutMs, until, told);
      }
      return read();
    },
    closed: following.then(() => disconnect(producer)),
  };
}
