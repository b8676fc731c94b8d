/**
 * Serving HTTP: where a program listens, whom it answers, and an end that leaves nothing open.
 *
 * A page in a browser may only be reached under a name that the user knows: an attacker's name can be
 * made to lead to this machine (DNS rebinding). So the header Host must be an address, `localhost`, or a
 * name that was allowed.
 *
 * Permissions: `--allow-net` for the address.
 *
 * @module
 */
import { deadline } from "../async.ts";
import type { ListenAddress } from "../listen_address.ts";

/** Answers requests; throws nothing. */
export type Handler = (request: Request) => Response | Promise<Response>;

/** A server that listens. */
export interface HttpServer {
  /** Where it is, such as `http://127.0.0.1:8080`. */
  url: string;
  /** Waits for the requests under way, for a second at most, and closes all connections. */
  close(): Promise<void>;
}

/** How long the requests under way may take at the end, in milliseconds. */
const CLOSE_LIMIT_MS = 1_000;

/** How large the headers of a request may be, in bytes. */
const MAX_HEADER_BYTES = 16_384;

/** What every answer says: nothing may be embedded, guessed, or loaded from elsewhere. */
const SECURITY_HEADERS: Record<string, string> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; " +
    "frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/**
 * Starts to listen.
 *
 * @param options.allowedHosts Names under which it is reached, besides addresses and `localhost`.
 * @throws {Error} When the address cannot be listened at.
 */
export function serveHttp(
  { hostname, port }: ListenAddress,
  handler: Handler,
  { allowedHosts = [], onError }: {
    allowedHosts?: readonly string[];
    /** Takes an error that a handler should have dealt with. */
    onError: (error: unknown) => void;
  },
): HttpServer {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname,
      port,
      onListen: () => {},
      onError(error) {
        onError(error);
        return secured(problem(500, "the program has failed to answer: see its output"));
      },
    }, async (request) => {
      if (!isKnownHost(request.headers.get("host") ?? "", allowedHosts)) {
        return secured(problem(421, "this program is not reached under that name"));
      }
      if (headerBytes(request.headers) > MAX_HEADER_BYTES) {
        return secured(problem(431, `more than ${MAX_HEADER_BYTES} bytes of headers`));
      }
      return secured(await handler(request));
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Error(`listening at ${hostname}:${port}: ${(error as Error).message}`);
  }
  const { addr } = server;
  const host = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  return {
    url: `http://${host}:${addr.port}`,
    async close() {
      await deadline(server.shutdown(), CLOSE_LIMIT_MS).catch(() => {});
    },
  };
}

/** Whether a header Host names an address, this machine, or an allowed name. */
export function isKnownHost(host: string, allowedHosts: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(name) ||
    /^\[[\da-f:.]+\]$/.test(name) || allowedHosts.includes(name);
}

/**
 * Whether a request comes from the page itself, or from no page at all. Browsers say where a request
 * comes from in one header or the other; other programs send neither.
 */
export function isSameOrigin(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return false;
  const origin = headers.get("origin");
  // Only the host: behind a proxy with TLS the scheme differs.
  return origin === null || URL.parse(origin)?.host === headers.get("host");
}

/** An answer that says what is wrong, as RFC 9457 describes it. */
export function problem(
  status: number,
  detail: string,
  more: {
    errors?: { field: string; message: string }[];
    /** The order that it is about. */
    orderId?: string | undefined;
    headers?: Record<string, string>;
  } = {},
): Response {
  const { errors, orderId, headers } = more;
  return new Response(JSON.stringify({ status, detail, errors, order_id: orderId }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

/** An answer in JSON that nobody may keep. */
export function json(
  value: unknown,
  { status = 200, headers }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}

function headerBytes(headers: Headers): number {
  return [...headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
}

function secured(response: Response): Response {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value);
  return response;
}
