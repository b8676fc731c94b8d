/**
 * The requests and responses on a connection to a broker, for a network that loses or holds some of them.
 *
 * Each message begins with its length. A request goes on with the key of its API, its version and its
 * correlation id, a response with the correlation id of its request
 * (https://kafka.apache.org/protocol#protocol_messages).
 *
 * @module
 */

/** The keys of some APIs (https://kafka.apache.org/protocol#protocol_api_keys). */
export const API = {
  Produce: 0,
  FindCoordinator: 10,
  Heartbeat: 12,
  InitProducerId: 22,
  EndTxn: 26,
  TxnOffsetCommit: 28,
} as const;

/** A message, as its first bytes show it. */
export interface Message {
  kind: "request" | "response";
  /** The key of its API; `undefined` for a response to a request that was not seen. */
  api: number | undefined;
}

/**
 * What happens to a message: it passes, it disappears while its connection stays, or the connection is
 * cut instead.
 */
export type Verdict = "pass" | "drop" | "cut";

/** Takes bytes as they come and writes those that pass. Rejects when the connection is to be cut. */
type Filter = (bytes: Uint8Array, write: (bytes: Uint8Array) => Promise<void>) => Promise<void>;

/** Both directions of a connection. */
export interface Exchange {
  requests: Filter;
  responses: Filter;
}

/** The length, the API key, the version and the correlation id; the length and the correlation id. */
const REQUEST_HEAD_BYTES = 12;
const RESPONSE_HEAD_BYTES = 8;
/** What says that it is longer is not a message of Kafka but TLS (`socket.request.max.bytes`). */
const MAX_MESSAGE_BYTES = 104_857_600;

/**
 * The messages of one connection.
 *
 * @param judge Called at the beginning of each message; what follows it waits for the verdict.
 */
export function exchange(judge: (message: Message) => Verdict | Promise<Verdict>): Exchange {
  const apis = new Map<number, number>();
  return {
    requests: filter(REQUEST_HEAD_BYTES, (head) => {
      const api = head.getInt16(4);
      apis.set(head.getInt32(8), api);
      return judge({ kind: "request", api });
    }),
    responses: filter(RESPONSE_HEAD_BYTES, (head) => {
      const id = head.getInt32(4);
      const api = apis.get(id);
      apis.delete(id);
      return judge({ kind: "response", api });
    }),
  };
}

function filter(
  headBytes: number,
  judge: (head: DataView) => Verdict | Promise<Verdict>,
): Filter {
  /** The beginning of a head that is not complete. */
  let pending = new Uint8Array(0);
  /** What is left of the message that has begun, in bytes. */
  let left = 0;
  let passes = true;
  return async (chunk, write) => {
    const bytes = pending.length === 0 ? chunk : concat(pending, chunk);
    let at = 0;
    /** From here on nothing is written yet. */
    let from = 0;
    while (at < bytes.length) {
      if (left === 0) {
        if (bytes.length - at < headBytes) break;
        const head = new DataView(bytes.buffer, bytes.byteOffset + at, headBytes);
        left = 4 + head.getInt32(0);
        if (left < headBytes || left > MAX_MESSAGE_BYTES) {
          left = Infinity;
          continue;
        }
        const judged = judge(head);
        if (judged !== "pass" || !passes) {
          if (passes && from < at) await write(bytes.subarray(from, at));
          from = at;
          const verdict = await judged;
          if (verdict === "cut") throw new Error("the connection is cut");
          passes = verdict === "pass";
        }
      }
      const taken = Math.min(left, bytes.length - at);
      at += taken;
      left -= taken;
      if (!passes) from = at;
    }
    if (from < at) await write(bytes.subarray(from, at));
    pending = bytes.slice(at);
  };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
