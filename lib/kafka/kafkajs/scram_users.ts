/**
 * Passwords of users for logins with SCRAM-SHA-512, which kafkajs cannot set.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { pbkdf2Sync, randomBytes } from "node:crypto";
import type { Admin } from "kafkajs";
import { clusterOf } from "./admin_cluster.ts";
import {
  type Decoder,
  newBodyDecoder,
  newEncoder,
  NO_TAGS,
  type ProtocolRequest,
  throwFailure,
} from "./protocol.ts";

/** The API key of AlterUserScramCredentials. */
const ALTER_USER_SCRAM_CREDENTIALS = 51;
/** The number that stands for SCRAM-SHA-512. */
const SCRAM_SHA_512 = 2;
/** As many as Kafka's own tools take for random passwords; 4,096 is the least. */
const ITERATIONS = 4_096;
const SALT_BYTES = 32;
const KEY_BYTES = 64;

/** A user and a password in printable ASCII, which SCRAM takes as it is. */
export interface ScramUser {
  name: string;
  password: string;
}

/**
 * Sets the passwords of users, who need not exist. The passwords themselves are not sent.
 *
 * @throws kafkajs's error when the right Alter on the cluster is missing.
 */
export async function setScramPasswords(admin: Admin, users: readonly ScramUser[]): Promise<void> {
  const broker = await clusterOf(admin).brokerPool.findConnectedBroker();
  await broker.connectionPool.send(passwordRequest(users));
}

/** See https://kafka.apache.org/protocol#The_Messages_AlterUserScramCredentials, and RFC 5802. */
function passwordRequest(users: readonly ScramUser[]): ProtocolRequest<number[], void> {
  return {
    request: {
      apiKey: ALTER_USER_SCRAM_CREDENTIALS,
      apiVersion: 0,
      apiName: "AlterUserScramCredentials",
      encode() {
        const changes = users.map(({ name, password }) => {
          const salt = randomBytes(SALT_BYTES);
          const salted = pbkdf2Sync(Buffer.from(password), salt, ITERATIONS, KEY_BYTES, "sha512");
          return newEncoder()
            .writeUVarIntString(name)
            .writeInt8(SCRAM_SHA_512)
            .writeInt32(ITERATIONS)
            .writeUVarIntBytes(salt)
            .writeUVarIntBytes(salted)
            .writeUVarInt(NO_TAGS);
        });
        const request = newEncoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarIntArray([]) // deletions
          .writeUVarIntArray(changes)
          .writeUVarInt(NO_TAGS);
        return Promise.resolve(request);
      },
    },
    response: {
      decode: (data) => Promise.resolve(newBodyDecoder(data).readUVarIntArray(readResult)),
      parse(codes) {
        for (const code of codes) throwFailure(code, { api: "AlterUserScramCredentials" });
        return Promise.resolve();
      },
    },
  };
}

function readResult(decoder: Decoder): number {
  decoder.readUVarIntString(); // user
  const code = decoder.readInt16();
  decoder.readUVarIntString(); // message
  decoder.readTaggedFields();
  return code;
}
