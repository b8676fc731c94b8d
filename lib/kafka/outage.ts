/**
 * Telling a user, once, that no broker answers, and that one answers again.
 *
 * A program has several clients, which all see the same outage: what one has said, the others need
 * not repeat.
 *
 * @module
 */
import { printNote } from "../cli/output.ts";
import { type Connection, seconds } from "./client.ts";

/** One client's view of the brokers. */
export interface Outage {
  /** No broker has answered for a while. */
  noticed(): void;
  /** A broker has answered, or this client is gone. */
  over(): void;
}

/** The clients that wait for a broker. */
const waiting = new Set<Outage>();

/** Watches on behalf of one client. */
export function watchOutage({ timeoutMs }: Connection): Outage {
  const outage: Outage = {
    noticed() {
      if (waiting.size === 0) {
        printNote(`no broker answers, waiting up to ${seconds(timeoutMs)} for them`);
      }
      waiting.add(outage);
    },
    over() {
      if (waiting.delete(outage) && waiting.size === 0) printNote("the brokers answer again");
    },
  };
  return outage;
}
