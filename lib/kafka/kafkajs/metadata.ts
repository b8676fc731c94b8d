/**
 * What clients learn about topics: of the topics that they use and no others, also when a partition has
 * no leader.
 *
 * @module
 */
import { brokerError } from "./named_errors.ts";

/** kafkajs's metadata of a partition, as far as it is used here; the leader is -1 when there is none. */
interface PartitionMetadata {
  partitionId: number;
  leader: number;
}

interface TopicMetadata {
  topic: string;
  partitionMetadata: PartitionMetadata[];
}

/** kafkajs's encoder, as far as it is used here. */
interface Encoder {
  writeArray(items: string[]): Encoder;
  writeNullableArray(items: string[]): Encoder;
  writeBoolean(value: boolean): Encoder;
}

/** The function that kafkajs's modules `protocol/requests/metadata/…/request` export. */
export type MetadataRequest = (
  options: { topics: string[]; allowAutoTopicCreation?: boolean },
) => { encode(): Promise<Encoder> };

/** Stands for all topics in the list of topics: no topic has this name. */
const ALL_TOPICS = "*";

/** Creates the function from the original, which takes an empty list for "all topics". */
export function takingTopicsByName(
  NewEncoder: new () => Encoder,
): (original: MetadataRequest) => MetadataRequest {
  return (original) => (options) => ({
    ...original(options),
    encode() {
      const { topics, allowAutoTopicCreation } = options;
      const request = new NewEncoder();
      if (topics.includes(ALL_TOPICS)) request.writeNullableArray([]);
      else request.writeArray(topics);
      if (allowAutoTopicCreation !== undefined) request.writeBoolean(allowAutoTopicCreation);
      return Promise.resolve(request);
    },
  });
}

/** The offset of a partition without a leader. */
const NO_OFFSET = "-1";
/** How long metadata is used in which a partition has no leader, in milliseconds. */
const LEADERLESS_AGE_MS = 1_000;

/** kafkajs's cluster, as far as it is used here. */
interface Cluster {
  findTopicPartitionMetadata(topic: string): PartitionMetadata[];
}

/** The methods of kafkajs's cluster that are replaced. */
export interface LeaderLookup {
  /** Metadata of the topics; without options, of all topics. */
  metadata(this: Cluster, options?: { topics: string[] }): Promise<unknown>;
  /** The leaders, each with its partitions. */
  findLeaderForPartitions(
    this: Cluster,
    topic: string,
    partitions: (number | string)[],
  ): Record<string, number[]>;
  /** The offset of each partition at its beginning, at its end or at a time. */
  fetchTopicsOffset(
    this: Cluster,
    topics: { topic: string; partitions: { partition: number }[] }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

/**
 * Creates the methods from the originals, which send requests for partitions without a leader to the
 * broker "-1". Here such a partition is named as an error, and its offsets are -1: those of the other
 * partitions can be read.
 */
export function knowingLeaderless(original: LeaderLookup): LeaderLookup {
  return {
    metadata(options = { topics: [ALL_TOPICS] }) {
      return original.metadata.call(this, options);
    },
    findLeaderForPartitions(topic, partitions) {
      const leaderless = leaderlessPartitions(this, topic);
      const partition = partitions.map(Number).find((each) => leaderless.has(each));
      if (partition !== undefined) throw brokerError("LEADER_NOT_AVAILABLE", { topic, partition });
      return original.findLeaderForPartitions.call(this, topic, partitions);
    },
    async fetchTopicsOffset(topics) {
      const found = await original.fetchTopicsOffset.call(
        this,
        topics.map(({ topic, partitions, ...rest }) => {
          const leaderless = leaderlessPartitions(this, topic);
          return {
            ...rest,
            topic,
            partitions: partitions.filter(({ partition }) => !leaderless.has(partition)),
          };
        }),
      );
      return topics.map(({ topic, partitions }) => {
        const offsets = found.find((each) => each.topic === topic)?.partitions ?? [];
        return {
          topic,
          partitions: partitions.map(({ partition }) =>
            offsets.find((each) => each.partition === partition) ?? { partition, offset: NO_OFFSET }
          ),
        };
      });
    },
  };
}

function leaderlessPartitions(cluster: Cluster, topic: string): Set<number> {
  return new Set(
    cluster.findTopicPartitionMetadata(topic).filter(({ leader }) => leader < 0)
      .map(({ partitionId }) => partitionId),
  );
}

/** kafkajs's `BrokerPool`, as far as it is used here. */
interface BrokerPool {
  metadata: { topicMetadata: TopicMetadata[] } | null;
  metadataExpireAt: number | null;
}

/** The type of `BrokerPool.refreshMetadata`. */
export type RefreshMetadata = (this: BrokerPool, topics: string[]) => Promise<void>;

/** Creates the method from the original; metadata with leaderless partitions expires soon. */
export function lookingForLeaders(original: RefreshMetadata): RefreshMetadata {
  return async function (topics) {
    await original.call(this, topics);
    const isLeaderless = this.metadata?.topicMetadata.some(({ partitionMetadata }) =>
      partitionMetadata.some(({ leader }) => leader < 0)
    );
    if (isLeaderless && this.metadataExpireAt !== null) {
      this.metadataExpireAt = Math.min(this.metadataExpireAt, Date.now() + LEADERLESS_AGE_MS);
    }
  };
}
