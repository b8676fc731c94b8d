import { assertEquals, assertRejects } from "@std/assert";
import { createRequire } from "node:module";
import { type ClientPool, clientPool } from "./client_pool.ts";
import { KafkaJSConnectionError } from "./kafkajs/mod.ts";

const require = createRequire(import.meta.url);
const { createErrorFromCode } = require("kafkajs/src/protocol/error") as {
  createErrorFromCode(code: number): Error;
};
const GROUP_ID_NOT_FOUND = 69;

/** A client that only knows whether it is connected. */
class PlainClient {
  isConnected = false;
  connect(): Promise<void> {
    this.isConnected = true;
    return Promise.resolve();
  }
  disconnect(): Promise<void> {
    this.isConnected = false;
    return Promise.resolve();
  }
}

function plainPool(): ClientPool<PlainClient> {
  const settings = {
    brokers: [],
    clientId: "test",
    timeoutMs: 30_000,
    verbose: false,
    note: () => {},
  };
  return clientPool(settings, () => new PlainClient());
}

function failWith(pool: ClientPool<PlainClient>, error: Error): Promise<Error> {
  return assertRejects(() => pool.use(() => Promise.reject(error)), Error);
}

Deno.test("clientPool keeps the client after a broker's answer, be it a refusal", async () => {
  const pool = plainPool();
  const first = await pool.use((client) => Promise.resolve(client));
  await failWith(pool, createErrorFromCode(GROUP_ID_NOT_FOUND));
  assertEquals(first.isConnected, true);
  assertEquals(await pool.use((client) => Promise.resolve(client)) === first, true);
  await pool.close();
  assertEquals(first.isConnected, false);
});

Deno.test("clientPool replaces the client after a lost connection, but not under another's hands", async () => {
  const pool = plainPool();
  const work = Promise.withResolvers<void>();
  let first: PlainClient | undefined;
  const using = pool.use(async (client) => {
    first = client;
    await work.promise;
    return client.isConnected;
  });
  await failWith(pool, new KafkaJSConnectionError("Closed connection"));
  const second = await pool.use((client) => Promise.resolve(client));
  assertEquals(second === first, false);
  work.resolve();
  assertEquals(await using, true, "still connected while it was used");
  await Promise.resolve();
  assertEquals(first!.isConnected, false, "disconnected once nobody used it");
  await pool.close();
});
