/**
 * Asking for the ids of topics: a topic that was deleted and created again has its old name and another
 * id.
 *
 * kafkajs knows Metadata up to version 6; ids come with version 10, since Kafka 2.8.
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

/** The topics of a response; ids are in hex. */
type Response = { name: string; id: string; errorCode: number }[];

/** The API key of Metadata. */
const METADATA = 3;
/** The first version with topic ids. */
const VERSION = 10;
const ID_BYTES = 16;
/** The id that stands for none. */
const NO_ID = "0".repeat(2 * ID_BYTES);
/** The protocol's error for a topic that does not exist. */
const UNKNOWN_TOPIC = 3;

/**
 * Creates the request for the ids of topics; those that do not exist are missing in the result.
 *
 * See https://kafka.apache.org/protocol#The_Messages_Metadata. This is a flexible version: see
 * offset_fetch.ts.
 */
export function topicIdsRequest(
  topics: readonly string[],
): ProtocolRequest<Response, Map<string, string>> {
  return {
    request: {
      apiKey: METADATA,
      apiVersion: VERSION,
      apiName: "Metadata",
      encode() {
        const names = topics.map((topic) => {
          const entry = newEncoder();
          for (let i = 0; i < ID_BYTES; i++) entry.writeInt8(0);
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
        decoder.readUVarIntArray(skipBroker);
        decoder.readUVarIntString(); // cluster id
        decoder.readInt32(); // controller
        return Promise.resolve(decoder.readUVarIntArray(readTopic));
      },
      parse(response) {
        const ids = new Map<string, string>();
        for (const { name, id, errorCode } of response) {
          if (errorCode === UNKNOWN_TOPIC) continue;
          throwFailure(errorCode);
          if (id !== NO_ID) ids.set(name, id);
        }
        return Promise.resolve(ids);
      },
    },
  };
}

function skipBroker(decoder: Decoder): void {
  decoder.readInt32(); // node
  decoder.readUVarIntString(); // host
  decoder.readInt32(); // port
  decoder.readUVarIntString(); // rack
  decoder.readTaggedFields();
}

function readTopic(decoder: Decoder): Response[number] {
  const errorCode = decoder.readInt16();
  const name = decoder.readUVarIntString() ?? "";
  const id = decoder.readBytes(ID_BYTES).toString("hex");
  decoder.readBoolean(); // internal
  decoder.readUVarIntArray(skipPartition);
  decoder.readInt32(); // authorised operations
  decoder.readTaggedFields();
  return { name, id, errorCode };
}

function skipPartition(decoder: Decoder): void {
  decoder.readInt16(); // error
  decoder.readInt32(); // partition
  decoder.readInt32(); // leader
  decoder.readInt32(); // leader epoch
  for (let list = 0; list < 3; list++) {
    decoder.readUVarIntArray((replicas) => replicas.readInt32());
  }
  decoder.readTaggedFields();
}
