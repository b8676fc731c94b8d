/**
 * Fetching a group's committed offset that no earlier commit can still change.
 *
 * kafkajs knows OffsetFetch up to version 4. Its answer is what the coordinator *knows* to be on all
 * in-sync replicas, and a new coordinator learns that a moment late: for some hundred milliseconds
 * after a failover it answers with an older offset, or with none, though the newer one was
 * acknowledged (a test shows it). A consumer that starts from there processes records twice. With
 * `require_stable`, since version 7, the broker answers only when the offset is stable (KIP-447;
 * Kafka's own consumers use it with `read_committed`).
 *
 * @module
 */
import {
  type Decoder,
  type Encoder,
  newBodyDecoder,
  newEncoder,
  NO_TAGS,
  type ProtocolRequest,
  throwFailure,
} from "./protocol.ts";

/** The answer for a partition. */
export interface StableOffset {
  partition: number;
  /** {@linkcode NO_COMMIT} when there is none. */
  offset: bigint;
  metadata: string;
  errorCode: number;
}

interface Response {
  errorCode: number;
  partitions: StableOffset[];
}

/** The offset that OffsetFetch returns for a partition without a commit. */
export const NO_COMMIT: bigint = -1n;
/** The API key of OffsetFetch. */
export const OFFSET_FETCH = 9;
/** The first version with `require_stable`; Kafka 2.5 introduced it. */
const STABLE_VERSION = 7;

/**
 * Creates the request for committed offsets; the error of a partition is left in its answer.
 *
 * See https://kafka.apache.org/protocol#The_Messages_OffsetFetch. This is a flexible version: the
 * headers of request and response end with tagged fields, too, which kafkajs leaves to the body.
 */
export function stableOffsetFetch(
  { group, topic, partitions }: { group: string; topic: string; partitions: readonly number[] },
): ProtocolRequest<Response, StableOffset[]> {
  return {
    request: {
      apiKey: OFFSET_FETCH,
      apiVersion: STABLE_VERSION,
      apiName: "OffsetFetch",
      encode() {
        const request = newEncoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarIntString(group)
          .writeUVarIntArray([topicEntry(topic, partitions)])
          .writeBoolean(true)
          .writeUVarInt(NO_TAGS);
        return Promise.resolve(request);
      },
    },
    response: {
      decode(data) {
        const decoder = newBodyDecoder(data);
        const partitions = decoder.readUVarIntArray(readTopic).flat();
        return Promise.resolve({ errorCode: decoder.readInt16(), partitions });
      },
      parse({ errorCode, partitions }) {
        throwFailure(errorCode, { api: "OffsetFetch", group });
        return Promise.resolve(partitions);
      },
    },
  };
}

/** A topic of the request, with the partitions whose offsets are asked for. */
export function topicEntry(topic: string, partitions: readonly number[]): Encoder {
  return newEncoder()
    .writeUVarIntString(topic)
    .writeUVarIntArray(partitions.map((partition) => newEncoder().writeInt32(partition)))
    .writeUVarInt(NO_TAGS);
}

function readTopic(decoder: Decoder): StableOffset[] {
  decoder.readUVarIntString(); // name
  const partitions = decoder.readUVarIntArray(readPartition);
  decoder.readTaggedFields();
  return partitions;
}

function readPartition(decoder: Decoder): StableOffset {
  const partition = decoder.readInt32();
  const offset = BigInt(decoder.readInt64().toString());
  decoder.readInt32(); // leader epoch
  const metadata = decoder.readUVarIntString() ?? "";
  const errorCode = decoder.readInt16();
  decoder.readTaggedFields();
  return { partition, offset, metadata, errorCode };
}
