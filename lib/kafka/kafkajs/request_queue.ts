/**
 * The requests of a connection: those not yet sent, and those without an answer.
 *
 * @module
 */

/** kafkajs's `RequestQueue`, as far as it is used here. */
interface RequestQueue {
  /** When the broker accepts requests again, in milliseconds since the epoch. */
  throttledUntil: number;
  /** The current timer, if any. */
  throttleCheckTimeoutId: unknown;
  /** The requests that are not sent yet. */
  pending: unknown[];
  /** The requests that were sent and not answered yet, by correlation id. */
  inflight: Map<number, { entry: { apiName: string }; rejected(error: Error): void }>;
  /** `host:port`. */
  broker: string;
  /** Sends what may be sent, then calls {@linkcode scheduleCheckPendingRequests}. */
  checkPendingRequests(): void;
}

/** The interval without throttling. The answer to a request in flight also starts a check. */
const CHECK_INTERVAL_MS = 10;

/**
 * Schedules a check of the pending requests for the end of the throttling.
 *
 * The original sets a timer even if no request is pending, and the timer sets itself again: one per
 * millisecond and connection, even after disconnecting (issue 1556). Its delay is the negative time
 * since 1970 unless the broker throttles, which Node and Deno warn about (issue 1751).
 */
export function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
  const throttledMs = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, throttledMs > 0 ? throttledMs : CHECK_INTERVAL_MS);
}

/** The type of `RequestQueue.waitForPendingRequests`. */
export type WaitForRequests = (this: RequestQueue) => Promise<void>;

/**
 * Waits, before a connection is closed, for the answers to all requests except fetches: nobody will
 * read those, and the broker may delay them.
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
