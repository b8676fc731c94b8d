/**
 * A broker with a second listener, for measuring our own programs over TLS with a login beside the same
 * broker in plaintext.
 *
 * Permissions: `--allow-run=openssl`.
 *
 * @module
 */
import { certificateAuthority } from "../dev_broker/certificates.ts";
import { HOST, type NodeSpec } from "../dev_broker/config.ts";
import { freePorts } from "../dev_broker/free_ports.ts";
import { setScramPasswords } from "../lib/kafka/access_control.ts";
import { adminPool } from "../lib/kafka/client_pool.ts";
import type { KafkaSettings } from "../lib/kafka/settings.ts";
import { type Client, ORDER_STREAM } from "./peers.ts";

const USER = { name: "bench", password: "secret" };
const MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule";

/** A second listener of the broker, with TLS and SCRAM-SHA-512. */
export interface SecuredListener {
  /** Settings of the broker. */
  settings: Record<string, string>;
  /** Flags of the broker's Java. */
  javaFlags: string[];
  /** Our programs, connected to it. Call it when the broker runs. */
  client(settings: KafkaSettings): Promise<Client>;
}

/**
 * Prepares a listener for a broker that is not started yet.
 *
 * @param options.directory Where the settings of its clients are written.
 */
export async function securedListener(
  node: NodeSpec,
  { directory }: { directory: string },
): Promise<SecuredListener> {
  const [port] = freePorts(1);
  const ca = await certificateAuthority("the benchmark", { directory, days: 2 });
  const { cert, key } = await ca.certificate({ commonName: "broker" });
  const config = `${directory}/secured.properties`;
  const properties = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.jaas.config": `${MODULE} required username="${USER.name}" password="${USER.password}";`,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.certificates": ca.cert.replaceAll("\n", "\\n"),
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  await Deno.writeTextFile(config, lines.join(""));
  const addresses = `PLAINTEXT://${HOST}:${node.port},SECURED://${HOST}:${port}`;
  const listener = "listener.name.secured";
  return {
    settings: {
      "listeners": `${addresses},CONTROLLER://${HOST}:${node.controllerPort}`,
      "advertised.listeners": addresses,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
      [`${listener}.ssl.keystore.type`]: "PEM",
      [`${listener}.ssl.keystore.certificate.chain`]: cert,
      [`${listener}.ssl.keystore.key`]: key,
      [`${listener}.sasl.enabled.mechanisms`]: "SCRAM-SHA-512",
      [`${listener}.scram-sha-512.sasl.jaas.config`]: `${MODULE} required;`,
    },
    // Without its second compiler, as the development broker starts Java, catching up took 2.7 times
    // as long as in plaintext.
    javaFlags: ["-XX:TieredStopAtLevel=4"],
    async client(plaintext) {
      const admin = adminPool(plaintext);
      await admin.use((client) => setScramPasswords(client, [USER]));
      await admin.close();
      return {
        ...ORDER_STREAM,
        name: "over TLS",
        command(work) {
          const command = ORDER_STREAM.command({ ...work, brokers: `${HOST}:${port}` });
          return { ...command, args: [...command.args, "--command-config", config] };
        },
      };
    },
  };
}
