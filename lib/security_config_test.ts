import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseProperties } from "./properties.ts";
import { securityConfig, settingsOfEnvironment } from "./security_config.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const files: Record<string, string> = {
  "/ca.pem": PEM,
  "/client.pem": PEM + "-----BEGIN PRIVATE KEY-----\n",
  "/text": "not PEM",
  "/password": "s3cret\n",
};

function readFile(path: string): string {
  const text = files[path];
  if (text === undefined) throw new Error(`"${path}": there is no such file or directory`);
  return text;
}

function configOf(text: string) {
  return securityConfig({ values: parseProperties(text), nameOf: (key) => key, readFile });
}

function environment(variables: Record<string, string>) {
  const values = settingsOfEnvironment((name) => variables[name], readFile);
  return securityConfig({ values, nameOf: (key) => key, readFile });
}

const PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule";
const OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

Deno.test("securityConfig reads the files of Kafka's own tools", () => {
  assertEquals(configOf(""), { security: {}, ignored: [] });
  assertEquals(
    configOf(`
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=${SCRAM} required username="bob" password="s3cret";
ssl.truststore.type=PEM
ssl.truststore.location=/ca.pem
client.id=shop
acks=all
bootstrap.servers=kafka:9093
`),
    {
      security: {
        tls: { verifiesHost: true, ca: PEM },
        login: { mechanism: "scram-sha-512", username: "bob", password: "s3cret" },
      },
      clientId: "shop",
      ignored: ["acks", "bootstrap.servers"],
    },
  );
  assertEquals(
    configOf(`
security.protocol = ssl
ssl.endpoint.identification.algorithm=
ssl.keystore.type=PEM
ssl.keystore.location=/client.pem
ssl.key.password=s3cret
`).security,
    {
      tls: {
        verifiesHost: false,
        key: files["/client.pem"]!,
        cert: files["/client.pem"]!,
        passphrase: "s3cret",
      },
    },
  );
  assertEquals(
    configOf(`
security.protocol=SASL_SSL
sasl.mechanism=OAUTHBEARER
sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler
sasl.oauthbearer.token.endpoint.url=https://login.test/token
sasl.jaas.config=${OAUTH} required clientId="shop" clientSecret="s3cret" scope="kafka";
`).security.login,
    {
      mechanism: "oauthbearer",
      tokenEndpoint: "https://login.test/token",
      clientId: "shop",
      clientSecret: "s3cret",
      scope: "kafka",
    },
  );
});

Deno.test("securityConfig names the setting that is wrong, and quotes no secret", () => {
  const sasl = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n";
  const cases: [string, string][] = [
    [
      "security.protocol=TLS",
      'security.protocol: expected PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL, got "TLS"',
    ],
    ["security.protocol=SASL_SSL", "sasl.mechanism is missing: expected PLAIN"],
    ["security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI", "sasl.mechanism: expected PLAIN"],
    [sasl, "sasl.jaas.config is missing"],
    [`${sasl}sasl.jaas.config=s3cret`, "sasl.jaas.config: expected "],
    [`${sasl}sasl.jaas.config=${SCRAM} required password="s3cret";`, `expected ${PLAIN} for PLAIN`],
    [`${sasl}sasl.jaas.config=${PLAIN} required password="s3cret";`, "username is missing"],
    [
      `${sasl}sasl.jaas.config=${PLAIN} required password=s3cret`,
      "sasl.jaas.config: expected OPTION",
    ],
    [
      "security.protocol=SSL\nssl.truststore.type=JKS",
      'ssl.truststore.type: expected PEM, got "JKS"',
    ],
    ["security.protocol=SSL\nssl.truststore.location=/none", '"/none": there is no such file'],
    [
      "security.protocol=SSL\nssl.truststore.location=/text",
      "ssl.truststore.location: expected PEM",
    ],
    [
      "security.protocol=SSL\nssl.truststore.password=s3cret",
      "not supported: ssl.truststore.password",
    ],
    [
      `security.protocol=SSL\nssl.keystore.key=${PEM.replaceAll("\n", "\\n")}`,
      "ssl.keystore.certificate.chain is missing",
    ],
    ["security.protocol=SSL\nssl.endpoint.identification.algorithm=ldap", "expected https"],
    [
      "ssl.truststore.location=/ca.pem",
      "ssl.truststore.location has no effect with security.protocol PLAINTEXT",
    ],
    ["sasl.mechanism=PLAIN", "sasl.mechanism has no effect"],
  ];
  for (const [text, message] of cases) {
    const error = assertThrows(() => configOf(text), Error, message);
    assert(!error.message.includes("s3cret"), error.message);
  }
});

Deno.test("settingsOfEnvironment makes the same of variables", () => {
  assertEquals(environment({}).security, {});
  const password = 's3"cr\\et';
  const login = { mechanism: "plain" as const, username: "al ice", password };
  const variables = {
    KAFKA_SECURITY_PROTOCOL: "SASL_SSL",
    KAFKA_SASL_MECHANISM: "plain",
    KAFKA_SASL_USERNAME: "al ice",
    KAFKA_SSL_CA_FILE: "/ca.pem",
  };
  assertEquals(environment({ ...variables, KAFKA_SASL_PASSWORD: password }).security, {
    tls: { verifiesHost: true, ca: PEM },
    login,
  });
  assertEquals(
    environment({ ...variables, KAFKA_SASL_PASSWORD_FILE: "/password" }).security.login,
    {
      ...login,
      password: "s3cret",
    },
  );
  assertEquals(
    environment({
      KAFKA_SECURITY_PROTOCOL: "SSL",
      KAFKA_SSL_CERT_FILE: "/client.pem",
      KAFKA_SSL_KEY_FILE: "/client.pem",
    }).security.tls?.key,
    files["/client.pem"],
  );
  const cases: [Record<string, string>, string][] = [
    [{ KAFKA_SASL_PASSWORD: "s3cret" }, "KAFKA_SASL_USERNAME is missing"],
    [{ KAFKA_SASL_USERNAME: "a" }, "KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE is missing"],
    [
      { KAFKA_SASL_USERNAME: "a", KAFKA_SASL_PASSWORD: "s3cret", KAFKA_SASL_PASSWORD_FILE: "/x" },
      "cannot be combined",
    ],
    [
      { ...variables, KAFKA_SASL_MECHANISM: "OAUTHBEARER", KAFKA_SASL_PASSWORD: "s3cret" },
      "use --command-config",
    ],
  ];
  for (const [wrong, message] of cases) {
    const error = assertThrows(() => environment(wrong), Error, message);
    assert(!error.message.includes("s3cret"), error.message);
  }
});

Deno.test("securityConfig quotes no secret of a file in which line ends are missing", () => {
  const jaas = 'sasl.jaas.config=M required \n username="a" password="hunter2";';
  for (
    const text of [
      jaas.replace("\\\n", "\n"),
      `security.protocol=SASL_SSL\nsasl.mechanism=PLAIN \\\n${jaas}`,
      "security.protocol=SSL\nssl.truststore.type=PEM password=hunter2",
      "hunter2",
    ]
  ) {
    let said = "";
    try {
      said = configOf(text).ignored.join();
    } catch (error) {
      said = (error as Error).message;
    }
    assert(said !== "" && !said.includes("hunter2"), said);
  }
});
