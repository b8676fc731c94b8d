/**
 * The view of a metrics topic: what all instances of an analytics group have counted together.
 *
 * The view is complete up to a moment once it has read a barrier that was written at that moment:
 * {@linkcode MetricsView.catchUp} writes one to each partition and waits for it. Because the view
 * reads `read_committed`, a barrier comes after everything that was committed before it.
 *
 * @module
 */
import { barrierRow, MetricsRows } from "../metrics_rows.ts";
import { type Connection, within } from "./connect.ts";
import { connect, idempotentProducer, requireAcknowledged } from "./produce.ts";
import { disconnect } from "./connect.ts";
import { followTopic } from "./view.ts";

/** A metrics topic, followed. */
export interface MetricsView {
  /** The rows as far as they are read. */
  readonly rows: MetricsRows;
  /** The numbers of all partitions. */
  readonly allPartitions: number[];
  /**
   * Resolves once the rows of the partitions hold all that is committed now.
   *
   * @throws The signal's reason, once it is aborted.
   */
  catchUp(partitions: readonly number[], signal: AbortSignal): Promise<void>;
  /** Resolves when the view has ended, after its signal was aborted. */
  readonly closed: Promise<void>;
}

/** Follows the metrics topic of a group until the signal is aborted. */
export async function openMetricsView(
  { connection, topic, group, partitions, onFailure }: {
    connection: Connection;
    topic: string;
    group: string;
    partitions: number;
    onFailure: (error: Error) => void;
  },
  signal: AbortSignal,
): Promise<MetricsView> {
  const rows = new MetricsRows();
  let waiting: (() => void)[] = [];
  const producer = idempotentProducer(connection);
  await connect(producer, connection);

  const following = followTopic({
    connection,
    topic,
    groupPrefix: `${group}-view`,
    partitions,
    onReset: () => rows.clear(),
    onRecord: (key, value) => rows.apply({ key, value }),
    onCaughtUp: () => {
      const woken = waiting;
      waiting = [];
      woken.forEach((resolve) => resolve());
    },
  }, signal).catch(onFailure);

  return {
    rows,
    allPartitions: Array.from({ length: partitions }, (_, partition) => partition),
    async catchUp(wanted, until) {
      const nonce = crypto.randomUUID();
      const messages = wanted.map((partition) => ({ partition, ...barrierRow(partition, nonce) }));
      // One send per partition: see produce.ts.
      await Promise.all(messages.map(async (message) => {
        const sent = producer.send({ topic, acks: -1, messages: [message] });
        requireAcknowledged(await within(connection.timeoutMs, until, sent), [{
          topic,
          partition: message.partition,
        }]);
      }));
      while (!wanted.every((partition) => rows.barrier(partition) === nonce)) {
        const told = new Promise<void>((resolve) => waiting.push(resolve));
        await within(connection.timeoutMs, until, told);
      }
    },
    closed: following.then(() => disconnect(producer)),
  };
}
