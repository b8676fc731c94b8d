/**
 * What kafkajs needs to know of TLS and logins.
 *
 * @module
 */
import { createRequire } from "node:module";
import { createConnection, isIP } from "node:net";
import type { ISocketFactory, KafkaConfig, SASLOptions } from "kafkajs";
import type { Login, Security, Tls } from "../security_config.ts";
import { tokenMechanism } from "./tokens.ts";

/** The silence after which a connection is probed, in milliseconds; the same as in kafkajs. */
const KEEP_ALIVE_MS = 60_000;
/** How long the other side may take to check a login, in milliseconds. */
const LOGIN_LIMIT_MS = 10_000;

/** The settings of kafkajs for secured brokers, and for others. */
export function connectionConfig(
  { tls, login }: Security = {},
): Pick<KafkaConfig, "ssl" | "sasl" | "authenticationTimeout" | "socketFactory"> {
  return {
    socketFactory: tls === undefined ? plainSocket : tlsSocket(tls),
    authenticationTimeout: LOGIN_LIMIT_MS,
    ...(tls !== undefined && { ssl: true }),
    ...(login !== undefined && { sasl: saslOf(login) }),
  };
}

/** A connection without TLS: kafkajs's own function loads what TLS needs in any case. */
const plainSocket: ISocketFactory = ({ host, port, onConnect }) =>
  createConnection({ host, port }, onConnect).setKeepAlive(true, KEEP_ALIVE_MS);

function tlsSocket({ verifiesHost, ...pem }: Tls): ISocketFactory {
  // Loaded by those only who need it: it takes as long as connecting does.
  const { connect } = createRequire(import.meta.url)("node:tls") as typeof import("node:tls");
  return ({ host, port, onConnect }) => {
    const socket = connect({
      ...pem,
      host,
      port,
      servername: isIP(host) === 0 ? host : "",
      ...(!verifiesHost && { checkServerIdentity: () => undefined }),
    }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return socket;
  };
}

function saslOf(login: Login): NonNullable<KafkaConfig["sasl"]> {
  return login.mechanism === "oauthbearer" ? tokenMechanism(login) : login as SASLOptions;
}
