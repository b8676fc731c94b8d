/**
 * Brokers that want TLS and a login: what works, and what each mistake is called.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { freePorts } from "../../dev_broker/free_ports.ts";
import { launch, type Script } from "../../lib/cli/launch.ts";
import { testCluster } from "../support/broker.ts";
import { type Certificate, certificateAuthority } from "../support/certificates.ts";
import { setScramPassword } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { testRun } from "../support/run.ts";

const MODULE = "org.apache.kafka.common.security";
const PASSWORD = 'alice\'s "secret"';

/** The listeners beside the usual one. */
const LISTENERS = {
  LOGIN: "SASL_SSL",
  CERTIFICATE: "SSL",
  BARE: "SASL_PLAINTEXT",
  EXPIRED: "SSL",
  MISNAMED: "SSL",
};
type Listener = keyof typeof LISTENERS;

/** Settings of a broker with all of the listeners. */
function settingsOf(
  node: NodeSpec,
  { ports, ca, certificates }: {
    ports: Record<Listener, number>;
    ca: Certificate;
    certificates: Partial<Record<Listener, Certificate>>;
  },
): Record<string, string> {
  const addresses = Object.entries(ports).map(([name, port]) => `${name}://${HOST}:${port}`);
  const usual = `PLAINTEXT://${HOST}:${node.port}`;
  const jaas = (module: string, options = "") => `${MODULE}.${module} required ${options};`;
  const settings: Record<string, string> = {
    "listeners": [usual, ...addresses, `CONTROLLER://${HOST}:${node.controllerPort}`].join(),
    "advertised.listeners": [usual, ...addresses].join(),
    "listener.security.protocol.map": [
      ...["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"],
      ...Object.entries(LISTENERS).map(([name, protocol]) => `${name}:${protocol}`),
    ].join(),
    "listener.name.certificate.ssl.client.auth": "required",
    "listener.name.certificate.ssl.truststore.type": "PEM",
    "listener.name.certificate.ssl.truststore.certificates": ca.cert,
    "listener.name.bare.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.login.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    "listener.name.login.oauthbearer.sasl.jaas.config": jaas("oauthbearer.OAuthBearerLoginModule"),
  };
  const plain = jaas(
    "plain.PlainLoginModule",
    `user_alice="${PASSWORD.replaceAll('"', '\\"')}"`,
  );
  for (const name of ["login", "bare"]) {
    settings[`listener.name.${name}.plain.sasl.jaas.config`] = plain;
  }
  for (const mechanism of ["scram-sha-256", "scram-sha-512"]) {
    settings[`listener.name.login.${mechanism}.sasl.jaas.config`] = jaas("scram.ScramLoginModule");
  }
  for (const [name, { cert, key }] of Object.entries(certificates)) {
    const listener = `listener.name.${name.toLowerCase()}.ssl.keystore`;
    settings[`${listener}.type`] = "PEM";
    settings[`${listener}.certificate.chain`] = cert;
    settings[`${listener}.key`] = key;
  }
  return settings;
}

/** A server that gives out tokens which the broker takes without a signature. */
function tokenServer() {
  const encoded = (value: object) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const requests: string[] = [];
  const server = Deno.serve({ hostname: HOST, port: 0, onListen: () => {} }, async (request) => {
    requests.push(`${request.headers.get("authorization")} ${await request.text()}`);
    const now = Date.now() / 1_000;
    const claims = { sub: "alice", iat: now, exp: now + 3_600 };
    return Response.json({
      access_token: `${encoded({ alg: "none" })}.${encoded(claims)}.`,
      expires_in: 3_600,
    });
  });
  return {
    url: `http://${HOST}:${server.addr.port}/token`,
    requests,
    close: () => server.shutdown(),
  };
}

Deno.test("programs reach brokers over TLS and with logins, and name what is wrong", async (t) => {
  await using ca = await certificateAuthority("the authority of a test");
  await using other = await certificateAuthority("another authority");
  const usual = await ca.certificate({ commonName: "broker" });
  const client = await ca.certificate({ commonName: "client" });
  const names = Object.keys(LISTENERS) as Listener[];
  const free = freePorts(names.length);
  const ports = Object.fromEntries(names.map((name, index) => [name, free[index]!])) as Record<
    Listener,
    number
  >;
  const certificates = {
    LOGIN: usual,
    CERTIFICATE: usual,
    EXPIRED: await ca.certificate({ commonName: "broker", isExpired: true }),
    MISNAMED: await ca.certificate({ commonName: "broker", names: "DNS:elsewhere.test" }),
  };
  await using cluster = await testCluster(
    1,
    (node) => settingsOf(node, { ports, ca, certificates }),
  );
  await setScramPassword(cluster.brokers, { user: "bob", password: "bobs-secret" });
  await using run = await testRun("secured", cluster);
  const directory = await Deno.makeTempDir();
  const caFile = `${directory}/ca.pem`;
  await Deno.writeTextFile(caFile, ca.cert);

  let files = 0;
  const start = async (
    script: Script,
    { listener, properties, args = [] }: {
      listener: Listener;
      properties: Record<string, string>;
      args?: string[];
    },
  ) => {
    const path = `${directory}/client-${files++}.properties`;
    const lines = Object.entries(properties).map(([key, value]) =>
      `${key}=${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`
    );
    await Deno.writeTextFile(path, lines.join("\n"));
    return await launch(
      script,
      ["--topic-prefix", run.prefix, "--command-config", path, "--timeout", "5s", ...args],
      { brokers: `${HOST}:${ports[listener]}` },
    ).ended;
  };
  const tls = { "ssl.truststore.type": "PEM", "ssl.truststore.location": caFile };
  const login = (mechanism: string, module: string, options: string) => ({
    "security.protocol": "SASL_SSL",
    ...tls,
    "sasl.mechanism": mechanism,
    "sasl.jaas.config": `${MODULE}.${module} required ${options};`,
  });
  const bob = 'username="bob" password="bobs-secret"';
  const alice = `username="alice" password="${PASSWORD.replaceAll('"', '\\"')}"`;
  const tokens = tokenServer();
  const works: Record<string, { listener: Listener; properties: Record<string, string> }> = {
    "PLAIN": { listener: "LOGIN", properties: login("PLAIN", "plain.PlainLoginModule", alice) },
    "SCRAM-SHA-256": {
      listener: "LOGIN",
      properties: login("SCRAM-SHA-256", "scram.ScramLoginModule", bob),
    },
    "SCRAM-SHA-512": {
      listener: "LOGIN",
      properties: login("SCRAM-SHA-512", "scram.ScramLoginModule", bob),
    },
    "OAUTHBEARER": {
      listener: "LOGIN",
      properties: {
        ...login(
          "OAUTHBEARER",
          "oauthbearer.OAuthBearerLoginModule",
          'clientId="id" clientSecret="shh"',
        ),
        "sasl.oauthbearer.token.endpoint.url": tokens.url,
      },
    },
    "a certificate": {
      listener: "CERTIFICATE",
      properties: {
        "security.protocol": "SSL",
        ...tls,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": client.key,
        "ssl.keystore.certificate.chain": client.cert,
      },
    },
    "PLAIN without TLS on this machine": {
      listener: "BARE",
      properties: {
        ...{ "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN" },
        "sasl.jaas.config": `${MODULE}.plain.PlainLoginModule required ${alice};`,
      },
    },
  };
  let orders = 0;
  for (const [name, how] of Object.entries(works)) {
    await t.step(`producer.ts with ${name}`, async () => {
      const { exitCode, stderr } = await start("producer.ts", { ...how, args: ["--count", "50"] });
      assertEquals(exitCode, 0, stderr);
      orders += 50;
    });
  }
  await t.step("all programs with SCRAM over TLS", async () => {
    const how = works["SCRAM-SHA-512"]!;
    for (const script of ["inventory.ts", "analytics.ts"] as const) {
      const output = script === "analytics.ts" ? ["--output", run.file] : [];
      const { exitCode, stderr } = await start(script, {
        ...how,
        args: ["--until-end", ...output],
      });
      assertEquals(exitCode, 0, stderr);
    }
    for (
      const [script, args] of [["lag.ts", []], ["replay.ts", [
        "--group",
        "analytics",
        "--to",
        "earliest",
      ]]] as const
    ) {
      const { exitCode, stderr } = await start(script, { ...how, args: [...args] });
      assertEquals(exitCode, 0, stderr);
    }
    assertEquals((await readLedger(run, { inventory: true })).orders, orders);
  });

  const ssl = { "security.protocol": "SSL", ...tls };
  await Deno.writeTextFile(`${directory}/other.pem`, other.cert);
  const mistakes: [string, Listener, Record<string, string>, string][] = [
    [
      "a wrong password",
      "LOGIN",
      login("SCRAM-SHA-512", "scram.ScramLoginModule", 'username="bob" password="guess"'),
      "the login was refused",
    ],
    [
      "an unknown authority",
      "LOGIN",
      {
        ...works["SCRAM-SHA-256"]!.properties,
        "ssl.truststore.location": `${directory}/other.pem`,
      },
      "is signed by an authority that is not trusted",
    ],
    ["an expired certificate", "EXPIRED", ssl, "has expired"],
    ["a certificate for another host", "MISNAMED", ssl, "is for another host"],
    ["plaintext to a port with TLS", "CERTIFICATE", {}, "expects TLS"],
    ["TLS to a port without", "BARE", ssl, "speaks no TLS"],
    [
      "a mechanism that is not enabled",
      "BARE",
      {
        ...{ "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256" },
        "sasl.jaas.config": `${MODULE}.scram.ScramLoginModule required ${bob};`,
      },
      "does not take logins with SCRAM-SHA-256",
    ],
    ["no login", "BARE", {}, "expects a login"],
    ["no certificate", "CERTIFICATE", ssl, "it may expect a certificate of the client"],
  ];
  for (const [name, listener, properties, message] of mistakes) {
    await t.step(name, async () => {
      const { exitCode, stderr } = await start("lag.ts", { listener, properties });
      assertEquals(exitCode, 1, stderr);
      assertStringIncludes(stderr.trim().split("\n").at(-1)!, message);
      assert(!stderr.includes("secret") && !stderr.includes("guess"), stderr);
    });
  }
  assert(tokens.requests.every((request) => request.startsWith(`Basic ${btoa("id:shh")}`)));
  await tokens.close();
  await Deno.remove(directory, { recursive: true });
});
