/**
 * Which logins a broker offers. One that wants a login closes the connection on a client without one,
 * as a broker does that stops; but it answers the first request of a login.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { clusterOf } from "./admin_cluster.ts";
import {
  type Decoder,
  newDecoder,
  newEncoder,
  type ProtocolRequest,
  throwFailure,
} from "./protocol.ts";

const UNSUPPORTED_SASL_MECHANISM = 33;

interface Handshake {
  errorCode: number;
  mechanisms: string[];
}

/**
 * The mechanisms of the broker to which the client is connected without a login.
 *
 * @throws kafkajs's error ILLEGAL_SASL_STATE when the broker wants no login.
 */
export async function offeredLogins(admin: Admin): Promise<string[]> {
  const broker = await clusterOf(admin).brokerPool.findConnectedBroker();
  return await broker.connectionPool.send(handshake);
}

/** See https://kafka.apache.org/protocol#The_Messages_SaslHandshake. */
const handshake: ProtocolRequest<Handshake, string[]> = {
  request: {
    apiKey: 17,
    apiVersion: 1,
    apiName: "SaslHandshake",
    encode: () => Promise.resolve(newEncoder().writeString("none")),
  },
  response: {
    decode(data) {
      const decoder = newDecoder(data);
      const errorCode = decoder.readInt16();
      const mechanisms = decoder.readArray((each: Decoder) => each.readString() ?? "");
      return Promise.resolve({ errorCode, mechanisms });
    },
    parse({ errorCode, mechanisms }) {
      if (errorCode !== UNSUPPORTED_SASL_MECHANISM) throwFailure(errorCode);
      return Promise.resolve(mechanisms);
    },
  },
};
