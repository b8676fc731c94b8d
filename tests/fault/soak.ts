/**
 * The long version of the fault tests: brokers and services of a cluster of three are killed at random
 * for as long as you like, and then every order must have been handled exactly once.
 *
 * ```sh
 * deno task soak --duration 1h
 * ```
 *
 * Starts the cluster it needs, on its own ports and in its own directory, and removes it.
 *
 * @module
 */
import { decimal, flag, type Options } from "../../lib/cli/flags.ts";
import { main } from "../../lib/cli/main.ts";
import { printNote, printResult } from "../../lib/cli/output.ts";
import { positiveDurationMs } from "../../lib/duration.ts";
import { outlive, type Victim } from "../support/outlive.ts";

/** The flags of the program. */
export const flags = {
  duration: flag({
    help: "how long orders come in and things are killed",
    value: "DURATION",
    default: "10m",
  }, positiveDurationMs),
  rate: flag({
    help: "orders per second; the comparison keeps all of them in memory",
    value: "N",
    default: "1000",
  }, decimal({ above: 0 })),
};

const VICTIMS: Victim[] = [1, 2, 3, "inventory", "analytics"];

/** Runs until the time is over. */
export async function run(
  { duration, rate }: Options<typeof flags>,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  const orders = Math.ceil(duration / 1_000 * rate);
  let kills = 0;
  await outlive({
    nodes: 3,
    orders,
    ordersPerSecond: rate,
    victims: randomly(VICTIMS),
    signal,
    onKill(victim) {
      kills++;
      const seconds = Math.round((performance.now() - startedMs) / 1_000);
      printNote(`${seconds} s: kill ${typeof victim === "number" ? `broker ${victim}` : victim}`);
    },
  });
  printResult(`${orders} orders and ${kills} kills: everything happened exactly once`);
}

function* randomly<T>(values: T[]): Generator<T> {
  for (;;) yield values[Math.floor(Math.random() * values.length)]!;
}

if (import.meta.main) {
  main({
    usage: "deno task soak",
    summary: "Kills brokers and services at random and checks that nothing is lost or done twice.",
    flags,
    examples: ["deno task soak --duration 1h", "deno task soak --duration 10m --rate 200"],
    run,
  });
}
