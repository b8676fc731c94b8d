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
import { awakeMs, deadline, retry } from "../async.ts";
import { formatSeconds } from "../duration.ts";
import { explain, isRetriable, netAccessError, whileRetriable } from "./errors.ts";
import { Kafka, logLevel } from "./kafkajs/mod.ts";
import { answersKafka } from "./probe.ts";
import type { KafkaSettings } from "./settings.ts";

/** Waits between tries: 20 ms doubling up to 1 s. `CONCURRENT_TRANSACTIONS` ends within a few. */
const RETRY = { initialRetryTime: 20, multiplier: 2, maxRetryTime: 1_000, retries: 8 };
/** How long a program waits for the first answer of a port that may not be Kafka's. */
const PROBE_LIMIT_MS = 2_000;

/** A new client, not connected yet. */
export function kafkaClient({ brokers, clientId, verbose, note }: KafkaSettings): Kafka {
  const log: logCreator = () => ({ label, log: { message, error } }) =>
    note(`kafka ${label} ${message}${error === undefined ? "" : `: ${error}`}`);
  return new Kafka({
    brokers,
    clientId,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
    logLevel: verbose ? logLevel.INFO : logLevel.NOTHING,
    logCreator: log,
  });
}

/**
 * Connects an admin client, trying until a broker answers.
 *
 * @throws {Error} When none answers within `timeoutMs`, or something other than Kafka answers.
 */
export async function connectAdmin(settings: KafkaSettings, signal: AbortSignal): Promise<Admin> {
  await requireNetAccess(settings);
  const { brokers, timeoutMs, note } = settings;
  const untilMs = awakeMs() + timeoutMs;
  let isProbed = false;
  try {
    return await retry(async () => {
      const admin = kafkaClient(settings).admin({ retry: { retries: 0 } });
      try {
        // A port where something else listens accepts and then keeps silent: bound the handshake too.
        const leftMs = Math.max(100, untilMs - awakeMs());
        await deadline(admin.connect(), leftMs, { signal });
      } catch (error) {
        await disconnect(admin);
        throw error;
      }
      return admin;
    }, {
      ...whileRetriable(settings, signal),
      async onRetry(_error, attempt) {
        if (attempt > 0) return;
        isProbed = true;
        await refuseStrangers(settings);
        note(
          `no Kafka broker answers at ${brokers.join(", ")} yet, trying for ` +
            formatSeconds(timeoutMs),
        );
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!isProbed && isRetriable(error)) await refuseStrangers(settings);
    throw explain(error, settings);
  }
}

/**
 * Runs the function with an admin client that is connected, and disconnects it in the background.
 *
 * @throws {Error} As {@linkcode connectAdmin}.
 */
export async function withAdmin<T>(
  settings: KafkaSettings,
  signal: AbortSignal,
  run: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = await connectAdmin(settings, signal);
  try {
    return await run(admin);
  } finally {
    disconnect(admin);
  }
}

/** Asks for the net permission that is missing on a terminal, and explains it elsewhere. */
async function requireNetAccess({ brokers }: KafkaSettings): Promise<void> {
  for (const host of brokers) {
    const { state } = await Deno.permissions.request({ name: "net", host });
    if (state !== "granted") throw netAccessError(host);
  }
}

/** Fails when something that is not Kafka answers at every address. */
async function refuseStrangers({ brokers }: KafkaSettings): Promise<void> {
  const answers = await Promise.all(brokers.map((broker) => {
    const { hostname, port } = new URL(`tcp://${broker}`);
    return answersKafka(hostname.replace(/[[\]]/g, ""), Number(port), PROBE_LIMIT_MS);
  }));
  if (answers.every((answer) => answer === "something else")) {
    throw new Error(
      `what listens at ${brokers.join(", ")} does not answer as Kafka does; ` +
        `name the brokers with --brokers or KAFKA_BROKERS`,
    );
  }
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
