import { assertEquals } from "@std/assert";
import process from "node:process";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {}, namespace: () => logger };

/** Whether a connection may send requests that has logged in so long ago. */
function isAuthenticatedAfter(
  module: Modules,
  { ms, lifetimeMs }: Record<string, number>,
): boolean {
  const Connection = module("network/connection");
  const connection = new Connection({ host: "test", port: 9092, logger, sasl: {} });
  const [seconds, nanoseconds] = process.hrtime();
  connection.authenticatedAt = [seconds - Math.ceil(ms! / 1_000), nanoseconds];
  connection.sessionLifetime = module("utils/long").fromValue(lifetimeMs);
  return connection.isAuthenticated();
}

Deno.test("Connection.isAuthenticated allows a login most of its time; the original none of ten seconds", () => {
  const allowed = (module: Modules, lifetimeMs: number, ms: number) =>
    isAuthenticatedAfter(module, { ms, lifetimeMs });
  assertEquals([0, 8_000, 9_000].map((ms) => allowed(original, 10_000, ms)), [false, false, false]);
  assertEquals([0, 8_000, 9_000].map((ms) => allowed(repaired, 10_000, ms)), [true, true, false]);
  // Brokers refuse a second login within a second.
  assertEquals([0, 2_000].map((ms) => allowed(repaired, 500, ms)), [true, false]);
});

Deno.test("Connection.isAuthenticated takes a login without an end for valid, as the original does", () => {
  for (const module of [original, repaired]) {
    assertEquals(isAuthenticatedAfter(module, { ms: 1_000_000, lifetimeMs: 0 }), true);
  }
});

/** The requests that a queue sends while its connection logs in, and after it. */
function sentDuringLogin(module: Modules): { during: string[]; after: string[] } {
  const RequestQueue = module("network/requestQueue");
  const queue = new RequestQueue({
    requestTimeout: 1_000,
    clientId: "test",
    broker: "test:9092",
    logger,
  });
  const sent: string[] = [];
  queue.isLoggingIn = true;
  for (
    const [correlationId, apiName] of ["Produce", "SaslHandshake", "SaslAuthenticate"].entries()
  ) {
    queue.push({
      entry: { correlationId, apiName },
      expectResponse: true,
      sendRequest: () => sent.push(apiName),
    });
  }
  const during = [...sent];
  queue.isLoggingIn = false;
  queue.checkPendingRequests();
  queue.destroy();
  return { during, after: sent };
}

Deno.test("RequestQueue sends nothing between the requests of a login; the original does", () => {
  assertEquals(sentDuringLogin(original).during, [
    "Produce",
    "SaslHandshake",
    "SaslAuthenticate",
  ]);
  assertEquals(sentDuringLogin(repaired), {
    during: ["SaslHandshake", "SaslAuthenticate"],
    after: ["SaslHandshake", "SaslAuthenticate", "Produce"],
  });
});

/** The name of the error of a login that ends with this one, and what else has happened. */
async function failedLogin(module: Modules, errorOf: (errors: Modules) => Error) {
  const SASLAuthenticator = module("broker/saslAuthenticator");
  const did: string[] = [];
  const connection = {
    sasl: { mechanism: "plain", username: "alice", password: "secret" },
    requestQueue: { rejectAll: () => did.push("rejected"), checkPendingRequests() {} },
    disconnect: () => Promise.resolve(did.push("disconnected")),
    send: ({ request }: { request: { apiName: string } }) =>
      request.apiName === "SaslHandshake"
        ? Promise.resolve({ enabledMechanisms: ["PLAIN"] })
        : Promise.reject(errorOf(module)),
  };
  const versions = { 17: { maxVersion: 1 }, 36: { maxVersion: 1 } };
  const authenticator = new SASLAuthenticator(connection, logger, versions, true);
  const name = await authenticator.authenticate().catch(({ name }: Error) => name);
  return { name, did };
}

Deno.test("SASLAuthenticator reports a lost connection as such; the original as a refused login", async () => {
  const lost = (module: Modules) => new (module("errors").KafkaJSConnectionError)("lost");
  assertEquals((await failedLogin(original, lost)).name, "KafkaJSSASLAuthenticationError");
  assertEquals(await failedLogin(repaired, lost), {
    name: "KafkaJSConnectionError",
    did: ["rejected", "disconnected"],
  });
});

Deno.test("SASLAuthenticator ends the connection after a refused login; the original keeps it", async () => {
  const refused = (module: Modules) => module("protocol/error").createErrorFromCode(58);
  const name = "KafkaJSSASLAuthenticationError";
  assertEquals(await failedLogin(original, refused), { name, did: [] });
  assertEquals(await failedLogin(repaired, refused), { name, did: ["rejected", "disconnected"] });
});
