/**
 * A server that gives out tokens for logins with OAUTHBEARER.
 *
 * @module
 */
import { HOST } from "../../dev_broker/config.ts";
import type { Certificate } from "./certificates.ts";

/** A server that gives out tokens which the broker takes without a signature. */
export interface TokenServer extends AsyncDisposable {
  /** Where tokens are given out. */
  url: string;
  /** The requests: the header with the credentials, and the body. */
  requests: string[];
  /** What it answers instead of a token. */
  answer: (() => Response) | undefined;
}

/**
 * Starts a server that gives out tokens.
 *
 * @param options.lifetimeSeconds How long a token is valid.
 * @param options.certificate Its certificate; without one it does not speak TLS.
 */
export function tokenServer(
  { lifetimeSeconds = 3_600, certificate }: {
    lifetimeSeconds?: number;
    certificate?: Certificate;
  } = {},
): TokenServer {
  const requests: string[] = [];
  const serve = async (request: Request) => {
    requests.push(`${request.headers.get("authorization")} ${await request.text()}`);
    return tokens.answer?.() ?? Response.json({
      access_token: unsignedToken(lifetimeSeconds),
      expires_in: lifetimeSeconds,
    });
  };
  const options = { hostname: HOST, port: 0, onListen: () => {} };
  const server = Deno.serve({ ...options, ...certificate }, serve);
  const tokens: TokenServer = {
    url: `http${certificate === undefined ? "" : "s"}://${HOST}:${server.addr.port}/token`,
    requests,
    answer: undefined,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return tokens;
}

/** A token for alice; it has expired when the lifetime is negative. */
export function unsignedToken(lifetimeSeconds: number): string {
  const encoded = (value: object) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const now = Date.now() / 1_000;
  const claims = { sub: "alice", iat: now - 3_600, exp: now + lifetimeSeconds };
  return `${encoded({ alg: "none" })}.${encoded(claims)}.`;
}
