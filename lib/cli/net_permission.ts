/**
 * Which hosts a task may connect to: loopback, and the brokers that `KAFKA_BROKERS` names.
 *
 * The tasks in deno.json run this file to make the value of their `--allow-net`, because their
 * shell cannot leave out an empty variable, and an empty host is an error there. A name that is no
 * `host:port` is left out; the program itself then says what is wrong with it.
 *
 * Permissions: `--allow-env=KAFKA_BROKERS`.
 *
 * @module
 */

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/** The value for `--allow-net`. */
export function netPermission(brokers: string | undefined): string {
  const named = (brokers ?? "").split(",").map((broker) => broker.trim())
    .filter((broker) => /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(broker));
  return [...LOOPBACK, ...named].join(",");
}

if (import.meta.main) console.log(netPermission(Deno.env.get("KAFKA_BROKERS")));
