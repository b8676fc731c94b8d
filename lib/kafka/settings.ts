/**
 * Where the brokers are, and how a program talks to them.
 *
 * @module
 */

/** What every client of a program is made from. */
export interface KafkaSettings {
  /** `host:port` of the brokers to start from. */
  brokers: string[];
  /** The name that brokers show for this client. */
  clientId: string;
  /** How long to wait for brokers that do not answer, in milliseconds. */
  timeoutMs: number;
  /** Whether {@linkcode note} also gets the Kafka client's own log. */
  verbose: boolean;
  /** Takes a line about what happens, for the user. Nothing in lib/kafka prints by itself. */
  note: (line: string) => void;
}

/** The settings that the common flags describe. */
export function kafkaSettings(
  clientId: string,
  options: { brokers: string[]; timeout: number; verbose: boolean },
  note: (line: string) => void,
): KafkaSettings {
  const { brokers, timeout, verbose } = options;
  return { brokers, clientId, timeoutMs: timeout, verbose, note };
}
