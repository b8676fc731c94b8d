/**
 * The requests of a connection: those that wait because the broker throttles, and those under way.
 *
 * @module
 */

/** What the method needs of kafkajs's `RequestQueue`. */
export interface RequestQueue {
  /** Until when the broker wants no requests, in milliseconds since the epoch. */
  throttledUntil: number;
  /** The timer that is set, if any. */
  throttleCheckTimeoutId: unknown;
  /** The requests that wait. */
  pending: unknown[];
  /** The requests that were sent and have no answer yet, by their correlation ids. */
  inflight: Map<number, { entry: { apiName: string }; rejected(error: Error): void }>;
  /** Where the queue leads. */
  broker: string;
  /** Sends what may be sent, and calls {@linkcode scheduleCheckPendingRequests}. */
  checkPendingRequests(): void;
}

/** When requests wait for others in flight, whose answers also look after them. */
const CHECK_INTERVAL_MS = 10;

/**
 * Looks again after the requests that wait, once the broker wants them.
 *
 * The original sets a timer even if none waits, which then sets itself again: one per millisecond
 * and connection, even after the disconnection (issue 1556). Unless throttled its delay is
 * negative, the time since 1970, of which Node and Deno warn (issue 1751).
 */
export function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
  const throttledMs = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, throttledMs > 0 ? throttledMs : CHECK_INTERVAL_MS);
}

/** `waitForPendingRequests` of kafkajs's `RequestQueue`. */
export type WaitForRequests = (this: RequestQueue) => Promise<void>;

/**
 * Waits before a connection is closed until the requests under way are answered, except for fetches:
 * an answer that nobody will read is not worth the time that a broker may take for it.
 */
export function waitingForAllButFetches(
  original: WaitForRequests,
  { KafkaJSConnectionClosedError }: {
    KafkaJSConnectionClosedError: new (text: string, at: object) => Error;
  },
): WaitForRequests {
  return function () {
    for (const [correlationId, request] of this.inflight) {
      if (request.entry.apiName !== "Fetch") continue;
      this.inflight.delete(correlationId);
      const [host, port] = this.broker.split(":");
      request.rejected(new KafkaJSConnectionClosedError("Closed connection", { host, port }));
    }
    return original.call(this);
  };
}
