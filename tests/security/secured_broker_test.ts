/**
 * Brokers that want TLS and a login: what works, and what each mistake is called.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { freePorts } from "../../dev_broker/free_ports.ts";
import { deadline } from "../../lib/async.ts";
import { table } from "../../lib/cli/text.ts";
import { launch, type Script } from "../../lib/cli/launch.ts";
import { testCluster } from "../support/broker.ts";
import { type Certificate, certificateAuthority } from "../support/certificates.ts";
import { setScramPassword } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { testRun } from "../support/run.ts";
import { tokenServer, unsignedToken } from "../support/token_server.ts";

const MODULE = "org.apache.kafka.common.security";
const PASSWORD = 'alice\'s "secret"';

/** How long a program may take that has --timeout 10m and does not wait for it, in milliseconds. */
const AT_ONCE_MS = 60_000;

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
    { listener, properties, timeout = "5m", args = [] }: {
      listener: Listener;
      properties: Record<string, string>;
      timeout?: string;
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
      ["--topic-prefix", run.prefix, "--command-config", path, "--timeout", timeout, ...args],
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
  await using tokens = tokenServer();
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
  const stranger = await other.certificate({ commonName: "client" });
  const scram = login("SCRAM-SHA-512", "scram.ScramLoginModule", bob);
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
    ["no login", "BARE", {}, "expects a login (SASL PLAIN)"],
    ["no login over TLS", "LOGIN", ssl, "expects a login (SASL OAUTHBEARER, PLAIN, SCRAM-SHA-256,"],
    ["no certificate", "CERTIFICATE", ssl, "it expects a certificate of the client"],
    [
      "a certificate of an unknown authority",
      "CERTIFICATE",
      {
        ...ssl,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": stranger.key,
        "ssl.keystore.certificate.chain": stranger.cert,
      },
      "it does not accept the certificate of this client",
    ],
    [
      "a login to a port without",
      "CERTIFICATE",
      { ...works["a certificate"]!.properties, ...scram, "security.protocol": "SASL_SSL" },
      "does not expect a login",
    ],
  ];
  const messages: string[][] = [];
  const failsAtOnce = async (
    name: string,
    how: Parameters<typeof start>[1],
    message: string,
  ) => {
    const { exitCode, stderr } = await deadline(
      start("lag.ts", { ...how, timeout: "10m" }),
      AT_ONCE_MS,
    );
    assertEquals(exitCode, 1, stderr);
    const line = stderr.trim().split("\n").at(-1)!;
    messages.push([name, line]);
    assertStringIncludes(line, message);
    assert(!stderr.includes("secret") && !stderr.includes("guess"), stderr);
  };
  for (const [name, listener, properties, message] of mistakes) {
    await t.step(name, async () => {
      await failsAtOnce(name, { listener, properties }, message);
    });
  }

  const withTokens = (url: string) => ({
    ...works["OAUTHBEARER"]!.properties,
    "sasl.oauthbearer.token.endpoint.url": url,
  });
  await using secured = tokenServer({ certificate: usual });
  const refusals: [string, () => Response, string][] = [
    [
      "a token that has expired",
      () => Response.json({ access_token: unsignedToken(-60), expires_in: 60 }),
      `the token was refused by ${HOST}:${ports.LOGIN}`,
    ],
    [
      "credentials that the token server refuses",
      () => Response.json({ error: "invalid_client" }, { status: 401 }),
      `${tokens.url} refuses a token: HTTP 401 (invalid_client)`,
    ],
    ["an answer that is not JSON", () => new Response("<html>"), "its answer is not JSON"],
    ["an answer without a token", () => Response.json({}), "no access_token in its answer"],
  ];
  for (const [name, answer, message] of refusals) {
    await t.step(name, async () => {
      tokens.answer = answer;
      await failsAtOnce(name, { listener: "LOGIN", properties: withTokens(tokens.url) }, message);
    });
  }
  const endpoints: [string, string, string][] = [
    ["a token server of an unknown authority", secured.url, "an authority that is not trusted"],
    [
      "a token server without TLS",
      tokens.url.replace("http:", "https:"),
      "it does not speak TLS: see sasl.oauthbearer.token.endpoint.url",
    ],
  ];
  for (const [name, url, message] of endpoints) {
    await t.step(
      name,
      () => failsAtOnce(name, { listener: "LOGIN", properties: withTokens(url) }, message),
    );
  }
  console.log(table(["MISTAKE", "MESSAGE"], messages, { left: [0, 1] }));
  await t.step("a token server that is down is tried until --timeout", async () => {
    const [closed] = freePorts(1);
    const url = `http://${HOST}:${closed}/token`;
    const how = { listener: "LOGIN" as const, properties: withTokens(url), timeout: "5s" };
    const { exitCode, stderr } = await start("lag.ts", how);
    assertEquals(exitCode, 1, stderr);
    const message = `${url}, which gives out tokens, cannot be used: connection refused`;
    const [first, last] = stderr.trim().split("\n");
    assertEquals(first, `${message}, trying for 5 s`);
    assertEquals(last, `error: ${message}`);
  });
  await t.step("a token server that fails for a while is tried again", async () => {
    let failures = 3;
    tokens.answer = () => {
      if (--failures === 0) tokens.answer = undefined;
      return new Response("", { status: 503 });
    };
    const how = { listener: "LOGIN" as const, properties: withTokens(tokens.url) };
    const { exitCode, stderr } = await start("lag.ts", how);
    assertEquals([exitCode, failures], [0, 0], stderr);
  });
  assert(tokens.requests.every((request) => request.startsWith(`Basic ${btoa("id:shh")}`)));
  await Deno.remove(directory, { recursive: true });
});
