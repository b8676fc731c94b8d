/**
 * Asking a group's coordinator for a committed offset that nothing decided before can still change.
 *
 * kafkajs speaks OffsetFetch up to version 4, whose answer is what the coordinator *knows* to be on
 * all in-sync replicas. A broker that has just become coordinator learns that a moment later: for some
 * hundred milliseconds after a failover it answers with an older offset, or with none, though the
 * newer one was acknowledged (a test shows it). Whoever starts from there processes records twice.
 * Since version 7 the request can say `require_stable`: then the answer waits (KIP-447; Kafka's own
 * consumers say so when they read committed records only).
 *
 * @module
 */
import { createRequire } from "node:module";

/** kafkajs's encoder, as far as it is used here. */
interface Encoder {
  writeInt32(value: number): this;
  writeBoolean(value: boolean): this;
  writeUVarInt(value: number): this;
  writeUVarIntString(value: string): this;
  writeUVarIntArray(items: Encoder[]): this;
}

/** kafkajs's decoder, as far as it is used here. */
interface Decoder {
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[];
  readTaggedFields(): void;
}

interface ProtocolErrors {
  failure(code: number): boolean;
  createErrorFromCode(code: number): Error;
}

/** What a response says. */
interface Response {
  errorCode: number;
  partitions: { offset: bigint; errorCode: number }[];
}

/** A request and how its response is read, as kafkajs's connections take it. */
export interface OffsetFetchRequest {
  /** What is sent. */
  request: {
    apiKey: number;
    apiVersion: number;
    apiName: string;
    encode(): Promise<Encoder>;
  };
  /** What comes back. */
  response: {
    decode(data: Uint8Array): Promise<Response>;
    parse(response: Response): Promise<bigint | undefined>;
  };
}

/** What OffsetFetch says for a partition without a commit. */
export const NO_COMMIT: bigint = -1n;
/** The number of OffsetFetch in Kafka's protocol. */
const OFFSET_FETCH = 9;
/** The first version with `require_stable`, of Kafka 2.5. */
const STABLE_VERSION = 7;
/** Tagged fields: none. */
const NO_TAGS = 0;

const require = createRequire(import.meta.url);

/**
 * The request for the committed offset of one partition; `undefined` when there is none.
 *
 * https://kafka.apache.org/protocol#The_Messages_OffsetFetch; in flexible versions, as this is one,
 * the header ends with tagged fields too, on both ways, and kafkajs leaves that to the body.
 */
export function stableOffsetFetch(
  { group, topic, partition }: { group: string; topic: string; partition: number },
): OffsetFetchRequest {
  const EncoderClass = require("kafkajs/src/protocol/encoder") as new () => Encoder;
  const DecoderClass = require("kafkajs/src/protocol/decoder") as new (data: Uint8Array) => Decoder;
  const errors = require("kafkajs/src/protocol/error") as ProtocolErrors;
  return {
    request: {
      apiKey: OFFSET_FETCH,
      apiVersion: STABLE_VERSION,
      apiName: "OffsetFetch",
      encode() {
        const ofTopic = new EncoderClass()
          .writeUVarIntString(topic)
          .writeUVarIntArray([new EncoderClass().writeInt32(partition)])
          .writeUVarInt(NO_TAGS);
        const request = new EncoderClass()
          .writeUVarInt(NO_TAGS)
          .writeUVarIntString(group)
          .writeUVarIntArray([ofTopic])
          .writeBoolean(true)
          .writeUVarInt(NO_TAGS);
        return Promise.resolve(request);
      },
    },
    response: {
      decode(data) {
        const decoder = new DecoderClass(data);
        decoder.readTaggedFields();
        decoder.readInt32(); // throttle time
        const partitions = decoder.readUVarIntArray(readTopic).flat();
        return Promise.resolve({ errorCode: decoder.readInt16(), partitions });
      },
      parse({ errorCode, partitions: [answer] }) {
        for (const code of [errorCode, answer?.errorCode ?? 0]) {
          if (errors.failure(code)) throw errors.createErrorFromCode(code);
        }
        const { offset } = answer!;
        return Promise.resolve(offset === NO_COMMIT ? undefined : offset);
      },
    },
  };
}

function readTopic(decoder: Decoder): Response["partitions"] {
  decoder.readUVarIntString(); // name
  const partitions = decoder.readUVarIntArray(readPartition);
  decoder.readTaggedFields();
  return partitions;
}

function readPartition(decoder: Decoder): Response["partitions"][number] {
  decoder.readInt32(); // partition
  const offset = BigInt(decoder.readInt64().toString());
  decoder.readInt32(); // leader epoch
  decoder.readUVarIntString(); // metadata
  const errorCode = decoder.readInt16();
  decoder.readTaggedFields();
  return { offset, errorCode };
}
