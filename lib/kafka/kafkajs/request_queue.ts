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
  inflight: Map<number, InflightRequest>;
  /** `host:port`. */
  broker: string;
  /** Sends what may be sent, then calls {@linkcode scheduleCheckPendingRequests}. */
  checkPendingRequests(): void;
  /** Whether requests have a time limit. */
  enforceRequestTimeout: boolean;
  /** The usual limit, in milliseconds. */
  requestTimeout: number;
  requestTimeoutIntervalId: unknown;
  isConnected(): boolean;
  /** Clears all timers. */
  destroy(): void;
  /** How much the connection has received, in bytes; see {@linkcode countingReceived}. */
  receivedBytes?(): number;
  /** The newest request that was answered, by its correlation id; see {@linkcode notingAnswers}. */
  answeredId?: number;
}

/** kafkajs's `SocketRequest`, as far as it is used here. */
interface InflightRequest {
  entry: { apiName: string };
  /** When it was sent, in milliseconds since the epoch. */
  sentAt: number;
  /** Its limit, in milliseconds. */
  requestTimeout: number;
  /** Ends it with an error. */
  timeoutRequest(): void;
  rejected(error: Error): void;
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

/** How often the time limits of requests are checked, in milliseconds. */
const TIMEOUT_CHECK_MS = 100;
/** The program was suspended when a check is later than this, in milliseconds. */
const SUSPENDED_MS = 1_500;

/**
 * Checks the time limits of the requests in flight until the connection ends.
 *
 * In the original all of them have expired when a program that was suspended resumes, because timers
 * fire before sockets are read; and a large response over a slow link expires while it arrives. Here
 * the time of a request begins again with everything that the connection receives, since brokers answer
 * in order, and after a suspension. A request whose successor has been answered has lost its response:
 * its time goes on.
 */
export function scheduleRequestTimeoutCheck(this: RequestQueue): void {
  if (!this.enforceRequestTimeout) return;
  this.destroy();
  let checkedMs = Date.now();
  let receivedBytes = 0;
  this.requestTimeoutIntervalId = setInterval(() => {
    const nowMs = Date.now();
    const received = this.receivedBytes?.() ?? 0;
    const isQuiet = received === receivedBytes && nowMs - checkedMs < SUSPENDED_MS;
    checkedMs = nowMs;
    receivedBytes = received;
    for (const [correlationId, request] of this.inflight) {
      const isOvertaken = correlationId < (this.answeredId ?? -1);
      if (!isQuiet && !isOvertaken) request.sentAt = nowMs;
      else if (nowMs - request.sentAt > request.requestTimeout) request.timeoutRequest();
    }
    if (!this.isConnected()) this.destroy();
  }, Math.min(this.requestTimeout, TIMEOUT_CHECK_MS));
}

/** kafkajs's `Connection`, as far as it is used here. */
interface Connection {
  requestQueue: RequestQueue;
  socket?: { bytesRead: number };
}

/** The type of `Connection.connect`. */
export type Connect = (this: Connection) => Promise<unknown>;

/** Lets the request queue of a connection see how much has arrived. */
export function countingReceived(original: Connect): Connect {
  return function () {
    this.requestQueue.receivedBytes = () => this.socket?.bytesRead ?? 0;
    return original.call(this);
  };
}

/** The type of `RequestQueue.fulfillRequest`. */
export type FulfillRequest = (this: RequestQueue, response: { correlationId: number }) => void;

/** Lets the check of the time limits see which requests are overtaken. */
export function notingAnswers(original: FulfillRequest): FulfillRequest {
  return function (response) {
    this.answeredId = response.correlationId;
    original.call(this, response);
  };
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
