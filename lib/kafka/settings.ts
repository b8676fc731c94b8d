/**
 * Where the brokers are, and how a program talks to them.
 *
 * @module
 */

import type { Security } from "../security_config.ts";

/** What every client of a program is made from. */
export interface KafkaSettings {
  /** `host:port` of the brokers to start from. */
  brokers: string[];
  /** The name that brokers show for this client. */
  clientId: string;
  /** How to reach secured brokers; without it in plaintext and without a login. */
  security?: Security | undefined;
  /** How long to wait for brokers that do not answer, in milliseconds. */
  timeoutMs: number;
  /** Whether {@linkcode note} also gets the Kafka client's own log. */
  verbose: boolean;
  /** Takes a line about what happens, for the user. Nothing in lib/kafka prints by itself. */
  note: (line: string) => void;
}

/**
 * The settings that the common flags describe.
 *
 * @param program The name that brokers show for this program, with the host and the process id.
 * @param options.clientId The name that brokers show instead.
 */
export function kafkaSettings(
  program: string,
  options: {
    brokers: string[];
    timeout: number;
    verbose: boolean;
    security?: Security;
    clientId?: string;
  },
  note: (line: string) => void,
): KafkaSettings {
  const { brokers, security, timeout, verbose } = options;
  const { clientId = `${program}@${Deno.hostname()}-${Deno.pid}` } = options;
  return { brokers, clientId, security, timeoutMs: timeout, verbose, note };
}

/** What follows the program in the client id of a reader; other programs do not name themselves so. */
const READER = "/reader";

/** Settings for reading with a consumer group that commits nothing; {@linkcode isReader} knows it by them. */
export function readerSettings(settings: KafkaSettings): KafkaSettings {
  const [program, ...place] = settings.clientId.split("@");
  return { ...settings, clientId: [`${program}${READER}`, ...place].join("@") };
}

/** Whether a client has {@linkcode readerSettings}. */
export function isReader(clientId: string): boolean {
  return clientId.split("@")[0]!.endsWith(READER);
}
