/**
 * Reporting an outage of the brokers once, and its end once, however many clients see it.
 *
 * @module
 */
import { formatSeconds } from "../duration.ts";
import { NO_ANSWER } from "./errors.ts";
import type { KafkaSettings } from "./settings.ts";

/** One client's view of the brokers. */
export interface Outage {
  /**
   * No broker has answered for a while, or they cannot do what they are asked for.
   *
   * @param what What is wrong, for the user.
   */
  noticed(what?: string): void;
  /** A broker has answered. */
  over(): void;
  /** This client is closed: what it has noticed counts no more. */
  closed(): void;
}

/** The clients that wait for a broker. */
const waiting = new Set<Outage>();

/** Watches on behalf of one client. */
export function watchOutage({ timeoutMs, note }: KafkaSettings): Outage {
  const outage: Outage = {
    noticed(what = NO_ANSWER) {
      if (waiting.size === 0) note(`${what}, waiting up to ${formatSeconds(timeoutMs)}`);
      waiting.add(outage);
    },
    over() {
      if (waiting.delete(outage) && waiting.size === 0) note("the brokers answer again");
    },
    closed() {
      waiting.delete(outage);
    },
  };
  return outage;
}
