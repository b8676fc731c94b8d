/**
 * The long form of the fault tests: a fault is done to a service at work, and then every order must be
 * there once, with its movements, its metrics and its stock.
 *
 * ```sh
 * deno task soak all --rounds 3
 * deno task soak zombies
 * deno task soak mix --duration 1h
 * ```
 *
 * Each fault gets a new cluster, on free ports and in a directory that is removed. What is done
 * and what has to hold then is described in docs/RELIABILITY.md.
 *
 * @module
 */
import {
  COMMON_FLAGS,
  decimal,
  flag,
  type Options,
  toggle,
  wholeNumber,
} from "../../lib/cli/flags.ts";
import { main } from "../../lib/cli/main.ts";
import { printNote, printResult, printWarning } from "../../lib/cli/output.ts";
import { table } from "../../lib/cli/text.ts";
import { positiveDurationMs } from "../../lib/duration.ts";
import { proxiedCluster } from "../support/broker.ts";
import { openScene, type Outcome } from "../support/scene.ts";
import { FAULTS } from "./faults/all.ts";
import type { Fault, Form } from "./faults/fault.ts";

/** The commands of the program. */
export const commands = {
  all: "all of them",
  ...Object.fromEntries(Object.entries(FAULTS).map(([name, { summary }]) => [name, summary])),
};

/** The flags of the program. */
export const flags = {
  rounds: flag({
    help: "how often each fault is done, at least 1",
    value: "N",
    default: "1",
  }, wholeNumber({ min: 1 })),
  orders: flag({
    help: "how many orders are published in each round, at least 1000; all are kept in memory",
    value: "N",
    default: "100000",
  }, wholeNumber({ min: 1_000 })),
  rate: flag({
    help: "orders per second, above 0",
    value: "N",
    default: "2000",
  }, decimal({ above: 0 })),
  duration: flag({
    help: "how long the mix goes on",
    value: "DURATION",
    default: "10m",
  }, positiveDurationMs),
  seed: flag({
    help:
      "0 to 4294967295; what is random in the first round, and one more in each (default random)",
    value: "N",
    example: "7",
  }, wholeNumber({ min: 0, max: 0xffff_ffff })),
  short: toggle("the short form, as the tests do it"),
  json: toggle("print the result as JSON"),
};

/** A recovery that takes longer is a problem, in milliseconds. */
const RECOVERY_LIMIT_MS = 60_000;

/** What the rounds of one fault came to. */
interface Row {
  fault: string;
  orders: number;
  rounds: number;
  lost: number;
  twice: number;
  /** Whatever else was wrong, or why a round ended early. */
  problems: string[];
  longest_recovery_seconds: number;
}

/** Does the faults, prints the table; the exit code is 0 only when nothing was wrong. */
export async function run(
  options: Options<typeof flags>,
  signal: AbortSignal,
  command: string,
): Promise<number> {
  const names = command === "all" ? Object.keys(FAULTS) : [command];
  const firstSeed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
  const rows: Row[] = [];
  for (const name of names) {
    const fault = FAULTS[name]!;
    const row: Row = {
      ...{ fault: name, orders: 0, rounds: 0, lost: 0, twice: 0, problems: [] },
      longest_recovery_seconds: 0,
    };
    rows.push(row);
    const missing = fault.missing?.();
    if (missing !== undefined) {
      printWarning(`${name} is left out: ${missing}`);
      row.problems.push(`left out: ${missing}`);
      continue;
    }
    for (let round = 0; round < options.rounds && !signal.aborted; round++) {
      const seed = (firstSeed + round) % 2 ** 32;
      printNote(`${name}, round ${round + 1} of ${options.rounds}, seed ${seed}`);
      try {
        add(row, await play(name, fault, { ...options, seed, signal }));
      } catch (error) {
        if (signal.aborted) break;
        const reason = firstOf(error as Error);
        row.problems.push(`seed ${seed}: ${reason.message}`);
        printWarning(`${name}: ${reason.stack}`);
      }
    }
    if (signal.aborted) break;
  }
  printResult(options.json ? JSON.stringify({ faults: rows }) : resultText(rows));
  return rows.every(({ lost, twice, problems }) => lost + twice + problems.length === 0) ? 0 : 1;
}

/** The error before those of the cleaning up that it led to. */
function firstOf(error: Error): Error {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error;
}

async function play(
  name: string,
  { nodes = 3, settings = {}, timeout, ordersPerSecond, run }: Fault,
  { orders, rate, duration, short, seed, signal }: Omit<Options<typeof flags>, "seed"> & {
    seed: number;
    signal: AbortSignal;
  },
): Promise<Outcome> {
  await using cluster = await proxiedCluster(nodes, settings);
  await using scene = await openScene({
    ...{ name, cluster, orders, seed, signal },
    recoveryLimitMs: RECOVERY_LIMIT_MS,
    ordersPerSecond: Math.min(rate, ordersPerSecond ?? rate),
    // A user's programs have the default.
    timeout: timeout?.[short ? "short" : "long"] ?? COMMON_FLAGS.timeout.default!,
    note: (line) => printNote(`  ${line}`),
  });
  const form: Form = { isLong: !short, mixMs: duration };
  const outcome = await run(scene, form) ?? await scene.settle();
  const seconds = (outcome.longestRecoveryMs / 1_000).toFixed(1);
  printNote(
    `  ${outcome.orders} orders: ${outcome.lost} lost, ${outcome.twice} twice, ` +
      `longest recovery ${seconds} s`,
  );
  return outcome;
}

function add(row: Row, { orders, lost, twice, longestRecoveryMs, findings }: Outcome): void {
  row.orders += orders;
  row.rounds++;
  row.lost += lost;
  row.twice += twice;
  row.longest_recovery_seconds = Math.max(
    row.longest_recovery_seconds,
    Number((longestRecoveryMs / 1_000).toFixed(1)),
  );
  for (const { damage, count, example } of findings) {
    const problem = `${damage}, ${count} times: ${example}`;
    row.problems.push(problem);
    printWarning(problem);
  }
}

function resultText(rows: readonly Row[]): string {
  const cells = rows.map(({ fault, orders, rounds, lost, twice, ...row }) => [
    ...[fault, String(orders), String(rounds), String(lost), String(twice)],
    ...[`${row.longest_recovery_seconds.toFixed(1)} s`, row.problems.join("; ")],
  ]);
  const heading = ["FAULT", "ORDERS", "ROUNDS", "LOST", "TWICE", "LONGEST RECOVERY", ""];
  return table(heading, cells, { left: [0, 6] });
}

if (import.meta.main) {
  main({
    usage: "deno task soak",
    summary: "Does faults to the service at work, and checks that nothing is lost or done twice.",
    commands,
    flags,
    examples: ["deno task soak all --rounds 3", "deno task soak mix --duration 1h --seed 7"],
    run,
  });
}
