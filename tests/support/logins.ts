/**
 * Logins as a proxy sees them on a listener without TLS.
 *
 * @module
 */
import type { ProxyWatcher } from "./proxy.ts";

const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;
const MAX_HEADER_BYTES = 512;

/** What a client has done on one connection. */
interface Connection {
  /** What is left of the current request, in bytes. */
  leftBytes: number;
  /** The beginning of the next request. */
  head: Uint8Array;
  /** The program, by its client id. */
  program: string;
  logins: number;
  /** Whether the last request was a handshake. */
  isHandshaken: boolean;
}

/** Counts logins, and what goes wrong with them. */
export class Logins implements ProxyWatcher {
  /** The connections that the broker has ended, by program. */
  readonly ended: string[] = [];
  /** Requests in the middle of a login, which brokers do not permit, by program. */
  readonly misplaced: string[] = [];
  #connections = new Map<number, Connection>();

  /** How often a program has logged in again on a connection; the most that it did on one of them. */
  repeated(program: string): number {
    const logins = [...this.#connections.values()]
      .filter((connection) => connection.program === program)
      .map((connection) => connection.logins);
    return Math.max(0, ...logins) - 1;
  }

  sent(number: number, bytes: Uint8Array): void {
    const connection = this.#connections.getOrInsertComputed(number, () => ({
      leftBytes: 0,
      head: new Uint8Array(),
      program: "",
      logins: 0,
      isHandshaken: false,
    }));
    for (let rest = bytes; rest.length > 0;) {
      if (connection.leftBytes > 0) {
        const skipped = Math.min(connection.leftBytes, rest.length);
        connection.leftBytes -= skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      const all = new Uint8Array([...connection.head, ...rest.subarray(0, MAX_HEADER_BYTES)]);
      const request = requestAt(all);
      if (request === undefined) {
        connection.head = all;
        return;
      }
      this.#note(connection, request);
      rest = rest.subarray(request.headBytes - connection.head.length);
      connection.leftBytes = request.bytes - request.headBytes;
      connection.head = new Uint8Array();
    }
  }

  endedByBroker(number: number): void {
    this.ended.push(this.#connections.get(number)?.program ?? "a connection without requests");
  }

  #note(connection: Connection, { api, clientId }: { api: number; clientId: string }): void {
    connection.program = clientId.split("@")[0]!;
    if (connection.isHandshaken && api !== SASL_AUTHENTICATE) {
      this.misplaced.push(`${connection.program}: request ${api}`);
    }
    connection.isHandshaken = api === SASL_HANDSHAKE;
    if (connection.isHandshaken) connection.logins++;
  }
}

/** The header of the request that begins the bytes; `undefined` when they end before it does. */
function requestAt(
  bytes: Uint8Array,
): { api: number; clientId: string; headBytes: number; bytes: number } | undefined {
  // int32 size, int16 API, int16 version, int32 correlation id, string client id.
  if (bytes.length < 14) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headBytes = 14 + view.getInt16(12);
  if (bytes.length < headBytes) return undefined;
  return {
    api: view.getInt16(4),
    clientId: new TextDecoder().decode(bytes.subarray(14, headBytes)),
    headBytes,
    bytes: 4 + view.getInt32(0),
  };
}
