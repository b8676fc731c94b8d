/**
 * Logins that brokers end after a time (`connections.max.reauth.ms`, or the end of a token): when a
 * connection logs in again, what may be sent meanwhile, and what happens when it fails.
 *
 * @module
 */
import process from "node:process";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** A login is renewed after this share of its time; Java's clients do so between 85 and 95 percent. */
const RENEWAL_SHARE = 0.85;
/** Brokers refuse to renew a login twice within this time, in milliseconds. */
const MIN_RENEWAL_MS = 1_000;

/** kafkajs's `Connection`, as far as it is used here. */
interface Connection {
  requestQueue: RequestQueue;
  /** When it has logged in last, by `process.hrtime()`. */
  authenticatedAt: [number, number] | null;
  /** A long integer in milliseconds; 0 when the login does not end. */
  sessionLifetime: { toString(): string };
  send(request: unknown): Promise<unknown>;
  disconnect(): Promise<unknown>;
}

/** kafkajs's `RequestQueue`, as far as it is used here. */
interface RequestQueue {
  /** Whether the connection logs in now. */
  isLoggingIn?: boolean;
  createSocketRequest(request: PushedRequest): unknown;
  sendSocketRequest(request: unknown): void;
  checkPendingRequests(): void;
  rejectAll(error: unknown): void;
}

/** A request on its way to the queue. */
interface PushedRequest {
  entry: { apiName: string };
}

/** kafkajs's `SASLAuthenticator`, as far as it is used here. */
interface Authenticator {
  connection: Connection;
}

/** The type of `SASLAuthenticator.authenticate`. */
export type Authenticate = (this: Authenticator) => Promise<void>;

/**
 * `Connection.isAuthenticated`: whether requests may be sent without another login. The original wants
 * one ten seconds before the end: before each request where logins take less than that, which brokers
 * refuse.
 */
export function isAuthenticated(this: Connection): boolean {
  if (this.authenticatedAt === null) return false;
  const lifetimeMs = Number(this.sessionLifetime.toString());
  if (lifetimeMs === 0) return true;
  const [seconds, nanoseconds] = process.hrtime(this.authenticatedAt);
  const sinceMs = seconds * 1_000 + nanoseconds / 1_000_000;
  return sinceMs < Math.max(MIN_RENEWAL_MS, lifetimeMs * RENEWAL_SHARE);
}

/** The methods of `RequestQueue` that decide when a request is sent. */
export interface Sending {
  push(this: RequestQueue, request: PushedRequest): void;
  canSendSocketRequestImmediately(this: RequestQueue): boolean;
}

/**
 * Holds back other requests while the connection logs in. In the original, those that were being
 * encoded when the login began are sent in the middle of it, and brokers end the connection.
 */
export function sendingLoginsAlone(original: Sending): Sending {
  return {
    push(request) {
      // A login must not wait for what waits for it.
      if (!this.isLoggingIn || !request.entry.apiName.startsWith("Sasl")) {
        original.push.call(this, request);
      } else this.sendSocketRequest(this.createSocketRequest(request));
    },
    canSendSocketRequestImmediately() {
      return !this.isLoggingIn && original.canSendSocketRequestImmediately.call(this);
    },
  };
}

/**
 * Ends the connection when a login fails, and tells a lost connection from a refusal: the original
 * reports both as a login that was refused, and goes on with a connection in the middle of a login.
 */
export function endingFailedLogins(original: Authenticate): Authenticate {
  return async function () {
    const { connection } = this;
    const { requestQueue } = connection;
    let failure: unknown;
    const send = async (request: unknown) => {
      try {
        return await connection.send(request);
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    this.connection = Object.create(connection, { send: { value: send } });
    requestQueue.isLoggingIn = true;
    try {
      await original.call(this);
    } catch (refusal) {
      const { KafkaJSProtocolError } = require("kafkajs/src/errors") as ErrorsModule;
      const error = failure instanceof KafkaJSProtocolError ? refusal : failure ?? refusal;
      requestQueue.rejectAll(error);
      await connection.disconnect();
      throw error;
    } finally {
      requestQueue.isLoggingIn = false;
      requestQueue.checkPendingRequests();
    }
  };
}

/** kafkajs's errors, as far as they are used here. */
interface ErrorsModule {
  KafkaJSProtocolError: new (...args: never[]) => Error;
}
