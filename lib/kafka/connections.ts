/**
 * What kafkajs needs to know of TLS and logins.
 *
 * @module
 */
import { createRequire } from "node:module";
import { createConnection, isIP } from "node:net";
import type {
  ISocketFactory,
  KafkaConfig,
  OauthbearerProviderResponse,
  SASLOptions,
} from "kafkajs";
import type { Login, Security, Tls } from "../security_config.ts";

/** The silence after which a connection is probed, in milliseconds; the same as in kafkajs. */
const KEEP_ALIVE_MS = 60_000;
/** How long the other side may take to check a login, in milliseconds. */
const LOGIN_LIMIT_MS = 10_000;
/** How long a server that gives out tokens may take, in milliseconds. */
const TOKEN_LIMIT_MS = 10_000;
/** A token is used for this share of its time. */
const TOKEN_SHARE = 0.8;

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
  if (login.mechanism !== "oauthbearer") return login as SASLOptions;
  return { mechanism: "oauthbearer", oauthBearerProvider: tokenProvider(login) };
}

/** Returns a function that gives a valid token, from the server when the last one is about to expire. */
export function tokenProvider(
  { tokenEndpoint, clientId, clientSecret, scope }: Login & { mechanism: "oauthbearer" },
): () => Promise<OauthbearerProviderResponse> {
  let token: Promise<string> | undefined;
  let validUntilMs = 0;
  const request = async () => {
    const body = new URLSearchParams({ grant_type: "client_credentials", ...(scope && { scope }) });
    const credentials = [clientId, clientSecret].map(encodeURIComponent).join(":");
    const response = await fetch(tokenEndpoint, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(credentials)}` },
      body,
      signal: AbortSignal.timeout(TOKEN_LIMIT_MS),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`${tokenEndpoint} refuses a token: HTTP ${response.status}`);
    }
    const { access_token, expires_in = 300 } = await response.json();
    if (typeof access_token !== "string") throw new Error(`${tokenEndpoint} gives no access_token`);
    validUntilMs = Date.now() + expires_in * 1_000 * TOKEN_SHARE;
    return access_token;
  };
  return async () => {
    if (token === undefined || Date.now() >= validUntilMs) {
      validUntilMs = Infinity;
      token = request();
      token.catch(() => token = undefined);
    }
    return { value: await token };
  };
}
