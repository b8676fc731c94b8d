/**
 * Sorting the messages of a send into partitions.
 *
 * @module
 */

/** What a partitioner is asked about. */
export interface PartitionerQuestion<M> {
  /** The topic. */
  topic: string;
  /** The partitions of the topic. */
  partitionMetadata: unknown[];
  /** The message to find a partition for. */
  message: M;
}

/**
 * The messages of each partition, in order.
 *
 * The original copies a partition's list for each message that it adds, which takes quadratic time
 * (pull request 1576).
 */
export function groupMessagesPerPartition<M>(
  { topic, partitionMetadata, messages, partitioner }: {
    topic: string;
    partitionMetadata: unknown[];
    messages: M[];
    partitioner: (question: PartitionerQuestion<M>) => number;
  },
): Record<string, M[]> {
  const groups: Record<string, M[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) {
    (groups[partitioner({ topic, partitionMetadata, message })] ??= []).push(message);
  }
  return groups;
}
