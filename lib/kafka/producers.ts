/**
 * Producers of both kinds: idempotent ones for publishing, and transactional ones, of which one at a
 * time is valid for each transactional id.
 *
 * @module
 */
import type { Message, Producer, RecordMetadata } from "kafkajs";
import { deadline } from "../async.ts";
import { transactionalId } from "../topics.ts";
import { disconnect, kafkaClient } from "./client.ts";
import type { KafkaSettings } from "./settings.ts";

/** A transaction that takes longer is aborted by the broker, in milliseconds. */
export const TRANSACTION_LIMIT_MS = 15_000;

/** A producer that retries a little; callers send the same messages again until they are acknowledged. */
export function idempotentProducer(settings: KafkaSettings): Producer {
  return kafkaClient(settings).producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    createPartitioner: chosenPartition,
    retry: { retries: 2 },
  });
}

/** The producer for a group's work on one partition of a topic; not connected yet. */
export function transactionalProducer(
  settings: KafkaSettings,
  { group, topic, partition }: { group: string; topic: string; partition: number },
): Producer {
  return kafkaClient(settings).producer({
    transactionalId: transactionalId(group, topic, partition),
    transactionTimeout: TRANSACTION_LIMIT_MS,
    allowAutoTopicCreation: false,
    createPartitioner: chosenPartition,
  });
}

/**
 * Connects a producer and takes its transactional id over: the broker aborts or
 * completes the open transaction of the previous owner and refuses its later requests.
 */
export async function takeOver(producer: Producer): Promise<void> {
  await producer.connect();
  // The public way to initialise: begin a transaction, and abort it while it is empty.
  const empty = await producer.transaction();
  await empty.abort();
}

/**
 * Takes the transactional ids of a group's partitions over, and lets them go. Do so before moving the
 * group's offsets: an instance that was suspended, and does not know yet that it is no longer a
 * member, could otherwise commit once more and undo the move.
 */
export async function fenceGroup(
  settings: KafkaSettings,
  { group, topic, partitions }: { group: string; topic: string; partitions: Iterable<number> },
): Promise<void> {
  await Promise.all([...partitions].map(async (partition) => {
    const producer = transactionalProducer(settings, { group, topic, partition });
    try {
      await deadline(takeOver(producer), settings.timeoutMs);
    } finally {
      await disconnect(producer);
    }
  }));
}

/** A partitioner for records that name their partition. */
export function chosenPartition(): ({ message }: { message: Message }) => number {
  return ({ message }) => {
    if (message.partition === undefined) throw new Error("a record without a partition");
    return message.partition;
  };
}

/**
 * Checks that every partition that was sent to has confirmed.
 *
 * @throws {Error} When one has not.
 */
export function requireAcknowledged(
  result: readonly RecordMetadata[],
  sent: Iterable<{ topic: string; partition: number }>,
): void {
  const confirmed = new Set(
    result.filter(({ errorCode }) => errorCode === 0).map(({ topicName, partition }) =>
      `${topicName}/${partition}`
    ),
  );
  for (const { topic, partition } of sent) {
    if (!confirmed.has(`${topic}/${partition}`)) {
      throw new Error(`no acknowledgement from partition ${partition} of ${topic}`);
    }
  }
}
