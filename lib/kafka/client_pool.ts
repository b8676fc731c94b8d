/**
 * Clients that are replaced after an error: kafkajs's own do not always find their way back to brokers
 * that were away.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { type Connection, disconnect, kafkaClient, within } from "./client.ts";

/** Lends a client that connects when it is first used. */
export interface ClientPool<T> {
  /** Runs the function with a connected client; its error is passed on and ends that client. */
  use<R>(run: (client: T) => Promise<R>): Promise<R>;
  /** Disconnects. */
  close(): Promise<void>;
}

/** Lends an admin client. */
export type AdminPool = ClientPool<Admin>;

/** Admin clients. */
export function adminPool(connection: Connection): AdminPool {
  return clientPool(connection, () => kafkaClient(connection).admin());
}

/**
 * Clients of one kind.
 *
 * @param create Makes one that is not connected yet.
 */
export function clientPool<T extends { connect(): Promise<void>; disconnect(): Promise<void> }>(
  connection: Connection,
  create: () => T,
): ClientPool<T> {
  let current: Promise<T> | undefined;

  async function connect(): Promise<T> {
    const client = create();
    await within(connection.timeoutMs, undefined, client.connect());
    return client;
  }

  async function discard(client: Promise<T>): Promise<void> {
    if (current === client) current = undefined;
    await client.then((connected) => disconnect(connected), () => {});
  }

  return {
    async use(run) {
      const client = current ??= connect();
      try {
        return await within(connection.timeoutMs, undefined, run(await client));
      } catch (error) {
        discard(client);
        throw error;
      }
    },
    async close() {
      if (current !== undefined) await discard(current);
    },
  };
}
