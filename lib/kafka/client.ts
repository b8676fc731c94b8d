/**
 * Clients of Kafka: making, connecting and disconnecting them.
 *
 * Every role (consumer, admin, each transactional producer) takes its own client from
 * {@linkcode kafkaClient}: roles of one client share a cache of committed offsets that `sendOffsets` fills
 * before the transaction is committed.
 *
 * @module
 */
import type { Admin, logCreator } from "kafkajs";
import { deadline, unlessAborted } from "../async.ts";
import { formatSeconds } from "../duration.ts";
import { visible } from "../visible_text.ts";
import { connectionConfig } from "./connections.ts";
import { explain, FinalError, isRetriable, retryWhileRetriable, trouble } from "./errors.ts";
import { Kafka, logLevel } from "./kafkajs/mod.ts";
import { type Listener, listenerAt } from "./probe.ts";
import type { Security } from "../security_config.ts";
import type { KafkaSettings } from "./settings.ts";

/** Waits between tries: 20 ms doubling up to 1 s. `CONCURRENT_TRANSACTIONS` ends within a few. */
const RETRY = { initialRetryTime: 20, multiplier: 2, maxRetryTime: 1_000, retries: 8 };
/** How long a program waits for the first answer of a port that may not be Kafka's. */
const PROBE_LIMIT_MS = 2_000;
/** What a broker may seem to be while it starts. */
const PASSING_LISTENERS: Listener[] = ["login", "silent"];
/** The attempt after which the user is told what fails, from 0. */
const REPORTED_RETRY = 2;

/**
 * A new client, not connected yet.
 *
 * @param retries How often it tries again by itself; nobody learns why, meanwhile.
 */
export function kafkaClient(
  { brokers, clientId, security, verbose, note }: KafkaSettings,
  retries: number = RETRY.retries,
): Kafka {
  const log: logCreator = () => ({ label, log: { message, error } }) =>
    note(visible(`kafka ${label} ${message}${error === undefined ? "" : `: ${error}`}`));
  return new Kafka({
    brokers,
    clientId,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { ...RETRY, retries, restartOnFailure: () => Promise.resolve(false) },
    logLevel: verbose ? logLevel.INFO : logLevel.NOTHING,
    logCreator: log,
    ...connectionConfig(security),
  });
}

/**
 * Connects an admin client, trying until a broker answers.
 *
 * @throws {Error} When none answers within `timeoutMs`, or something other than Kafka answers.
 */
async function connectAdmin(settings: KafkaSettings, signal: AbortSignal): Promise<Admin> {
  const { brokers, timeoutMs, note } = settings;
  try {
    return await retryWhileRetriable(() => connectedAdmin(settings), settings, {
      signal,
      async onRetry(_error, attempt) {
        if (attempt > 0) return;
        await unlessAborted(refuseStrangers(settings, { isLast: false }), signal);
        note(
          `no Kafka broker answers at ${brokers.join(", ")} yet, trying for ` +
            formatSeconds(timeoutMs),
        );
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    if (isRetriable(error)) await refuseStrangers(settings, { isLast: true });
    throw explain(error, settings);
  }
}

async function connectedAdmin(settings: KafkaSettings): Promise<Admin> {
  const admin = kafkaClient(settings, 1).admin();
  try {
    await admin.connect();
    return admin;
  } catch (error) {
    disconnect(admin);
    throw error;
  }
}

/**
 * Runs the function with an admin client that is connected, and disconnects it in the background. After
 * an error that another attempt can mend it runs again, with a new client.
 *
 * @throws {Error} As {@linkcode connectAdmin}, and when the attempts fail for `timeoutMs`.
 */
export async function withAdmin<T>(
  settings: KafkaSettings,
  signal: AbortSignal,
  run: (admin: Admin) => Promise<T>,
): Promise<T> {
  let connected: Admin | undefined = await connectAdmin(settings, signal);
  const attempt = async () => {
    const admin = connected ?? await connectedAdmin(settings);
    connected = undefined;
    try {
      return await run(admin);
    } finally {
      disconnect(admin);
    }
  };
  try {
    return await retryWhileRetriable(attempt, settings, {
      signal,
      onRetry(error, count) {
        if (count !== REPORTED_RETRY) return;
        const limit = formatSeconds(settings.timeoutMs);
        settings.note(`${trouble(error, settings)}, trying for ${limit}`);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    if (isRetriable(error)) await refuseStrangers(settings, { isLast: true });
    throw explain(error, settings);
  }
}

/**
 * Waits until a broker answers requests.
 *
 * @throws {Error} As {@linkcode withAdmin}: it says what is wrong when none does.
 */
export async function requireBrokers(settings: KafkaSettings, signal: AbortSignal): Promise<void> {
  await withAdmin(settings, signal, (admin) => admin.describeCluster());
}

/**
 * Fails when every address has a listener that cannot be used, and says why.
 *
 * @param options.isLast Whether a listener that keeps silent, or hangs up, is one of those: a broker
 * that starts, or is behind a bad network, does so for a while.
 */
async function refuseStrangers(
  { brokers, security }: KafkaSettings,
  { isLast }: { isLast: boolean },
): Promise<void> {
  const found = await Promise.all(brokers.map((broker) => {
    const { hostname, port } = new URL(`tcp://${broker}`);
    return listenerAt(hostname.replace(/[[\]]/g, ""), Number(port), PROBE_LIMIT_MS);
  }));
  const useless = uselessListeners(security, isLast);
  if (!found.every((listener) => useless.includes(listener))) return;
  const where = brokers.join(", ");
  const problem = security?.tls !== undefined ? `${where} speaks no TLS: see security.protocol` : {
    tls: `${where} expects TLS: see --command-config, or KAFKA_SECURITY_PROTOCOL`,
    login: `${where} expects a login (SASL): see --command-config, or KAFKA_SECURITY_PROTOCOL`,
  }[found[0] as string] ?? `what listens at ${where} does not answer as Kafka does`;
  throw new FinalError(`${problem}; name the brokers with --brokers or KAFKA_BROKERS`);
}

/** What a probe, which speaks plaintext and does not log in, finds where these settings cannot work. */
function uselessListeners({ tls, login }: Security = {}, isLast: boolean): Listener[] {
  if (tls !== undefined) return ["kafka", "login"];
  const passing = isLast ? PASSING_LISTENERS : [];
  return [
    "stranger",
    "tls",
    ...passing.filter((listener) => login === undefined || listener !== "login"),
  ];
}

/** Connects a client within the settings' time; throws what the client throws. */
export async function connect(
  client: { connect(): Promise<void>; disconnect(): Promise<void> },
  { timeoutMs }: KafkaSettings,
): Promise<void> {
  try {
    await deadline(client.connect(), timeoutMs);
  } catch (error) {
    await disconnect(client);
    throw error;
  }
}

/** Disconnects without ever failing or waiting long: `disconnect()` can hang in a rebalance. */
export async function disconnect(
  client: { disconnect(): Promise<void> },
  limitMs = 3_000,
): Promise<void> {
  try {
    await deadline(client.disconnect(), limitMs);
  } catch {
    // The client is given up either way.
  }
}
