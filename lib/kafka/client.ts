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
import {
  explain,
  FinalError,
  isRetriable,
  NO_ANSWER,
  retryWhileRetriable,
  trouble,
} from "./errors.ts";
import { Kafka, logLevel } from "./kafkajs/mod.ts";
import { offeredLogins } from "./kafkajs/offered_logins.ts";
import { type Listener, listenerAt } from "./probe.ts";
import type { KafkaSettings } from "./settings.ts";

/** Waits between tries: 20 ms doubling up to 1 s. `CONCURRENT_TRANSACTIONS` ends within a few. */
const RETRY = { initialRetryTime: 20, multiplier: 2, maxRetryTime: 1_000, retries: 8 };
/** How long a program waits for the first answer of a port that may not be Kafka's. */
const PROBE_LIMIT_MS = 2_000;
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
      async onRetry(error, attempt) {
        if (attempt > 0) return;
        await unlessAborted(refuseStrangers(settings, { isLast: false }), signal);
        const what = trouble(error, settings);
        note(
          (what === NO_ANSWER ? `no Kafka broker answers at ${brokers.join(", ")} yet` : what) +
            `, trying for ${formatSeconds(timeoutMs)}`,
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
      async onRetry(error, count) {
        if (count === 0) await unlessAborted(refuseMissingLogin(settings), signal);
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

/** Fails when the brokers want a login and there is none. */
async function refuseMissingLogin(settings: KafkaSettings): Promise<void> {
  if (settings.security?.login !== undefined) return;
  const mechanisms = await connectedAdmin(settings)
    .then((admin) => offeredLogins(admin).finally(() => disconnect(admin)))
    .catch(() => []);
  if (mechanisms.length === 0) return;
  throw new FinalError(
    `${settings.brokers.join(", ")} expects a login (SASL ${mechanisms.sort().join(", ")}): see ` +
      "--command-config, or KAFKA_SECURITY_PROTOCOL",
  );
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
 * @param options.isLast Whether a listener that keeps silent is one of those: a broker that starts, or
 * is behind a bad network, does so for a while.
 */
async function refuseStrangers(
  { brokers, security }: KafkaSettings,
  { isLast }: { isLast: boolean },
): Promise<void> {
  const found = await Promise.all(brokers.map((broker) => {
    const { hostname, port } = new URL(`tcp://${broker}`);
    return listenerAt(hostname.replace(/[[\]]/g, ""), Number(port), PROBE_LIMIT_MS);
  }));
  // The probe speaks plaintext.
  const useless: Listener[] = security?.tls !== undefined
    ? ["kafka"]
    : ["stranger", "tls", ...isLast ? ["silent" as const] : []];
  if (!found.every((listener) => useless.includes(listener))) return;
  const where = brokers.join(", ");
  const problem = {
    kafka: `${where} speaks no TLS: see security.protocol`,
    tls: `${where} expects TLS: see --command-config, or KAFKA_SECURITY_PROTOCOL`,
  }[found[0] as string] ?? `what listens at ${where} does not answer as Kafka does`;
  throw new FinalError(`${problem}; name the brokers with --brokers or KAFKA_BROKERS`);
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
