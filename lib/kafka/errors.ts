/**
 * What an error of Kafka or of its client means: whether another attempt can help, and the message for
 * the user.
 *
 * @module
 */
import type { RetryOptions } from "../async.ts";
import { formatSeconds } from "../duration.ts";
import { UnreadableRecordsError } from "./kafkajs/fetch_loop.ts";
import {
  KafkaJSConnectionError,
  KafkaJSNotImplemented,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
} from "./kafkajs/mod.ts";
import type { KafkaSettings } from "./settings.ts";

/** The errors of Kafka's protocol that every retry would repeat, by their names in kafkajs. */
const FINAL_TYPES = new Set([
  "CLUSTER_AUTHORIZATION_FAILED",
  "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "ILLEGAL_SASL_STATE",
  "INCONSISTENT_GROUP_PROTOCOL",
  "INVALID_CONFIG",
  "INVALID_REQUEST",
  "INVALID_SESSION_TIMEOUT",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_TRANSACTION_TIMEOUT",
  "MESSAGE_TOO_LARGE",
  "POLICY_VIOLATION",
  "RECORD_LIST_TOO_LARGE",
  "SASL_AUTHENTICATION_FAILED",
  "TOPIC_AUTHORIZATION_FAILED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "UNSUPPORTED_COMPRESSION_TYPE",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  "UNSUPPORTED_SASL_MECHANISM",
  "UNSUPPORTED_VERSION",
]);

/** An error that no retry can mend, in words for the user. */
export class FinalError extends Error {
  /** Its name in messages and logs. */
  override name = "FinalError";
}

/**
 * Whether another attempt can help.
 *
 * Everything is done in transactions or idempotently, so repeating a request does no harm: an error
 * is final only if it would come again every time. These are final: a missing permission (of Kafka or of
 * Deno), a failed login, a request that the broker calls invalid or too large, a group whose members
 * use another assignment protocol, a compression that the client does not know, and programming
 * errors (`TypeError` and similar), which a retry would hide. What keeps failing is given up by
 * its callers after the settings' `timeoutMs`.
 */
export function isRetriable(error: unknown): boolean {
  return !causes(error).some(isFinal);
}

/** Options of `retry`: while another attempt can help, for the settings' `timeoutMs`. */
export function whileRetriable({ timeoutMs }: KafkaSettings, signal: AbortSignal): RetryOptions {
  return {
    minTimeout: 100,
    maxTimeout: 1_000,
    jitter: 0.5,
    limitMs: timeoutMs,
    isRetriable,
    signal,
  };
}

function isFinal(error: Error): boolean {
  if (error instanceof KafkaJSProtocolError) return FINAL_TYPES.has(error.type);
  if (error instanceof KafkaJSSASLAuthenticationError) return true;
  if (error instanceof KafkaJSNotImplemented) return true;
  if (error instanceof FinalError || error instanceof UnreadableRecordsError) return true;
  if (error instanceof Deno.errors.NotCapable || missingNetAccess(error) !== undefined) return true;
  return isProgramFault(error) && !isLostSocket(error);
}

function isProgramFault(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError ||
    error instanceof ReferenceError || error instanceof SyntaxError;
}

/** kafkajs reads from a socket that has just been closed: its TypeError is a lost connection. */
function isLostSocket({ name, stack = "" }: Error): boolean {
  const thrownAt = stack.split("\n").find((line) => /^\s+at /.test(line)) ?? "";
  return name === "TypeError" && /[\\/]kafkajs[\\/]/.test(thrownAt);
}

/**
 * The address that Deno does not permit; `undefined` for other errors. kafkajs passes on the message
 * of Deno's error alone.
 */
function missingNetAccess(error: Error): string | undefined {
  return /Requires net access to "?([^" ,]+)/.exec(error.message)?.[1];
}

/**
 * Whether another instance has taken over the transactional id. (kafkajs speaks protocol versions that
 * report it as INVALID_PRODUCER_EPOCH, never as PRODUCER_FENCED.)
 */
export function isFenced(error: unknown): boolean {
  return hasType(error, "INVALID_PRODUCER_EPOCH");
}

/** Whether the broker is still settling the last transaction of this transactional id. */
export function isConcurrentTransaction(error: unknown): boolean {
  return hasType(error, "CONCURRENT_TRANSACTIONS");
}

/** Whether a topic does not take what was written, because it is too large. */
export function isTooLarge(error: unknown): boolean {
  return hasType(error, "MESSAGE_TOO_LARGE") || hasType(error, "RECORD_LIST_TOO_LARGE");
}

/** Whether the group has members, so that offsets cannot be committed from outside. */
export function isGroupInUse(error: unknown): boolean {
  return hasType(error, "UNKNOWN_MEMBER_ID");
}

function hasType(error: unknown, type: string): boolean {
  return causes(error).some((cause) =>
    cause instanceof KafkaJSProtocolError && cause.type === type
  );
}

/** Whether a broker has rejected the request with an error about the request alone. */
export function isRejection(error: unknown): boolean {
  return error instanceof KafkaJSProtocolError && !error.retriable;
}

/** An error and its causes, outermost first. */
function causes(error: unknown): Error[] {
  const list: Error[] = [];
  for (let next = error; next instanceof Error && list.length < 10;) {
    list.push(next);
    const { cause, originalError } = next as Error & { originalError?: unknown };
    next = cause ?? originalError;
  }
  return list;
}

/** Error codes of the operating system for an unreachable broker. */
const SYSTEM_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EPIPE", "ETIMEDOUT"]);

/** Whether no broker could be reached, or none answered in time. */
function isUnreachable(error: Error): boolean {
  return error instanceof KafkaJSConnectionError || error instanceof KafkaJSRequestTimeoutError ||
    // kafkajs does not publish the type of this error.
    error.name === "KafkaJSNoBrokerAvailableError" || error.name === "TimeoutError" ||
    SYSTEM_CODES.has((error as { code?: string }).code ?? "");
}

/** Turns an error of the client into one whose message helps a user. */
export function explain(error: unknown, settings: KafkaSettings): Error {
  // Errors that this project throws are written for the user. The system's own errors have a code.
  if (error instanceof Error && error.constructor === Error && !("code" in error)) return error;
  if (error instanceof FinalError) return error;
  const list = causes(error);
  const unreadable = list.find((cause) => cause instanceof UnreadableRecordsError);
  if (unreadable !== undefined) return unreadable;
  const brokers = settings.brokers.join(", ");
  const host = list.map(missingNetAccess).find((each) => each !== undefined);
  if (host !== undefined) return netAccessError(host);
  const denied = list.find((cause) => cause instanceof Deno.errors.NotCapable);
  if (denied !== undefined) return denied;
  const login = list.find((cause) => cause instanceof KafkaJSSASLAuthenticationError);
  if (login !== undefined) return new Error(`the login at ${brokers} failed: ${login.message}`);
  if (list.some(isUnreachable)) {
    return new Error(
      `no Kafka broker answers at ${brokers} (waited ${formatSeconds(settings.timeoutMs)}); ` +
        `"deno task up" starts one, --brokers or KAFKA_BROKERS names others`,
    );
  }
  const protocol = list.find((cause) => cause instanceof KafkaJSProtocolError);
  const last = list.at(-1)?.message ?? String(error);
  return new Error(
    protocol === undefined
      ? `the Kafka client failed at ${brokers}: ${last}`
      : `Kafka at ${brokers} answered: ${last} (${protocol.type})`,
    { cause: error },
  );
}

/** The error for an address that Deno does not permit. */
export function netAccessError(host: string): Error {
  return new Error(
    `not permitted to connect to ${host}: "deno task" permits this machine and the brokers in ` +
      `KAFKA_BROKERS; set KAFKA_BROKERS to all brokers of the cluster`,
  );
}
