/**
 * A service at work, for a fault to be done to it: brokers behind proxies, a producer, inventory and
 * analytics. Afterwards the checker says what was lost, what happened twice and what does not add up.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { removeIfThere } from "../../dev_broker/files.ts";
import { deadline, delay } from "../../lib/async.ts";
import type { Running } from "../../lib/cli/launch.ts";
import { clusterReader } from "../../lib/kafka/kafkajs/cluster.ts";
import type { TransactionOutcome } from "../../lib/kafka/kafkajs/transaction_outcome.ts";
import type { KafkaSettings } from "../../lib/kafka/settings.ts";
import type { MetricsReport } from "../../lib/metrics_report.ts";
import { orderGenerator } from "../../lib/order_generator.ts";
import { orderEvents, transactionalId } from "../../lib/topics.ts";
import type { ProxiedCluster } from "./broker.ts";
import {
  check,
  type Finding,
  lostAndTwice,
  type Publication,
  type ReportedStock,
  type StoredOrder,
} from "./checker.ts";
import { gatherFacts, ledBounds } from "./gather_facts.ts";
import type { Proxy } from "./proxy.ts";
import { eventually, type TestRun, testRun } from "./run.ts";

/** The services. */
export type ServiceName = "inventory" | "analytics";
export const SERVICES: readonly ServiceName[] = ["inventory", "analytics"];

/** A program that runs, and what it has said. */
export interface Instance extends Running {
  lines: string[];
  hasEnded: boolean;
}

/** A producer that runs, and what it is to publish. */
interface Publishing extends Instance {
  seed: number;
}

/** The result of a scene. */
export interface Outcome {
  orders: number;
  lost: number;
  twice: number;
  /** From the end of a fault until everything that was in the topic by then was processed. */
  longestRecoveryMs: number;
  findings: Finding[];
}

/** How a scene is set up. */
export interface SceneOptions {
  name: string;
  cluster: ProxiedCluster;
  /** The least number of orders that are published. */
  orders: number;
  ordersPerSecond: number;
  /** Of everything that is random. */
  seed: number;
  /** The `--timeout` of all programs. */
  timeout: string;
  /** How long a recovery may take, in milliseconds. */
  recoveryLimitMs: number;
  note: (line: string) => void;
  signal: AbortSignal;
}

const POLL_MS = 100;
const FAILURE_RATE = 0.05;

/** Takes a topic prefix on the cluster; {@linkcode Scene.begin} starts the programs. */
export async function openScene(options: SceneOptions): Promise<Scene> {
  const run = await testRun(options.name, options.cluster);
  return new Scene(run, options);
}

/** The programs at work. */
export class Scene implements AsyncDisposable {
  readonly run: TestRun;
  readonly cluster: ProxiedCluster;
  /** Where the brokers are without the proxies. */
  readonly direct: KafkaSettings;
  /** The instances that run, by service. */
  readonly instances: Record<ServiceName, Instance[]> = { inventory: [], analytics: [] };
  /** Orders that the topic does not hold any more. */
  readonly formerOrders: StoredOrder[] = [];
  readonly note: (line: string) => void;
  readonly signal: AbortSignal;
  readonly options: SceneOptions;
  #random: RandomGenerator;
  #producer: Publishing | undefined;
  #publications: Publication[] = [];
  #longestRecoveryMs = 0;
  #reader;
  #fileCount = 0;

  /** Use {@linkcode openScene}. */
  constructor(run: TestRun, options: SceneOptions) {
    const { cluster, seed, note, signal } = options;
    this.run = run;
    this.options = options;
    this.cluster = cluster;
    this.direct = { ...run.settings, brokers: cluster.direct.split(",") };
    this.note = note;
    this.signal = signal;
    this.#random = xoroshiro128plus(seed);
    this.#reader = clusterReader(this.direct);
  }

  get proxies(): Proxy[] {
    return this.cluster.proxies;
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return uniformInt(this.#random, 0, end - 1);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /**
   * Starts an instance of a service.
   *
   * @param clockShiftMs How far its clock is ahead.
   */
  add(
    name: ServiceName,
    { args = [], clockShiftMs = 0 }: { args?: readonly string[]; clockShiftMs?: number } = {},
  ): Instance {
    const output = ["--output", `${this.run.file}.${this.#fileCount++}`];
    const instance = this.#start(`${name}.ts`, [
      ...(name === "analytics" && !args.includes("--output") ? output : []),
      ...args,
    ], clockShiftMs);
    this.instances[name].push(instance);
    return instance;
  }

  /** Starts an instance that ends by itself as soon as it has work, and returns what it says then. */
  async addThatEnds(
    name: ServiceName,
    options: Parameters<Scene["add"]>[1],
  ): Promise<string> {
    const instance = this.add(name, options);
    this.instances[name].pop();
    const { exitCode, stderr } = await this.#ended(instance);
    assertEquals(exitCode, 1, stderr);
    return stderr;
  }

  /** Replaces the instances that have ended by themselves, which must have said why. */
  async replaceEnded(why: RegExp): Promise<void> {
    for (const name of SERVICES) {
      for (const instance of this.instances[name].filter(({ hasEnded }) => hasEnded)) {
        const { exitCode, stderr } = await instance.ended;
        assertEquals(exitCode, 1, stderr.slice(-1_000));
        assertMatch(stderr.slice(-1_000), why);
        this.instances[name] = this.instances[name].filter((each) => each !== instance);
        this.add(name);
      }
    }
  }

  /** Forgets what was published: the topics begin again. */
  forget(): void {
    this.#publications = [];
    this.formerOrders.length = 0;
  }

  /** Ends an instance with a signal, and waits until it has ended. */
  async end(name: ServiceName, index: number, signal: Deno.Signal): Promise<void> {
    const [instance] = this.instances[name].splice(index, 1);
    await this.#requireRunning(name, instance!);
    instance!.kill(signal);
    const { exitCode } = await this.#ended(instance!);
    assertEquals(
      exitCode,
      { SIGKILL: 137, SIGTERM: 143 }[signal as "SIGKILL"],
      `${name}, ${signal}`,
    );
  }

  /** Ends an instance and starts another. */
  async replace(name: ServiceName, index: number, signal: Deno.Signal): Promise<void> {
    await this.end(name, index, signal);
    this.add(name);
  }

  /**
   * Starts the services and a producer that publishes until {@linkcode settle}, unless they run, and
   * waits until all work.
   *
   * @param instances How many of each service.
   */
  async begin(instances = 1): Promise<void> {
    for (const name of SERVICES) {
      while (this.instances[name].length > instances) await this.end(name, 0, "SIGTERM");
      while (this.instances[name].length < instances) this.add(name);
    }
    if (this.#producer === undefined) this.publish();
    await this.recovered("it works", { isFault: false });
  }

  /** Starts a producer, once the one before has ended. */
  publish(): void {
    assert(this.#producer === undefined, "one producer at a time");
    const seed = this.below(2 ** 31);
    const { ordersPerSecond } = this.options;
    const producer = this.#start("producer.ts", [
      ...["--count", "100000000", "--rate", String(ordersPerSecond), "--seed", String(seed)],
      ...["--failure-rate", String(FAILURE_RATE), "--span", "100000m"],
    ]);
    this.#producer = Object.assign(producer, { seed });
  }

  /** The producer that publishes now. */
  get producer(): Instance {
    return this.#producer!;
  }

  /** Waits until this number of orders is acknowledged, those of former producers included, and stops it. */
  async stopPublishing(orders = 0): Promise<void> {
    const producer = this.#producer!;
    const acknowledged = () => {
      const last = producer.lines.findLast((line) => /^\d+ orders acknowledged/.test(line));
      return parseInt(last ?? "0");
    };
    const before = this.#publications.reduce((sum, each) => sum + each.acknowledged, 0);
    await eventually(
      `${orders} orders are published`,
      () => this.signal.aborted || producer.hasEnded || before + acknowledged() >= orders,
      Infinity,
    );
    this.signal.throwIfAborted();
    producer.kill("SIGTERM");
    await this.producerEnded(143);
  }

  /** Waits until the producer ends with an exit code. */
  async producerEnded(expected: number): Promise<Record<string, unknown>> {
    const producer = this.#producer!;
    const { exitCode, stdout, stderr } = await this.#ended(producer);
    assertEquals(exitCode, expected, `the producer: ${stderr.slice(-1_000)}`);
    const summary = JSON.parse(stdout);
    const { total_orders: acknowledged, undelivered_orders: undelivered } = summary;
    const firstUndelivered = summary.first_undelivered_order as string | undefined;
    const nextOrder = orderGenerator({
      ...{ seed: producer.seed, failureRate: FAILURE_RATE, eventTimeMs: () => 0 },
    });
    // Those that were handed over: all when it was stopped, the rest of --count is not meant.
    const count = exitCode === 143 ? acknowledged + undelivered : acknowledged + MAX_UNACKNOWLEDGED;
    const ids = Array.from({ length: count }, () => nextOrder().order_id);
    this.#publications.push({ ids, acknowledged, firstUndelivered });
    this.#producer = undefined;
    return summary;
  }

  /** The id of an order of the last producer that has ended, by its number: the first has 1. */
  idOf(number: number): string | undefined {
    return this.#publications.at(-1)?.ids[number - 1];
  }

  /** How the last transaction of a service ended, by partition; `undefined` when it is forgotten. */
  transactionOutcomes(name: ServiceName): Promise<(TransactionOutcome | undefined)[]> {
    const { prefix } = this.run;
    return Promise.all(
      Array.from({ length: orderEvents(prefix).partitions }, (_, partition) => {
        const id = transactionalId(prefix + name, this.#topic, partition);
        return this.#reader.transactionOutcome(id);
      }),
    );
  }

  /**
   * Waits until all that is in the topic now is processed, and new orders are stored while there is a
   * producer. How long that takes is the recovery.
   */
  async recovered(what: string, { isFault = true } = {}): Promise<void> {
    const startedMs = performance.now();
    const { recoveryLimitMs } = this.options;
    let target: ReadonlyMap<number, bigint> | undefined;
    const sum = (offsets: ReadonlyMap<number, bigint>) =>
      [...offsets.values()].reduce((total, offset) => total + offset, 0n);
    let problem = "";
    for (;;) {
      this.signal.throwIfAborted();
      try {
        const bounds = await ledBounds(this.#reader, this.#topic);
        const ends = new Map([...bounds].map(([partition, { end }]) => [partition, end]));
        if (target === undefined && sum(ends) > 0n) target = ends;
        const committed = await this.#committed();
        const isNew = this.#producer === undefined || sum(ends) > sum(target ?? ends);
        const isDone = [...target ?? []].every(([partition, end]) =>
          SERVICES.every((name) =>
            this.instances[name].length === 0 ||
            (committed.get(name)?.get(partition) ?? 0n) >= end
          )
        );
        if (target !== undefined && isNew && isDone) break;
        const offsets = [...committed].map(([name, each]) => `${name} at ${[...each].join(" ")}`);
        problem = isNew ? `committed: ${offsets.join("; ")}` : "no new orders";
      } catch (error) {
        problem = (error as Error).message;
      }
      for (const name of SERVICES) {
        for (const instance of this.instances[name]) await this.#requireRunning(name, instance);
      }
      if (this.#producer !== undefined) await this.#requireRunning("producer", this.#producer);
      if (performance.now() - startedMs > recoveryLimitMs) {
        this.#printLastLines();
        throw new Error(`${what}: not recovered within ${recoveryLimitMs} ms: ${problem}`);
      }
      await delay(POLL_MS);
    }
    if (!isFault) return;
    const tookMs = performance.now() - startedMs;
    this.#longestRecoveryMs = Math.max(this.#longestRecoveryMs, tookMs);
    this.note(`${what}: recovered after ${(tookMs / 1_000).toFixed(1)} s`);
  }

  /** Ends the run in good order, and checks it. */
  async settle(): Promise<Outcome> {
    if (this.#producer !== undefined) await this.stopPublishing(this.options.orders);
    await this.recovered("all is processed", { isFault: false });
    const reports: MetricsReport[] = [];
    const stocks: ReportedStock[][] = [];
    await Promise.all(SERVICES.map(async (name) => {
      // One after the other, so that each has seen the others leave.
      for (const instance of this.instances[name].splice(0)) {
        await this.#requireRunning(name, instance);
        instance.kill("SIGTERM");
        const { exitCode, stdout, stderr } = await this.#ended(instance);
        assertEquals(exitCode, 143, `${name}: ${stderr.slice(-1_000)}`);
        // One that was replaced a moment ago may not have begun.
        if (stdout === "") continue;
        const result = JSON.parse(stdout);
        if (name === "analytics") reports.push(result);
        else stocks.push(result.stock);
      }
    }));
    assert(reports.length > 0 && stocks.length > 0, "a service has reported nothing");
    const { prefix } = this.run;
    const stored = await gatherFacts(this.direct, {
      ...{ prefix, groups: SERVICES, signal: this.signal },
    });
    const orders = [...this.formerOrders, ...stored.orders];
    const publications = this.#publications;
    const findings = check({ ...stored, orders, publications, reports, stocks });
    return {
      orders: orders.length,
      ...lostAndTwice(findings),
      longestRecoveryMs: this.#longestRecoveryMs,
      findings,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.close();
    await this.run[Symbol.asyncDispose]();
    for (let i = 0; i < this.#fileCount; i++) await removeIfThere(`${this.run.file}.${i}`);
  }

  get #topic(): string {
    return orderEvents(this.run.prefix).name;
  }

  async #committed(): Promise<Map<string, ReadonlyMap<number, bigint>>> {
    const groups = (await this.#reader.listGroups(this.#topic))
      .filter(({ groupId }) => SERVICES.some((name) => groupId === this.run.prefix + name));
    const committed = await this.#reader.committedOffsets(groups, this.#topic);
    return new Map(
      [...committed].map(([group, offsets]) => [group.slice(this.run.prefix.length), offsets]),
    );
  }

  #start(
    script: "producer.ts" | "inventory.ts" | "analytics.ts",
    args: readonly string[],
    clockShiftMs = 0,
  ): Instance {
    const lines: string[] = [];
    const onLine = (line: string) => lines.push(line);
    const program = this.run.start(
      script,
      ["--json", "--verbose", "--timeout", this.options.timeout, ...args],
      onLine,
      clockShiftMs,
    );
    const instance: Instance = { ...program, lines, hasEnded: false };
    program.ended.then(() => instance.hasEnded = true);
    return instance;
  }

  /** Waits for the end of a program that ends by itself. */
  #ended({ ended }: Instance): Instance["ended"] {
    return deadline(ended, this.options.recoveryLimitMs, { signal: this.signal });
  }

  /** Prints the last messages of the programs, which may say why nothing happens. */
  #printLastLines(): void {
    const all = [...this.instances.inventory, ...this.instances.analytics, this.#producer];
    for (const instance of all) {
      if (instance === undefined) continue;
      this.note(`the last lines of process ${instance.pid}:`);
      instance.lines.slice(-LAST_LINES).forEach((line) => this.note(`  ${line}`));
    }
  }

  async #requireRunning(name: string, { hasEnded, ended }: Instance): Promise<void> {
    if (!hasEnded) return;
    this.#printLastLines();
    const { exitCode, stderr } = await ended;
    throw new Error(`${name} ended by itself with exit code ${exitCode}: ${stderr.slice(-1_000)}`);
  }
}

const LAST_LINES = 40;
/** More than the producer keeps without an acknowledgement. */
const MAX_UNACKNOWLEDGED = 200_000;
