/**
 * Producers with a transactional id, of which one at a time is valid.
 *
 * @module
 */
import type { Producer } from "kafkajs";
import { transactionalId } from "../topics.ts";
import { type Connection, disconnect, kafkaClient, within } from "./client.ts";
import { chosenPartition } from "./publisher.ts";

/** A transaction that takes longer is aborted by the broker. */
const TRANSACTION_TIMEOUT_MS = 15_000;

/** The producer of whoever works on a partition of the orders for a group; not connected yet. */
export function transactionalProducer(
  connection: Connection,
  group: string,
  partition: number,
): Producer {
  return kafkaClient(connection).producer({
    transactionalId: transactionalId(group, partition),
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    allowAutoTopicCreation: false,
    createPartitioner: chosenPartition,
  });
}

/**
 * Connects a producer and takes its transactional id over: the broker ends what a former owner has
 * left open, and refuses whatever that owner still sends.
 */
export async function takeOver(producer: Producer): Promise<void> {
  await producer.connect();
  // The public way to initialise: begin a transaction, and abort it while it is empty.
  const empty = await producer.transaction();
  await empty.abort();
}

/**
 * Takes all transactional ids of a group over, and lets them go. Whoever moves the offsets of a group
 * does so first: an instance that has been asleep, and does not know yet that it is no member any
 * more, could else commit once more and undo the move.
 */
export async function fenceGroup(
  connection: Connection,
  group: string,
  partitions: Iterable<number>,
): Promise<void> {
  await Promise.all([...partitions].map(async (partition) => {
    const producer = transactionalProducer(connection, group, partition);
    try {
      await within(connection.timeoutMs, undefined, takeOver(producer));
    } finally {
      await disconnect(producer);
    }
  }));
}
