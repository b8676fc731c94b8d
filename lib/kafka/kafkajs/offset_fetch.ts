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

interface Response {
  errorCode: number;
  partitions: { offset: bigint; errorCode: number }[];
}

/** A request and the reader of its response, in the form that kafkajs's connections expect. */
export interface OffsetFetchRequest {
  /** The request. */
  request: {
    apiKey: number;
    apiVersion: number;
    apiName: string;
    encode(): Promise<Encoder>;
  };
  /** Reads the response: `decode` the bytes, then `parse` throws its errors. */
  response: {
    decode(data: Uint8Array): Promise<Response>;
    parse(response: Response): Promise<bigint | undefined>;
  };
}

/** The offset that OffsetFetch returns for a partition without a commit. */
export const NO_COMMIT: bigint = -1n;
/** The API key of OffsetFetch. */
const OFFSET_FETCH = 9;
/** The first version with `require_stable`; Kafka 2.5 introduced it. */
const STABLE_VERSION = 7;
/** The number of tagged fields. */
const NO_TAGS = 0;

const require = createRequire(import.meta.url);

/**
 * Creates the request for the committed offset of one partition; the result is `undefined` when there
 * is none.
 *
 * See https://kafka.apache.org/protocol#The_Messages_OffsetFetch. This is a flexible version: the
 * headers of request and response end with tagged fields, too, which kafkajs leaves to the body.
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
