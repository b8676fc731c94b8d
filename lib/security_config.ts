/**
 * How to reach secured brokers: from the settings of Kafka's own clients, as they stand in a properties
 * file or in the environment, to what is needed for a connection.
 *
 * No message of an error quotes a value that can be secret.
 *
 * @module
 */
import { parseJaasConfig } from "./properties.ts";

/** What a TLS connection needs, in PEM. */
export interface Tls {
  /** The certificates to trust; those of the system when there are none. */
  ca?: string;
  /** The certificate chain of this client. */
  cert?: string;
  /** The private key of this client. */
  key?: string;
  /** The password of the private key. */
  passphrase?: string;
  /** Whether the certificate must be for the host that is connected to. */
  verifiesHost: boolean;
}

/** How a client proves who it is. */
export type Login =
  | {
    mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    username: string;
    password: string;
  }
  | {
    mechanism: "oauthbearer";
    /** Where tokens are given out for the credentials of the client (RFC 6749, section 4.4). */
    tokenEndpoint: string;
    clientId: string;
    clientSecret: string;
    scope?: string;
  };

/** How to reach secured brokers. */
export interface Security {
  /** Without it the connection is not encrypted. */
  tls?: Tls;
  /** Without it nobody logs in. */
  login?: Login;
}

/** Settings, and how the user knows them. */
export interface SecuritySource {
  /** The values by the keys of Kafka's own clients. */
  values: ReadonlyMap<string, string>;
  /** What the user calls a key, for messages. */
  nameOf(key: string): string;
  /** Reads a file that a setting names; throws an error that says what is wrong with it. */
  readFile(path: string): string;
}

/** What the settings amount to. */
export interface SecurityConfig {
  /** How to reach the brokers. */
  security: Security;
  /** The setting `client.id`. */
  clientId?: string;
  /** Keys that are not supported and have nothing to do with security, for a message. */
  ignored: string[];
}

const PROTOCOLS = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
const MODULES: Record<string, string> = {
  "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
  "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
  "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
  "OAUTHBEARER": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
};
const SUPPORTED = new Set([
  "security.protocol",
  "client.id",
  "sasl.mechanism",
  "sasl.jaas.config",
  "sasl.oauthbearer.token.endpoint.url",
  "ssl.truststore.type",
  "ssl.truststore.location",
  "ssl.truststore.certificates",
  "ssl.keystore.type",
  "ssl.keystore.location",
  "ssl.keystore.key",
  "ssl.keystore.certificate.chain",
  // Two files, as in the environment; Java's clients know one file for both.
  "ssl.keystore.key.location",
  "ssl.keystore.certificate.location",
  "ssl.key.password",
  "ssl.endpoint.identification.algorithm",
]);
/** Keys that may be there: they say what is done in any case. */
const HARMLESS = /^sasl\.login\.callback\.handler\.class$/;

/**
 * Reads the settings.
 *
 * @throws {Error} When one is wrong, missing, or concerns security and is not supported; the message
 * names it.
 */
export function securityConfig(source: SecuritySource): SecurityConfig {
  const { values } = source;
  const unsupported = [...values.keys()].filter((key) =>
    !SUPPORTED.has(key) && !HARMLESS.test(key)
  );
  const guarding = unsupported.filter((key) => /^(ssl|sasl|security)\./.test(key));
  if (guarding.length > 0) {
    throw new Error(`not supported: ${shownKeys(source, guarding).join(", ")}`);
  }
  const protocol = chosen(source, "security.protocol", PROTOCOLS) ?? "PLAINTEXT";
  const security: Security = {
    ...(protocol.endsWith("SSL") && { tls: tlsOf(source) }),
    ...(protocol.startsWith("SASL") && { login: loginOf(source) }),
  };
  refuseUnused(source, protocol);
  const clientId = values.get("client.id");
  return { security, ...(clientId && { clientId }), ignored: shownKeys(source, unsupported) };
}

/** A line end that is missing or a backslash too many puts a secret into a key: only what looks like one is named. */
function shownKeys({ values, nameOf }: SecuritySource, keys: readonly string[]): string[] {
  return keys.map((key) => {
    const isKey = /^[a-z][a-z\d]*([._-][a-z\d]+)*$/.test(key) &&
      (key.includes(".") || values.get(key) !== "");
    return isKey ? nameOf(key) : "a key that does not look like one";
  });
}

/** A setting without effect is a mistake where security is concerned. */
function refuseUnused({ values, nameOf }: SecuritySource, protocol: string): void {
  for (
    const [prefix, isUsed] of [
      ["ssl.", protocol.endsWith("SSL")],
      ["sasl.", protocol.startsWith("SASL")],
    ] as const
  ) {
    const unused = [...values.keys()].find((key) => key.startsWith(prefix));
    if (!isUsed && unused !== undefined) {
      throw new Error(
        `${nameOf(unused)} has no effect with ${nameOf("security.protocol")} ${protocol}`,
      );
    }
  }
}

function tlsOf(source: SecuritySource): Tls {
  const { values, nameOf } = source;
  for (const store of ["ssl.truststore.type", "ssl.keystore.type"]) chosen(source, store, ["PEM"]);
  const verified = values.get("ssl.endpoint.identification.algorithm")?.toLowerCase() ?? "https";
  if (!["https", ""].includes(verified)) {
    throw new Error(
      `${nameOf("ssl.endpoint.identification.algorithm")}: expected https, or nothing for no check`,
    );
  }
  const ca = pem(source, {
    inline: "ssl.truststore.certificates",
    file: "ssl.truststore.location",
  });
  const store = pem(source, { file: "ssl.keystore.location" });
  const key = pem(source, { inline: "ssl.keystore.key", file: "ssl.keystore.key.location" });
  const cert = pem(source, {
    inline: "ssl.keystore.certificate.chain",
    file: "ssl.keystore.certificate.location",
  });
  const [hasKey, hasCert] = [store ?? key, store ?? cert];
  if ((hasKey === undefined) !== (hasCert === undefined)) {
    const missing = hasKey === undefined ? "ssl.keystore.key" : "ssl.keystore.certificate.chain";
    throw new Error(`${nameOf(missing)} is missing: a certificate and its key go together`);
  }
  const passphrase = values.get("ssl.key.password");
  return {
    verifiesHost: verified === "https",
    ...(ca !== undefined && { ca }),
    ...(hasKey !== undefined && { key: hasKey, cert: hasCert! }),
    ...(passphrase !== undefined && { passphrase }),
  };
}

/** A text in PEM, from the setting itself or from the file that another one names. */
function pem(
  { values, nameOf, readFile }: SecuritySource,
  { inline, file }: { inline?: string; file: string },
): string | undefined {
  const text = inline === undefined ? undefined : values.get(inline);
  const path = values.get(file);
  if (text === undefined && path === undefined) return undefined;
  const [key, content] = text === undefined
    ? [file, named(nameOf(file), () => readFile(path!))]
    : [inline!, text];
  if (!content.includes("-----BEGIN ")) throw new Error(`${nameOf(key)}: expected PEM`);
  return content;
}

/** What the function gives; its error begins with a name. */
function named(name: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(`${name} ${message}`, { cause });
  }
}

function loginOf(source: SecuritySource): Login {
  const { values, nameOf } = source;
  const mechanism = required(source, "sasl.mechanism", MECHANISMS);
  const text = values.get("sasl.jaas.config");
  if (text === undefined) throw new Error(`${nameOf("sasl.jaas.config")} is missing`);
  const fail = (problem: string): never => {
    throw new Error(`${nameOf("sasl.jaas.config")}: ${problem}`);
  };
  const { module, options } = (() => {
    try {
      return parseJaasConfig(text);
    } catch (error) {
      return fail((error as Error).message);
    }
  })();
  if (module !== MODULES[mechanism]) fail(`expected ${MODULES[mechanism]} for ${mechanism}`);
  const option = (name: string) => options.get(name) ?? fail(`${name} is missing`);
  if (mechanism !== "OAUTHBEARER") {
    return {
      mechanism: mechanism.toLowerCase() as "plain" | "scram-sha-256" | "scram-sha-512",
      username: option("username"),
      password: option("password"),
    };
  }
  const url = "sasl.oauthbearer.token.endpoint.url";
  const tokenEndpoint = values.get(url) ?? "";
  if (!/^https?:\/\//.test(tokenEndpoint)) throw new Error(`${nameOf(url)}: expected a URL`);
  const scope = options.get("scope");
  return {
    mechanism: "oauthbearer",
    tokenEndpoint,
    clientId: option("clientId"),
    clientSecret: option("clientSecret"),
    ...(scope !== undefined && { scope }),
  };
}

function required(source: SecuritySource, key: string, choices: string[]): string {
  const value = chosen(source, key, choices);
  if (value === undefined) {
    throw new Error(`${source.nameOf(key)} is missing: expected ${choices.join(", ")}`);
  }
  return value;
}

function chosen(
  { values, nameOf }: SecuritySource,
  key: string,
  choices: string[],
): string | undefined {
  const value = values.get(key)?.trim().toUpperCase();
  if (value === undefined || choices.includes(value)) return value;
  // Where a line end is missing, a secret can follow.
  const got = /^[\w-]{0,40}$/.test(value) ? `, got "${values.get(key)}"` : "";
  throw new Error(`${nameOf(key)}: expected ${choices.join(", ")}${got}`);
}

/** The variables of the environment that say how to reach secured brokers. */
export const SECURITY_VARIABLES = {
  KAFKA_SECURITY_PROTOCOL: "security.protocol",
  KAFKA_SASL_MECHANISM: "sasl.mechanism",
  KAFKA_SASL_USERNAME: "sasl.jaas.config",
  KAFKA_SASL_PASSWORD: "sasl.jaas.config",
  KAFKA_SASL_PASSWORD_FILE: "sasl.jaas.config",
  KAFKA_SSL_CA_FILE: "ssl.truststore.location",
  KAFKA_SSL_CERT_FILE: "ssl.keystore.certificate.location",
  KAFKA_SSL_KEY_FILE: "ssl.keystore.key.location",
} as const;

/** The name of a variable in {@linkcode SECURITY_VARIABLES}. */
export type SecurityVariable = keyof typeof SECURITY_VARIABLES;

/**
 * The settings that the environment holds, by the keys of Kafka's own clients.
 *
 * @param read Reads a file; throws an error that says what is wrong with it.
 * @throws {Error} When a variable is wrong or missing; the message names it.
 */
export function settingsOfEnvironment(
  get: (name: SecurityVariable) => string | undefined,
  read: (path: string) => string,
): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, key] of Object.entries(SECURITY_VARIABLES)) {
    const value = get(name as SecurityVariable);
    if (value !== undefined && key !== "sasl.jaas.config") values.set(key, value);
  }
  const username = get("KAFKA_SASL_USERNAME");
  const [password, file] = [get("KAFKA_SASL_PASSWORD"), get("KAFKA_SASL_PASSWORD_FILE")];
  if (username === undefined && password === undefined && file === undefined) return values;
  if (username === undefined) throw new Error("KAFKA_SASL_USERNAME is missing");
  if (password !== undefined && file !== undefined) {
    throw new Error("KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE cannot be combined");
  }
  if (password === undefined && file === undefined) {
    throw new Error("KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE is missing");
  }
  const mechanism = (get("KAFKA_SASL_MECHANISM") ?? "").trim().toUpperCase();
  if (mechanism === "OAUTHBEARER") {
    throw new Error("KAFKA_SASL_MECHANISM: OAUTHBEARER needs a file: use --command-config");
  }
  // An editor ends a file with a line end.
  const secret = password ??
    named("KAFKA_SASL_PASSWORD_FILE", () => read(file!)).replace(/\r?\n$/, "");
  const quote = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const module = MODULES[mechanism] ?? "unknown";
  values.set(
    "sasl.jaas.config",
    `${module} required username=${quote(username)} password=${quote(secret)};`,
  );
  return values;
}
