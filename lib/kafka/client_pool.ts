/**
 * Clients that are replaced after an error: kafkajs's own do not always find their way back to brokers
 * that were away.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { deadline } from "../async.ts";
import { connect, disconnect, kafkaClient } from "./client.ts";
import { isRejection } from "./errors.ts";
import type { KafkaSettings } from "./settings.ts";

/** Lends a client that connects when it is first used. */
export interface ClientPool<T> {
  /**
   * Runs the function with a connected client and passes its error on. An error that is not a
   * broker's answer retires the client: the next call gets a new one, and this one is disconnected
   * once nobody uses it any more.
   */
  use<R>(run: (client: T) => Promise<R>): Promise<R>;
  close(): Promise<void>;
}

/** Lends an admin client. */
export type AdminPool = ClientPool<Admin>;

export function adminPool(settings: KafkaSettings): AdminPool {
  return clientPool(settings, () => kafkaClient(settings).admin());
}

/** How long closing may take, in milliseconds. */
const CLOSE_LIMIT_MS = 1_000;

/** A client and how many calls use it now. */
interface Lent<T> {
  connected: Promise<T>;
  users: number;
}

/**
 * Clients of one kind.
 *
 * @param create Makes one that is not connected yet.
 */
export function clientPool<T extends { connect(): Promise<void>; disconnect(): Promise<void> }>(
  settings: KafkaSettings,
  create: () => T,
): ClientPool<T> {
  let current: Lent<T> | undefined;

  function lend(): Lent<T> {
    const client = create();
    const connected = connect(client, settings).then(() => client);
    connected.catch(() => {});
    return { connected, users: 0 };
  }

  async function end({ connected }: Lent<T>): Promise<void> {
    await connected.then((client) => disconnect(client), () => {});
  }

  return {
    async use(run) {
      const lent = current ??= lend();
      lent.users++;
      try {
        return await deadline(lent.connected.then(run), settings.timeoutMs);
      } catch (error) {
        if (current === lent && !isRejection(error)) current = undefined;
        throw error;
      } finally {
        lent.users--;
        if (current !== lent && lent.users === 0) end(lent);
      }
    },
    async close() {
      const last = current;
      current = undefined;
      // Silent brokers would keep a connection attempt, or a request, open for long.
      if (last !== undefined) await deadline(end(last), CLOSE_LIMIT_MS).catch(() => {});
    },
  };
}
