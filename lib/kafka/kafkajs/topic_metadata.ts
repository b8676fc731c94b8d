/**
 * Looking up topics, all in one request: which of them exist, with which partitions and which id. A topic
 * that was deleted and created again has its old name and another id.
 *
 * kafkajs knows Metadata up to version 6, without ids; its answer fails as a whole when one of the
 * topics does not exist, and it asks twice for a topic that it has not met.
 *
 * @module
 */
import {
  type Decoder,
  newBodyDecoder,
  newEncoder,
  NO_TAGS,
  type ProtocolRequest,
  throwFailure,
} from "./protocol.ts";

/** A partition of a topic. */
export interface PartitionMetadata {
  partitionId: number;
  /** The node id of its leader; -1 when it has none. */
  leader: number;
  /** The node ids of the brokers that hold it. */
  replicas: number[];
}

/** A topic that exists. */
export interface TopicMetadata {
  name: string;
  /** In hex; `undefined` when the brokers are older than Kafka 2.8. */
  id: string | undefined;
  partitions: PartitionMetadata[];
}

/** What a broker knows of its cluster. */
export interface ClusterMetadata {
  /** The node ids of the brokers that are ready for work. */
  brokers: number[];
  /** The topics that exist, of those that were asked for, by their names. */
  topics: Map<string, TopicMetadata>;
}

/** The topics of a response. */
type Response = { brokers: number[]; topics: (TopicMetadata & { errorCode: number })[] };

/** The API key of Metadata. */
const METADATA = 3;
/** The first flexible version, since Kafka 2.4: see offset_fetch.ts. */
export const FLEXIBLE_VERSION = 9;
/** The first version with topic ids, since Kafka 2.8. */
export const ID_VERSION = 10;
const ID_BYTES = 16;
/** The id that stands for none. */
const NO_ID = "0".repeat(2 * ID_BYTES);
/** The protocol's errors for a topic that does not exist, and for a name that no topic can have. */
const UNKNOWN_TOPICS = [3, 17];

/**
 * Creates the request for the metadata of topics; those that do not exist are missing in the result.
 *
 * See https://kafka.apache.org/protocol#The_Messages_Metadata.
 */
export function metadataRequest(
  topics: readonly string[],
  version: number,
): ProtocolRequest<Response, ClusterMetadata> {
  const hasIds = version >= ID_VERSION;
  return {
    request: {
      apiKey: METADATA,
      apiVersion: version,
      apiName: "Metadata",
      encode() {
        const names = topics.map((topic) => {
          const entry = newEncoder();
          for (let i = 0; hasIds && i < ID_BYTES; i++) entry.writeInt8(0);
          return entry.writeUVarIntString(topic).writeUVarInt(NO_TAGS);
        });
        const request = newEncoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarIntArray(names)
          .writeBoolean(false) // create missing topics
          .writeBoolean(false) // authorised operations of the cluster
          .writeBoolean(false) // and of the topics
          .writeUVarInt(NO_TAGS);
        return Promise.resolve(request);
      },
    },
    response: {
      decode(data) {
        const decoder = newBodyDecoder(data);
        const brokers = decoder.readUVarIntArray(readBroker);
        decoder.readUVarIntString(); // cluster id
        decoder.readInt32(); // controller
        const topics = decoder.readUVarIntArray((topic) => readTopic(topic, hasIds));
        return Promise.resolve({ brokers, topics });
      },
      parse({ brokers, topics }) {
        const known = topics.filter(({ errorCode }) => !UNKNOWN_TOPICS.includes(errorCode));
        for (const { name, errorCode } of known) {
          throwFailure(errorCode, { api: "Metadata", topic: name });
        }
        return Promise.resolve({
          brokers,
          topics: new Map(known.map(({ errorCode: _, ...topic }) => [topic.name, topic])),
        });
      },
    },
  };
}

function readBroker(decoder: Decoder): number {
  const node = decoder.readInt32();
  decoder.readUVarIntString(); // host
  decoder.readInt32(); // port
  decoder.readUVarIntString(); // rack
  decoder.readTaggedFields();
  return node;
}

function readTopic(decoder: Decoder, hasId: boolean): Response["topics"][number] {
  const errorCode = decoder.readInt16();
  const name = decoder.readUVarIntString() ?? "";
  const id = hasId ? decoder.readBytes(ID_BYTES).toString("hex") : NO_ID;
  decoder.readBoolean(); // internal
  const partitions = decoder.readUVarIntArray(readPartition);
  decoder.readInt32(); // authorised operations
  decoder.readTaggedFields();
  return { errorCode, name, id: id === NO_ID ? undefined : id, partitions };
}

function readPartition(decoder: Decoder): PartitionMetadata {
  decoder.readInt16(); // error
  const partitionId = decoder.readInt32();
  const leader = decoder.readInt32();
  decoder.readInt32(); // leader epoch
  const [replicas] = [1, 2, 3].map(() => decoder.readUVarIntArray((node) => node.readInt32()));
  decoder.readTaggedFields();
  return { partitionId, leader, replicas: replicas! };
}
