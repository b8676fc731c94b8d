/**
 * An admin client that is replaced after an error: kafkajs's own does not always find its way back
 * to brokers that were away.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { type Connection, disconnect, kafkaClient, within } from "./connect.ts";

/** Lends an admin client. */
export interface AdminPool {
  /** Runs the function with a connected client; its error is passed on and ends that client. */
  use<T>(run: (admin: Admin) => Promise<T>): Promise<T>;
  /** Disconnects. */
  close(): Promise<void>;
}

/** An admin client that connects when it is first used. */
export function adminPool(connection: Connection): AdminPool {
  let current: Promise<Admin> | undefined;

  async function connect(): Promise<Admin> {
    const admin = kafkaClient(connection).admin();
    await within(connection.timeoutMs, undefined, admin.connect());
    return admin;
  }

  async function discard(admin: Promise<Admin>): Promise<void> {
    if (current === admin) current = undefined;
    await admin.then((client) => disconnect(client), () => {});
  }

  return {
    async use(run) {
      const admin = current ??= connect();
      try {
        return await within(connection.timeoutMs, undefined, run(await admin));
      } catch (error) {
        discard(admin);
        throw error;
      }
    },
    async close() {
      if (current !== undefined) await discard(current);
    },
  };
}
