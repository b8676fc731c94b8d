/**
 * What an error of Kafka or of its client means: whether another attempt can help, and the message for
 * the user.
 *
 * @module
 */
import { awakeMs, deadline, holdClock, retry, type RetryOptions } from "../async.ts";
import { formatSeconds } from "../duration.ts";
import { UnreadableRecordsError } from "./kafkajs/fetch_loop.ts";
import type { ErrorPlace } from "./kafkajs/named_errors.ts";
import {
  KafkaJSConnectionError,
  KafkaJSNotImplemented,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
} from "./kafkajs/mod.ts";
import type { KafkaSettings } from "./settings.ts";
import type { Security } from "../security_config.ts";
import { TokenError } from "./tokens.ts";

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
  "INVALID_TIMESTAMP",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_TRANSACTION_TIMEOUT",
  "MESSAGE_TOO_LARGE",
  "POLICY_VIOLATION",
  "RECORD_LIST_TOO_LARGE",
  "SASL_AUTHENTICATION_FAILED",
  "SECURITY_DISABLED",
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
 * Deno), a failed login, a request that the broker calls invalid or too large, a record time that it
 * does not accept, a group whose members use another assignment protocol, a compression that the client does not know, and programming
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

/**
 * Calls the function until it succeeds, while another attempt can help, for the settings' `timeoutMs`.
 *
 * @param options.onRetry Called before each wait.
 * @throws The error of the last attempt; if that one ended because the time was over, the last one
 * that says what happened.
 * @throws The signal's reason, as soon as it is aborted.
 */
export async function retryWhileRetriable<T>(
  run: () => Promise<T>,
  settings: KafkaSettings,
  { signal, onRetry }: { signal: AbortSignal } & Pick<RetryOptions, "onRetry">,
): Promise<T> {
  using _clock = holdClock();
  const untilMs = awakeMs() + settings.timeoutMs;
  const lastAnswer = answerKeeper();
  try {
    return await retry(() => {
      const leftMs = Math.max(MIN_ATTEMPT_MS, untilMs - awakeMs());
      return deadline(run(), leftMs, { signal });
    }, {
      ...whileRetriable(settings, signal),
      onRetry(error, attempt) {
        lastAnswer(error);
        return onRetry?.(error, attempt);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    throw lastAnswer(error);
  }
}

/**
 * Returns a function that takes each error of a series of attempts, and returns the last one that says
 * more than that the time was over.
 */
export function answerKeeper(): (error: unknown) => unknown {
  let answer: unknown;
  return (error) => {
    if (!isTimeout(error)) answer = error;
    return answer ?? error;
  };
}

/** The time that the last attempt gets at least, in milliseconds. */
const MIN_ATTEMPT_MS = 100;

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

function isFinal(error: Error): boolean {
  if (error instanceof KafkaJSProtocolError) return FINAL_TYPES.has(error.type);
  if (error instanceof KafkaJSSASLAuthenticationError) return true;
  if (error instanceof TokenError) return !error.retriable;
  if (error instanceof KafkaJSNotImplemented || tlsProblem(error) !== undefined) return true;
  if (error instanceof FinalError || error instanceof UnreadableRecordsError) return true;
  if (error instanceof Deno.errors.NotCapable || missingNetAccess(error) !== undefined) return true;
  return isProgramFault(error) && !isLostSocket(error);
}

function isProgramFault(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError ||
    error instanceof ReferenceError || error instanceof SyntaxError;
}

/**
 * kafkajs reads from a socket that has just been closed: its TypeError is a lost connection. One that
 * is thrown in our lib/kafka/kafkajs is not.
 */
function isLostSocket({ name, stack = "" }: Error): boolean {
  const thrownAt = stack.split("\n").find((line) => /^\s+at /.test(line)) ?? "";
  return name === "TypeError" && /[\\/]kafkajs[\\/]([^\\/]+[\\/])?src[\\/]/.test(thrownAt);
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

/** Whether a committed offset is undecided: a transaction that has changed it has no end yet. */
export function isUnstable(error: unknown): boolean {
  return hasType(error, "UNSTABLE_OFFSET_COMMIT");
}

/** Whether a coordinator is still reading its groups, as right after the start of a broker. */
export function isLoading(error: unknown): boolean {
  return hasType(error, "GROUP_LOAD_IN_PROGRESS");
}

/** Whether the group has members, so that offsets cannot be committed from outside. */
export function isGroupInUse(error: unknown): boolean {
  return hasType(error, "UNKNOWN_MEMBER_ID");
}

/** Whether the brokers accept no batch of this size. */
export function isTooLarge(error: unknown): boolean {
  return hasType(error, "MESSAGE_TOO_LARGE") || hasType(error, "RECORD_LIST_TOO_LARGE");
}

/** The topic and partition that an answer of the brokers is about, where it names them. */
export function placeOf(error: unknown): ErrorPlace {
  return causes(error).find((cause) => cause instanceof KafkaJSProtocolError) as ErrorPlace ?? {};
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

/** An error and its causes, outermost first; of errors about several things, the first of them. */
function causes(error: unknown): Error[] {
  const list: Error[] = [];
  for (let next = error; next instanceof Error && list.length < 10;) {
    list.push(next);
    const { cause, originalError, errors } = next as Error & {
      originalError?: unknown;
      errors?: unknown[];
    };
    next = cause ?? originalError ?? errors?.[0];
  }
  return list;
}

/** Error codes of the operating system for an unreachable broker, with their meaning. */
const SYSTEM_CODES: Record<string, string> = {
  EAI_AGAIN: "the name cannot be resolved",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "the name cannot be resolved",
  EPIPE: "connection closed",
  ETIMEDOUT: "connection timed out",
};

const UNTRUSTED =
  "the certificate of the broker is signed by an authority that is not trusted: see " +
  "ssl.truststore.location, or KAFKA_SSL_CA_FILE";
/** Error codes of TLS that every retry would repeat, with their meaning. */
const TLS_CODES: Record<string, string> = {
  CERT_HAS_EXPIRED: "the certificate of the broker has expired",
  CERT_NOT_YET_VALID: "the certificate of the broker is not valid yet",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS: see security.protocol",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate of the broker is for another host",
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
};

/** What brokers say of the certificate of a client, in the codes of TLS alerts. */
const REFUSED_CERTIFICATE =
  /_ALERT_(NO_CERTIFICATE|CERTIFICATE_\w+|(BAD|UNSUPPORTED)_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)$/;

/** What they say of the versions, ciphers and host name that a client offers. */
const REFUSED_OFFER =
  /_ALERT_(HANDSHAKE_FAILURE|PROTOCOL_VERSION|INSUFFICIENT_SECURITY|UNRECOGNIZED_NAME)$/;

/** What is wrong with TLS; `undefined` for other errors. */
function tlsProblem(error: Error, { tls }: Security = {}): string | undefined {
  const { code = "" } = error as { code?: string };
  const alert = /^ERR_SSL_\w+?_ALERT_(\w+)$/.exec(code)?.[1];
  if (alert === undefined) return TLS_CODES[code];
  if (REFUSED_OFFER.test(code)) return `it refuses TLS as it is offered (alert ${alert})`;
  if (!REFUSED_CERTIFICATE.test(code)) return undefined;
  return tls?.cert === undefined
    ? "it expects a certificate of the client: see ssl.keystore.location, or KAFKA_SSL_CERT_FILE"
    : `it does not accept the certificate of this client (alert ${alert})`;
}

/** Whether no broker could be reached, or none answered in time. */
function isUnreachable(error: Error): boolean {
  return error instanceof KafkaJSConnectionError || error instanceof KafkaJSRequestTimeoutError ||
    // kafkajs does not publish the type of this error.
    error.name === "KafkaJSNoBrokerAvailableError" || isTimeout(error) || isLostSocket(error) ||
    ((error as { code?: string }).code ?? "") in SYSTEM_CODES;
}

/** Turns an error of the client into one whose message helps a user; it is as final as the error. */
export function explain(error: unknown, settings: KafkaSettings): Error {
  const explained = explanation(error, settings);
  if (isRetriable(error) || !isRetriable(explained)) return explained;
  const { message, stack = "" } = explained;
  return Object.assign(new FinalError(message), { stack });
}

function explanation(error: unknown, settings: KafkaSettings): Error {
  // Errors that this project throws are written for the user. The system's own errors have a code.
  if (error instanceof Error && error.constructor === Error && !("code" in error)) return error;
  if (error instanceof FinalError) return error;
  const list = causes(error);
  const unreadable = list.find((cause) => cause instanceof UnreadableRecordsError);
  if (unreadable !== undefined) return unreadable;
  const brokers = settings.brokers.join(", ");
  const host = list.map(missingNetAccess).find((each) => each !== undefined);
  if (host !== undefined) {
    const error = netAccessError(host);
    return settings.brokers.includes(host)
      ? error
      : new Error(`${brokers} names ${host} as a broker of its cluster; ${error.message}`);
  }
  const denied = list.find((cause) => cause instanceof Deno.errors.NotCapable);
  if (denied !== undefined) return denied;
  const token = list.find((cause) => cause instanceof TokenError);
  if (token !== undefined) return token;
  const login = list.find((cause) => cause instanceof KafkaJSSASLAuthenticationError);
  if (login !== undefined || hasType(error, "UNSUPPORTED_SASL_MECHANISM")) {
    return new Error(loginText(login, settings));
  }
  const tls = list.map((cause) => tlsProblem(cause, settings.security))
    .find((problem) => problem !== undefined);
  if (tls !== undefined) return new Error(`no connection to ${brokers}: ${tls}`);
  const fault = list.find((cause) => isProgramFault(cause) && !isLostSocket(cause));
  if (fault !== undefined) return faultError(fault);
  const protocol = list.find((cause) => cause instanceof KafkaJSProtocolError);
  if (protocol !== undefined) return new Error(answerText(protocol, brokers));
  const unreachable = list.findLast(isUnreachable);
  if (unreachable !== undefined) return new Error(silenceText(unreachable, settings));
  const last = list.at(-1)?.message ?? String(error);
  return new Error(`the Kafka client failed at ${brokers}: ${last}`, { cause: error });
}

/** Why a login failed. What the broker says of it is not quoted: it may hold parts of a token. */
function loginText(error: Error | undefined, { brokers, security }: KafkaSettings): string {
  const where = brokers.join(", ");
  const mechanism = security?.login?.mechanism.toUpperCase() ?? "SASL";
  return error === undefined || /mechanism is not supported/.test(error.message)
    ? `${where} does not take logins with ${mechanism}: see sasl.mechanism, or KAFKA_SASL_MECHANISM`
    : `the login was refused by ${where} (${mechanism}): see the name and the password`;
}

/** Silence of the brokers, for the user: while it lasts, and as the beginning of the last message. */
export const NO_ANSWER = "no broker answers";
const NO_BROKER = "no Kafka broker answers";

/** What is wrong, for the user, while another attempt is made. */
export function trouble(error: unknown, settings: KafkaSettings): string {
  const { message } = explain(error, settings);
  return message.startsWith(NO_BROKER) ? NO_ANSWER : message;
}

/** The error for a fault of this program, with the stack of the fault. */
function faultError(fault: Error): Error {
  const error = new Error(
    `a fault of this program, not of Kafka: ${fault.message} (--verbose shows where)`,
  );
  if (fault.stack !== undefined) error.stack = fault.stack;
  return error;
}

/** What it means that no broker answers. */
function silenceText(error: Error, settings: KafkaSettings): string {
  const { broker, code = "" } = error as { broker?: string; code?: string };
  const brokers = settings.brokers.join(", ");
  const reason = SYSTEM_CODES[code] ??
    (error instanceof KafkaJSRequestTimeoutError
      ? /^Request (\w+)/.exec(error.message)?.[1]?.concat(" was not answered")
      : error instanceof KafkaJSConnectionError
      ? error.message.replace(/^Connection error: /, "")
      : undefined);
  const isAdvertised = broker !== undefined &&
    !settings.brokers.some((seed) => seed.replace(/^\[(.*)\]:/, "$1:") === broker);
  if (isAdvertised) {
    return `${brokers} names ${broker} as a broker of its cluster, which cannot be reached` +
      `${reason === undefined ? "" : ` (${reason})`}: it is down, or its advertised.listeners is ` +
      "not an address for this machine";
  }
  return `${NO_BROKER} at ${brokers} (waited ${formatSeconds(settings.timeoutMs)})` +
    `${reason === undefined ? "" : `: ${reason}`}; ` +
    `"deno task up" starts one, --brokers or KAFKA_BROKERS names others`;
}

/** The right that a request needs on its topic, or on the cluster. */
const RIGHTS: Record<string, string> = {
  AddPartitionsToTxn: "Write",
  AlterUserScramCredentials: "Alter",
  CreateAcls: "Alter",
  CreatePartitions: "Alter",
  CreateTopics: "Create",
  DescribeAcls: "Describe",
  Fetch: "Read",
  OffsetCommit: "Read",
  OffsetFetch: "Describe",
  Produce: "Write",
  TxnOffsetCommit: "Read",
};

type Answer = { type: string; message: string } & ErrorPlace;

/** What an answer of the brokers means. */
function answerText(answer: Answer, brokers: string): string {
  const { type, message, api = "", topic, partition, reason } = answer;
  const where = topic === undefined
    ? "a partition"
    : partition === undefined
    ? `topic ${topic}`
    : `partition ${partition} of ${topic}`;
  const meaning = type.endsWith("_AUTHORIZATION_FAILED")
    ? deniedText(answer)
    : answerMeaning(type, { api, where });
  if (api === "CreateTopics" && !type.endsWith("_AUTHORIZATION_FAILED")) {
    return `topic ${topic} cannot be created: ${reason ?? message} (${type})`;
  }
  return meaning === undefined
    ? `Kafka at ${brokers} answered${topic === undefined ? "" : ` about ${where}`}: ` +
      `${reason ?? message} (${type})`
    : `${meaning} (${type})`;
}

function answerMeaning(
  type: string,
  { api, where }: { api: string; where: string },
): string | undefined {
  switch (type) {
    case "ILLEGAL_SASL_STATE":
      return "the broker does not expect a login: see security.protocol";
    case "NOT_ENOUGH_REPLICAS":
    case "NOT_ENOUGH_REPLICAS_AFTER_APPEND":
      return `${where} has fewer in-sync replicas than its min.insync.replicas: brokers that hold ` +
        "it are down or behind";
    case "REQUEST_TIMED_OUT":
      return `the replicas of ${where} have not confirmed in time`;
    case "LEADER_NOT_AVAILABLE":
      return `${where} has no leader: the brokers that hold it are down`;
    case "GROUP_COORDINATOR_NOT_AVAILABLE":
      return "no broker coordinates the group or the transactional id: a partition of " +
        "__consumer_offsets or __transaction_state has no leader";
    case "UNKNOWN_TOPIC_OR_PARTITION":
      return `the brokers do not know ${where}: it was deleted, or is not there yet`;
    case "MESSAGE_TOO_LARGE":
    case "RECORD_LIST_TOO_LARGE":
      return `${where} does not take a batch of this size: see its max.message.bytes`;
    case "UNSUPPORTED_COMPRESSION_TYPE":
      return api === "Produce"
        ? "the brokers are too old for this compression: choose another with --compression"
        : undefined;
    case "SECURITY_DISABLED":
      return "the brokers have no access control: see their setting authorizer.class.name";
    case "INVALID_TIMESTAMP":
      return `${where} does not take records with the time ${
        new Date().toISOString()
      }: the clocks of ` +
        "this machine and of the brokers differ, or message.timestamp.before.max.ms or " +
        "message.timestamp.after.max.ms is too small";
    default:
      return undefined;
  }
}

/** Which right is missing. */
function deniedText({ type, api = "", topic, group, transactionalId }: Answer): string {
  if (api === "CreateTopics") {
    return `topic ${topic} does not exist, and it is not permitted to create it: the right Create ` +
      "is missing, on the topic or the cluster; or an administrator creates the topic";
  }
  const missing = (right: string, resource: string) =>
    `not permitted: the right ${right} on ${resource} is missing`;
  switch (type) {
    case "GROUP_AUTHORIZATION_FAILED":
      return missing(
        api === "DescribeGroups" ? "Describe" : "Read",
        group === undefined ? "the consumer group" : `group ${withoutUuid(group)}`,
      );
    case "TRANSACTIONAL_ID_AUTHORIZATION_FAILED":
      return missing(
        "Write",
        transactionalId === undefined
          ? "transactional ids that begin with the group"
          : `transactional id ${transactionalId}`,
      );
    case "TOPIC_AUTHORIZATION_FAILED":
      return missing(
        RIGHTS[api] ?? "Read, Write or Describe",
        topic === undefined ? "a topic" : `topic ${topic}`,
      );
    default:
      // A producer is refused before its first send when it may write to no topic at all.
      if (api === "InitProducerId") return missing("Write", `topic ${topic ?? "of the records"}`);
      return RIGHTS[api] === undefined
        ? "not permitted: a right on the cluster is missing"
        : missing(RIGHTS[api], "the cluster");
  }
}

/** The group of a reader has a random end; the right is one for all of them. */
function withoutUuid(group: string): string {
  return group.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "*");
}

/** The error for an address that Deno does not permit. */
function netAccessError(host: string): Error {
  return new Error(
    `not permitted to connect to ${host}; start the program with "deno task", or with all hosts ` +
      `of the cluster permitted`,
  );
}
