/**
 * Logins that end after a time: programs log in again, and nothing of it can be seen.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { freePorts } from "../../dev_broker/free_ports.ts";
import type { Script } from "../../lib/cli/launch.ts";
import { testCluster } from "../support/broker.ts";
import { caughtUp, setScramPassword } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { Logins } from "../support/logins.ts";
import { Proxy } from "../support/proxy.ts";
import { testRun } from "../support/run.ts";
import { tokenServer } from "../support/token_server.ts";

const MODULE = "org.apache.kafka.common.security";
/** The time after which a login ends, in milliseconds. */
const SESSION_MS = 2_000;
/** How long a token is valid, in seconds: it ends a login before the setting of the broker does. */
const TOKEN_SECONDS = 6;
/** Few at a time: each is a transaction or two, and other tests run meanwhile. */
const ORDERS = 180;
const ORDERS_PER_SECOND = 15;

const MECHANISMS = {
  "PLAIN": {
    module: `${MODULE}.plain.PlainLoginModule`,
    options: 'username="alice" password="secret"',
    onBroker: 'user_alice="secret"',
    sessionMs: SESSION_MS,
    renewals: 4,
  },
  "SCRAM-SHA-512": {
    module: `${MODULE}.scram.ScramLoginModule`,
    options: 'username="bob" password="secret"',
    onBroker: "",
    sessionMs: SESSION_MS,
    renewals: 4,
  },
  "OAUTHBEARER": {
    module: `${MODULE}.oauthbearer.OAuthBearerLoginModule`,
    options: 'clientId="id" clientSecret="secret"',
    onBroker: "",
    sessionMs: 60_000,
    renewals: 2,
  },
};

/** Settings of a broker whose logins end after a time. */
function settingsOf(
  { port, controllerPort }: NodeSpec,
  { listening, advertised }: { listening: number; advertised: number },
): Record<string, string> {
  const settings: Record<string, string> = {
    "listeners":
      `PLAINTEXT://${HOST}:${port},LOGIN://${HOST}:${listening},CONTROLLER://${HOST}:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://${HOST}:${port},LOGIN://${HOST}:${advertised}`,
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
    "listener.name.login.sasl.enabled.mechanisms": Object.keys(MECHANISMS).join(),
  };
  for (const [name, { module, onBroker, sessionMs }] of Object.entries(MECHANISMS)) {
    const prefix = `listener.name.login.${name.toLowerCase()}`;
    settings[`${prefix}.sasl.jaas.config`] = `${module} required ${onBroker};`;
    settings[`${prefix}.connections.max.reauth.ms`] = String(sessionMs);
  }
  return settings;
}

Deno.test("programs log in again in the middle of transactions", async (t) => {
  const [listening] = freePorts(1);
  using proxy = new Proxy(listening!);
  await using cluster = await testCluster(
    1,
    (node) => settingsOf(node, { listening: listening!, advertised: proxy.port }),
  );
  await setScramPassword(cluster.brokers, { user: "bob", password: "secret" });
  await using tokens = tokenServer({ lifetimeSeconds: TOKEN_SECONDS });
  const directory = await Deno.makeTempDir();

  for (const [mechanism, { module, options, renewals }] of Object.entries(MECHANISMS)) {
    await t.step(mechanism, async () => {
      await using run = await testRun("reauthentication", cluster);
      const logins = proxy.watcher = new Logins();
      const path = `${directory}/${mechanism}.properties`;
      await Deno.writeTextFile(
        path,
        [
          "security.protocol=SASL_PLAINTEXT",
          `sasl.mechanism=${mechanism}`,
          `sasl.jaas.config=${module} required ${options};`,
          ...mechanism === "OAUTHBEARER"
            ? [`sasl.oauthbearer.token.endpoint.url=${tokens.url}`]
            : [],
        ].join("\n"),
      );
      // The last --brokers counts.
      const how = ["--brokers", `${HOST}:${proxy.port}`, "--command-config", path, "--json"];
      const lines: string[] = [];
      const start = (script: Script, args: string[]) =>
        run.start(script, [...how, ...args], (line) => lines.push(line));
      const inventory = start("inventory.ts", []);
      const analytics = start("analytics.ts", ["--output", run.file]);
      const producers = [
        start("producer.ts", ["--count", `${ORDERS}`, "--rate", `${ORDERS_PER_SECOND}`]),
        // Its connections are idle for longer than a login lasts.
        start("producer.ts", ["--count", "4", "--rate", "0.3"]),
      ];
      for (const { ended } of producers) {
        const { exitCode, stderr } = await ended;
        assertEquals(exitCode, 0, stderr);
      }
      for (const name of ["inventory", "analytics"]) await caughtUp(run, name);
      const ended = logins.ended.length;
      inventory.kill("SIGTERM");
      analytics.kill("SIGTERM");
      const results = await Promise.all([inventory.ended, analytics.ended]);
      assertEquals(results.map(({ exitCode }) => exitCode), [143, 143]);
      const ledger = await readLedger(run, { inventory: true });
      assertEquals(ledger.orders, ORDERS + 4, "accepted means stored, once");
      assertEquals(JSON.parse(results[1]!.stdout), ledger.report);

      const again = ["producer", "inventory", "analytics"]
        .map((name) => logins.repeated(`order-stream-${name}`));
      assert(again.every((count) => count >= renewals), `logins on one connection: ${again}`);
      assertEquals(logins.misplaced, []);
      // On a busy machine a request may come too late, after the end of the login.
      assert(ended <= Math.max(...again), `the broker has ended ${ended} connections`);
      assertEquals(lines.filter((line) => /waiting|trying|answer/.test(line)), []);
    });
  }
  await Deno.remove(directory, { recursive: true });
});
