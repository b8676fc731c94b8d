/**
 * Grouping the messages of a send by partition.
 *
 * @module
 */

/** The argument of a partitioner. */
interface PartitionerArgs<M> {
  topic: string;
  partitionMetadata: unknown[];
  message: M;
}

/**
 * Groups messages by partition and keeps their order.
 *
 * The original copies a partition's list for each message, which takes quadratic time (pull request
 * 1576).
 */
export function groupMessagesPerPartition<M>(
  { topic, partitionMetadata, messages, partitioner }: {
    topic: string;
    partitionMetadata: unknown[];
    messages: M[];
    partitioner: (args: PartitionerArgs<M>) => number;
  },
): Record<string, M[]> {
  const groups: Record<string, M[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) {
    (groups[partitioner({ topic, partitionMetadata, message })] ??= []).push(message);
  }
  return groups;
}
