/**
 * A development broker with TLS, logins and access control: its settings, and the files with which
 * programs reach it.
 *
 * Everything is in the directory `secure` of the data directory, which only the user can read:
 *
 * ```
 * ca.pem, ca.key              the authority that programs trust
 * broker.pem, broker.key      the certificate of all nodes, also between controllers
 * broker.password             the login of the nodes among each other
 * broker.env                  the same for a container, as variables
 * admin.properties            the login that may do everything
 * producer.properties …       a login for each program, for --command-config
 * ```
 *
 * Permissions: `--allow-run=openssl`, `--allow-read` and `--allow-write` for the data directory.
 *
 * @module
 */
import { PROGRAMS } from "../lib/access_rules.ts";
import type { Security } from "../lib/security_config.ts";
import { certificateAuthority } from "./certificates.ts";
import { clientListeners, escapeValue, type NodeSpec } from "./config.ts";
import { exists, ifThere, removeIfThere, writePrivateFile } from "./files.ts";

/** The users that log in with a password, by the files that hold it. */
export const USERS: readonly string[] = ["admin", ...PROGRAMS];
/** The user of the nodes themselves, and the common name of their certificate. */
const BROKER = "broker";
/** The certificates are for work on one machine: they last as long as anybody may keep its data. */
const DAYS = 3_650;
const JAAS = "org.apache.kafka.common.security";
const MECHANISM = "SCRAM-SHA-512";

/** What the nodes of a secured cluster need, in PEM and as a password. */
export interface BrokerSecrets {
  ca: string;
  cert: string;
  key: string;
  password: string;
}

/** The directory of the files. */
export function secureDirectory(dataDir: string): string {
  return `${dataDir}/secure`;
}

/** The file with the login of a user, for `--command-config`. */
export function userFile(dataDir: string, user: string): string {
  return `${secureDirectory(dataDir)}/${user}.properties`;
}

/** Reads the secrets of the nodes; makes them first where there are none. */
export async function brokerSecrets(dataDir: string): Promise<BrokerSecrets> {
  const directory = secureDirectory(dataDir);
  const passwordFile = `${directory}/${BROKER}.password`;
  const known = await ifThere(Deno.readTextFile(passwordFile));
  if (known !== undefined) {
    const [ca, cert, key] = await Promise.all(
      ["ca.pem", `${BROKER}.pem`, `${BROKER}.key`].map((name) =>
        Deno.readTextFile(`${directory}/${name}`)
      ),
    );
    return { ca: ca!, cert: cert!, key: key!, password: known.trim() };
  }
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = await Deno.makeTempDir({ dir: directory });
  try {
    const authority = await certificateAuthority("order-stream development", {
      ...{ directory: temporary, days: DAYS },
    });
    const names = "DNS:localhost,DNS:kafka,IP:127.0.0.1";
    const { cert, key } = await authority.certificate({ commonName: BROKER, names });
    const password = newPassword();
    await writePrivateFile(`${directory}/ca.pem`, authority.cert);
    await writePrivateFile(`${directory}/ca.key`, authority.key);
    await writePrivateFile(`${directory}/${BROKER}.pem`, cert);
    await writePrivateFile(`${directory}/${BROKER}.key`, key);
    // The last one: with it the others are there.
    await writePrivateFile(passwordFile, `${password}\n`);
    return { ca: authority.cert, cert, key, password };
  } finally {
    await removeIfThere(temporary);
  }
}

/** New passwords for the users that have no file yet. */
export async function newUsers(dataDir: string): Promise<{ name: string; password: string }[]> {
  const missing: { name: string; password: string }[] = [];
  for (const name of USERS) {
    if (!await exists(userFile(dataDir, name))) missing.push({ name, password: newPassword() });
  }
  return missing;
}

/** Writes the file of a user. */
export async function writeUser(
  dataDir: string,
  { name, password }: { name: string; password: string },
): Promise<void> {
  await writePrivateFile(
    userFile(dataDir, name),
    `# The login of ${name} at the development broker, for --command-config of the programs of
# this project and of Kafka's own tools.
security.protocol=SASL_SSL
sasl.mechanism=${MECHANISM}
sasl.jaas.config=${JAAS}.scram.ScramLoginModule required username="${name}" password="${password}";
ssl.truststore.type=PEM
ssl.truststore.location=${escapeValue(`${secureDirectory(dataDir)}/ca.pem`)}
`,
  );
}

/** How the nodes' own user reaches them. */
export function brokerSecurity({ ca, password }: BrokerSecrets): Security {
  return {
    tls: { ca, verifiesHost: true },
    login: { mechanism: "plain", username: BROKER, password },
  };
}

/** The settings of a secured cluster that are not secret, with Docker and with Java. */
export const SECURE_SETTINGS: Readonly<Record<string, string>> = {
  "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:SSL",
  "inter.broker.listener.name": "CLIENT",
  // PLAIN is for the nodes' own user alone, whose password is a setting.
  "sasl.enabled.mechanisms": `${MECHANISM},PLAIN`,
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.client.scram-sha-512.sasl.jaas.config": `${JAAS}.scram.ScramLoginModule required;`,
  "listener.name.controller.ssl.client.auth": "required",
  "ssl.keystore.type": "PEM",
  "ssl.truststore.type": "PEM",
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "allow.everyone.if.no.acl.found": "false",
  "super.users": `User:${BROKER};User:CN=${BROKER};User:admin`,
};

/** The settings of a secured cluster that are secret. */
export function secretSettings({ ca, cert, key, password }: BrokerSecrets): Record<string, string> {
  return {
    "ssl.keystore.certificate.chain": oneLine(cert),
    "ssl.keystore.key": oneLine(key),
    "ssl.truststore.certificates": oneLine(ca),
    "listener.name.client.plain.sasl.jaas.config": `${JAAS}.plain.PlainLoginModule required ` +
      `username="${BROKER}" password="${password}" user_${BROKER}="${password}";`,
  };
}

/** The settings of a node of a secured cluster. */
export function secureSettings(node: NodeSpec, secrets: BrokerSecrets): Record<string, string> {
  return { ...clientListeners("CLIENT", node), ...SECURE_SETTINGS, ...secretSettings(secrets) };
}

/** Writes the secret settings as variables for the container, and returns the path. */
export async function writeContainerSecrets(
  dataDir: string,
  secrets: BrokerSecrets,
): Promise<string> {
  const path = `${secureDirectory(dataDir)}/${BROKER}.env`;
  const lines = Object.entries(secretSettings(secrets))
    .map(([key, value]) => `${variableOf(key)}='${value}'\n`);
  await writePrivateFile(path, lines.join(""));
  return path;
}

/** The variable by which the container takes a setting. */
export function variableOf(setting: string): string {
  return "KAFKA_" + setting.replaceAll("-", "___").replaceAll(".", "_").toUpperCase();
}

/** 192 random bits, in letters that nothing has to escape. */
function newPassword(): string {
  return crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
}

/** PEM without line breaks, which variables cannot have. */
function oneLine(pem: string): string {
  return pem.trim().replaceAll(/\s*\n\s*/g, " ");
}
