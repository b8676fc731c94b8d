/**
 * Which hosts a task may connect to: loopback, and the brokers that `KAFKA_BROKERS` names.
 *
 * A permission set in deno.json cannot hold a variable, so the tasks print the value of their
 * `--allow-net` with this file. Anything that is not `host:port` is left out: nothing else in
 * `KAFKA_BROKERS` reaches the command line, and the program reports what is wrong with it.
 *
 * Permissions: the set `net` of deno.json.
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
