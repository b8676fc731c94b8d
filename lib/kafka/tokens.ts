/**
 * Logins with a token (SASL OAUTHBEARER, RFC 7628), which a server gives out for the credentials of the
 * client (RFC 6749, section 4.4).
 *
 * A token is renewed before it ends. While the server fails, the last one is used until its end.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Mechanism } from "kafkajs";
import type { Login } from "../security_config.ts";
import { KafkaJSProtocolError } from "./kafkajs/mod.ts";

/** How long the server may take, in milliseconds. */
const LIMIT_MS = 10_000;
/** A token is used for this share of its time; Java's clients do the same. */
const USED_SHARE = 0.8;
/** How long a token is valid when the server does not say it, in seconds. */
const DEFAULT_SECONDS = 300;

/** There is no token, or it was refused; the message is for the user. */
export class TokenError extends Error {
  /** Its name in messages and logs. */
  override name = "TokenError";
  /** Whether another attempt can help; kafkajs reads it, too. */
  readonly retriable: boolean;

  /** `isFinal`: no other attempt can help. */
  constructor(message: string, { isFinal }: { isFinal: boolean }) {
    super(message);
    this.retriable = !isFinal;
  }
}

type TokenLogin = Login & { mechanism: "oauthbearer" };

interface Token {
  value: string;
  /** When to request another one, and when it ends, in milliseconds since the epoch. */
  renewAtMs: number;
  endsAtMs: number;
  /** Whether a broker has accepted it. */
  isProven: boolean;
}

/** The many clients of a program share their tokens. */
const mechanisms = new WeakMap<TokenLogin, Mechanism>();

/** How kafkajs logs in with tokens. */
export function tokenMechanism(login: TokenLogin): Mechanism {
  return mechanisms.getOrInsertComputed(login, () => {
    const source = tokenSource(login);
    return {
      mechanism: login.mechanism,
      authenticationProvider: ({ host, port, saslAuthenticate }) => ({
        async authenticate() {
          const token = await source.next();
          if (await accepts(saslAuthenticate, token.value)) {
            token.isProven = true;
            return;
          }
          source.drop(token);
          throw new TokenError(
            `the token was refused by ${host}:${port} (OAUTHBEARER): see what the broker expects of ` +
              "the issuer, the audience, the scope and the time of a token",
            { isFinal: !token.isProven },
          );
        },
      }),
    };
  });
}

type SaslAuthenticate = Parameters<Mechanism["authenticationProvider"]>[0]["saslAuthenticate"];

/**
 * Whether the broker accepts a token. (kafkajs's own login takes the answer to a refused one, which is a
 * challenge, for success.) What the broker says of it is dropped: it may hold parts of the token.
 */
async function accepts(saslAuthenticate: SaslAuthenticate, token: string): Promise<boolean> {
  const message = Buffer.from(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);
  try {
    const challenge = await saslAuthenticate({
      request: { encode: () => withSize(message) },
      response: { decode: withoutSize, parse: (bytes: Buffer) => bytes },
    });
    return challenge?.length === 0;
  } catch (error) {
    if (error instanceof KafkaJSProtocolError) return false;
    throw error;
  }
}

/** kafkajs's requests and responses of a login begin with their size. */
function withSize(message: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(message.length);
  return Buffer.concat([size, message]);
}

function withoutSize(message: Buffer): Buffer {
  return message.subarray(4);
}

/** Where tokens come from. */
interface TokenSource {
  /** A valid token. */
  next(): Promise<Token>;
  /** A token that is not used again. */
  drop(token: Token): void;
}

function tokenSource(login: TokenLogin): TokenSource {
  let token: Token | undefined;
  let requested: Promise<Token> | undefined;
  return {
    async next() {
      if (token !== undefined && Date.now() < token.renewAtMs) return token;
      requested ??= requestToken(login).finally(() => requested = undefined);
      try {
        return token = await requested;
      } catch (error) {
        const isOver = token === undefined || Date.now() >= token.endsAtMs;
        if (isOver || !(error as TokenError).retriable) throw error;
        return token!;
      }
    },
    drop(dropped) {
      if (token === dropped) token = undefined;
    },
  };
}

async function requestToken(
  { tokenEndpoint, clientId, clientSecret, scope }: TokenLogin,
): Promise<Token> {
  const { origin, pathname } = new URL(tokenEndpoint);
  const server = origin + pathname;
  const requestedAtMs = Date.now();
  const response = await answerOf(server, () =>
    fetch(tokenEndpoint, {
      method: "POST",
      headers: {
        authorization: `Basic ${btoa([clientId, clientSecret].map(encodeURIComponent).join(":"))}`,
        accept: "application/json",
      },
      body: new URLSearchParams({ grant_type: "client_credentials", ...(scope && { scope }) }),
      signal: AbortSignal.timeout(LIMIT_MS),
    }));
  const text = await answerOf(server, () => response.text());
  const answer = objectOf(text);
  if (!response.ok) {
    const { error } = answer ?? {};
    const reason = typeof error === "string" && /^[a-z_]{1,50}$/.test(error) ? ` (${error})` : "";
    throw isPassing(response.status)
      ? new TokenError(`${server} gives no token: HTTP ${response.status}`, { isFinal: false })
      : new TokenError(
        `${server} refuses a token: HTTP ${response.status}${reason}; see ` +
          "sasl.oauthbearer.token.endpoint.url, and clientId, clientSecret and scope in " +
          "sasl.jaas.config",
        { isFinal: true },
      );
  }
  const { access_token: value, expires_in } = answer ?? {};
  if (typeof value !== "string") {
    const problem = answer === undefined
      ? "its answer is not JSON"
      : "no access_token in its answer";
    throw new TokenError(
      `${server} gives no token: ${problem}; see sasl.oauthbearer.token.endpoint.url`,
      { isFinal: true },
    );
  }
  const lifetimeMs = 1_000 * (Number(expires_in) > 0 ? Number(expires_in) : DEFAULT_SECONDS);
  return {
    value,
    renewAtMs: requestedAtMs + lifetimeMs * USED_SHARE,
    endsAtMs: requestedAtMs + lifetimeMs,
    isProven: false,
  };
}

/** Whether a server that answers with this status may give a token later. */
function isPassing(status: number): boolean {
  return status >= 500 || [408, 425, 429].includes(status);
}

function objectOf(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}

/** What a step of a request gives. `fetch` reports the network as a fault of the program. */
async function answerOf<T>(server: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw requestError(server, error as Error & { cause?: Error });
  }
}

/** What the end of a message of `fetch` means: a mistake that stays, or a network that may come back. */
const PROBLEMS: [pattern: RegExp, meaning: string, isFinal: boolean][] = [
  [
    /peer certificate: UnknownIssuer/,
    "its certificate is signed by an authority that is not trusted: DENO_CERT names another one",
    true,
  ],
  [/peer certificate: Expired/, "its certificate has expired", true],
  [/peer certificate: certificate not valid for/, "its certificate is for another host", true],
  [/peer certificate/, "its certificate is not valid", true],
  [/InvalidContentType/, "it does not speak TLS: see sasl.oauthbearer.token.endpoint.url", true],
  [/are blocked$/, "clients may not connect to this port", true],
  [/Connection refused/, "connection refused", false],
  [/dns error/, "the name cannot be resolved", false],
  [/connection closed|handshake eof|reset/, "connection closed", false],
];

function requestError(server: string, { name, message, cause }: Error & { cause?: Error }) {
  const text = cause?.message ?? message;
  const [, meaning, isFinal = false] = name === "TimeoutError"
    ? [, `no answer within ${LIMIT_MS / 1_000} s`]
    : PROBLEMS.find(([pattern]) => pattern.test(text)) ?? [];
  const reason = meaning === undefined ? "" : `: ${meaning}`;
  return new TokenError(`${server}, which gives out tokens, cannot be used${reason}`, { isFinal });
}
