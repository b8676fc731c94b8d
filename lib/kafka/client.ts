/**
 * Connecting to Kafka, and telling a user what is wrong when it does not work.
 *
 * Every role (consumer, admin, each transactional producer) takes a client of its own from
 * {@linkcode kafkaClient}: clients share a cache of committed offsets that `sendOffsets` fills
 * before the transaction is committed.
 *
 * @module
 */
import type { Admin, logCreator } from "kafkajs";
import { Kafka, logLevel } from "./kafkajs/mod.ts";
import { describeError, printNote } from "../cli/output.ts";
import { answersKafka } from "./probe.ts";
import { sleep } from "../async.ts";

/** Where the brokers are and how a program talks to them. */
export interface Connection {
  /** `host:port` of the brokers to start from. */
  brokers: string[];
  /** The name that brokers show for this client. */
  clientId: string;
  /** How long to wait for brokers that do not answer, in milliseconds. */
  timeoutMs: number;
  /** Whether the log of the client is shown. */
  verbose: boolean;
}

/** The connection that the common flags describe. */
export function connectionOf(
  clientId: string,
  options: { brokers: string[]; timeout: number; verbose: boolean },
): Connection {
  return {
    brokers: options.brokers,
    clientId,
    timeoutMs: options.timeout,
    verbose: options.verbose,
  };
}

/** Waits between tries: 20 ms doubling up to 1 s. `CONCURRENT_TRANSACTIONS` ends within a few. */
const RETRY = { initialRetryTime: 20, multiplier: 2, maxRetryTime: 1_000, retries: 8 };

const logToStderr: logCreator = () => ({ label, log }) => {
  printNote(`kafka ${label} ${log.message}${log.error === undefined ? "" : `: ${log.error}`}`);
};

/** A client of its own: settings only, nothing is connected yet. */
export function kafkaClient(connection: Connection): Kafka {
  return new Kafka({
    brokers: connection.brokers,
    clientId: connection.clientId,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
    logLevel: connection.verbose ? logLevel.INFO : logLevel.NOTHING,
    logCreator: logToStderr,
  });
}

/**
 * Connects an admin client, trying until a broker answers.
 *
 * @throws {Error} When none answers within `timeoutMs`, or something other than Kafka answers.
 */
export async function connectAdmin(connection: Connection, signal: AbortSignal): Promise<Admin> {
  await requireNetAccess(connection);
  const deadline = Date.now() + connection.timeoutMs;
  for (let attempt = 0;; attempt++) {
    signal.throwIfAborted();
    const admin = kafkaClient(connection).admin({ retry: { retries: 0 } });
    const remainingMs = Math.max(100, deadline - Date.now());
    try {
      // A port where something else listens accepts and then keeps silent: bound the handshake too.
      await within(remainingMs, signal, admin.connect());
      return admin;
    } catch (error) {
      await disconnect(admin);
      signal.throwIfAborted();
      if (!isRetriable(error)) throw explain(error, connection);
      if (attempt === 0) {
        await refuseStrangers(connection);
        if (Date.now() < deadline) {
          printNote(
            `no Kafka broker answers at ${connection.brokers.join(", ")} yet, trying for ${
              seconds(connection.timeoutMs)
            }`,
          );
        }
      }
      if (Date.now() >= deadline) throw explain(error, connection);
      await sleep(Math.min(500, deadline - Date.now()), signal);
    }
  }
}

/** Asks for the net permission that is missing on a terminal, and explains it elsewhere. */
async function requireNetAccess({ brokers }: Connection): Promise<void> {
  for (const host of brokers) {
    const { state } = await Deno.permissions.request({ name: "net", host });
    if (state !== "granted") throw new Error(netAccessHint(host));
  }
}

function netAccessHint(host: string): string {
  return `not permitted to connect to ${host}: set KAFKA_BROKERS to all brokers of the cluster, ` +
    `which "deno task" permits, or run with --allow-net=${host}`;
}

/** Fails when something that is not Kafka answers at every address. */
async function refuseStrangers({ brokers }: Connection): Promise<void> {
  const answers = await Promise.all(brokers.map((broker) => {
    const { hostname, port } = new URL(`tcp://${broker}`);
    return answersKafka(hostname.replace(/[[\]]/g, ""), Number(port), 2_000);
  }));
  if (answers.every((answer) => answer === "something else")) {
    throw new Error(
      `what listens at ${brokers.join(", ")} does not answer as Kafka does; ` +
        `name the brokers with --brokers or KAFKA_BROKERS`,
    );
  }
}

/**
 * Whether trying again can help.
 *
 * Everything is done in transactions or idempotently, so a repeated try never does harm: only what
 * would fail the same way for ever is final. Final are: a lack of permission (of Kafka's or of
 * Deno's), a failed login, a request that the broker calls invalid or too large, a group whose members
 * divide partitions in another way, a compression that nobody here knows, and faults of a program
 * (`TypeError` and its kin), which must not hide behind a retry. What goes on failing all the same is
 * given up after the connection's time, by process.ts and consume.ts.
 */
export function isRetriable(error: unknown): boolean {
  const final = [
    /AUTHORIZATION_FAILED|SASL|UNSUPPORTED_|INVALID_TOPIC|INVALID_CONFIG|INVALID_REQUEST/,
    /MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE|INVALID_TRANSACTION_TIMEOUT|POLICY_VIOLATION/,
    /INCONSISTENT_GROUP_PROTOCOL|INVALID_SESSION_TIMEOUT/,
  ];
  // A login that failed, a permission of Deno's, a compression that the client does not know.
  const finalNames = ["KafkaJSSASLAuthenticationError", "NotCapable", "KafkaJSNotImplemented"];
  const programFaults = ["TypeError", "RangeError", "ReferenceError", "SyntaxError"];
  for (const cause of causes(error)) {
    const { type, name } = cause as Error & { type?: string };
    if (final.some((pattern) => pattern.test(type ?? ""))) return false;
    if (finalNames.includes(name)) return false;
    if (programFaults.includes(name) && !isLostSocket(cause)) return false;
    if (cause.message.includes("Requires net access")) return false;
  }
  return true;
}

/** The client reads from a socket that has just gone: its own TypeError is a lost connection. */
function isLostSocket({ name, stack = "" }: Error): boolean {
  const thrownAt = stack.split("\n").find((line) => /^\s+at /.test(line)) ?? "";
  return name === "TypeError" && /[\\/]kafkajs[\\/]/.test(thrownAt);
}

/** Whether another instance has taken over the transactional id. */
export function isFenced(error: unknown): boolean {
  return causes(error).some((cause) =>
    /PRODUCER_FENCED|INVALID_PRODUCER_EPOCH/.test((cause as { type?: string }).type ?? "")
  );
}

/** Whether the broker is still settling the last transaction of this transactional id. */
export function isConcurrentTransaction(error: unknown): boolean {
  return causes(error).some((cause) =>
    (cause as { type?: string }).type === "CONCURRENT_TRANSACTIONS"
  );
}

function causes(error: unknown): Error[] {
  const list: Error[] = [];
  for (let next = error; next instanceof Error && list.length < 10;) {
    list.push(next);
    const { cause, originalError } = next as Error & { originalError?: unknown };
    next = cause ?? originalError;
  }
  return list;
}

/** Turns an error of the client into one whose message helps a user. */
export function explain(error: unknown, connection: Connection): Error {
  // Written here, for the user. The system's own errors have a code.
  if (error instanceof Error && error.constructor === Error && !("code" in error)) return error;
  const list = causes(error);
  const text = list.map((cause) => `${cause.name} ${cause.message}`).join(" ");
  const brokers = connection.brokers.join(", ");
  const permission = /Requires net access to "?([^" ,]+)/.exec(text);
  if (permission !== null) return new Error(netAccessHint(permission[1]!), { cause: undefined });
  if (list.some(({ name }) => name === "KafkaJSSASLAuthenticationError")) {
    return new Error(`the login at ${brokers} failed: ${describeError(list.at(-1))}`);
  }
  if (
    /ECONNREFUSED|ECONNRESET|Connection|timed out|ENOTFOUND|NoBroker|closed|TimeoutError/.test(text)
  ) {
    return new Error(
      `no Kafka broker answers at ${brokers} (waited ${seconds(connection.timeoutMs)}); ` +
        `"deno task up" starts one, --brokers or KAFKA_BROKERS names others`,
    );
  }
  const type = (list.find((cause) => "type" in cause) as { type?: string } | undefined)?.type;
  const last = list.at(-1)?.message ?? String(error);
  return new Error(`Kafka at ${brokers} says: ${last}${type === undefined ? "" : ` (${type})`}`, {
    cause: error,
  });
}

/** `30 s`, `0.5 s`. */
export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

/** Disconnects without ever failing or waiting long: `disconnect()` can hang in a rebalance. */
export async function disconnect(
  client: { disconnect(): Promise<void> },
  limitMs = 3_000,
): Promise<void> {
  try {
    await within(limitMs, undefined, client.disconnect());
  } catch {
    // It was to go away, and it is gone for us.
  }
}

/**
 * The promise, or a `TimeoutError` once the time is over, or the signal's reason once aborted.
 */
export async function within<T>(
  limitMs: number,
  signal: AbortSignal | undefined,
  promise: Promise<T>,
): Promise<T> {
  promise.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const cut = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new DOMException(`no answer within ${limitMs} ms`, "TimeoutError")),
      limitMs,
    );
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, cut]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort!);
  }
}
