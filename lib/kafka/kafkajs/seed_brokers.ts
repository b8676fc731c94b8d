/**
 * The brokers to start from: which one is tried, and what happens when it does not answer.
 *
 * @module
 */

import { createRequire } from "node:module";
import { deadline } from "../../async.ts";

const require = createRequire(import.meta.url);

/** kafkajs's errors, as far as they are used here. */
interface ErrorsModule {
  KafkaJSBrokerNotFound: new (message: string) => Error;
}

interface Address {
  host: string;
  port: number;
}

/** The options of kafkajs's module `cluster/connectionPoolBuilder`, as far as they are used here. */
interface BuilderOptions {
  brokers: string[];
}

/** The function that kafkajs's module `cluster/connectionPoolBuilder` exports. */
export type ConnectionPoolBuilder = (options: BuilderOptions) => {
  /** Connections to a broker; without an address, to one of the brokers to start from. */
  build(address?: Partial<Address>): Promise<Address>;
};

/** When brokers to start from have last failed. The many clients of a program share it. */
const failedAtMs = new Map<string, number>();

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

/**
 * Creates the function from the original, which lets each client begin with the first broker, even if
 * that has just failed, and cuts addresses at their first colon: IPv6 needs more of them.
 */
export function choosingSeedBrokers(original: ConnectionPoolBuilder): ConnectionPoolBuilder {
  return (options) => {
    const { build } = original(options);
    return {
      build(address = {}) {
        if (address.host !== undefined) return build(address);
        const failed = (seed: Address) => failedAtMs.get(keyOf(seed)) ?? -Infinity;
        const seeds = options.brokers.map(parseAddress);
        return build(seeds.reduce((best, seed) => failed(seed) < failed(best) ? seed : best));
      },
    };
  };
}

function parseAddress(address: string): Address {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(address.slice(colon + 1)) };
}

/** kafkajs's broker, as far as it is used here. */
interface Broker {
  connectionPool: Address;
  versions: unknown;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/** kafkajs's `BrokerPool`, as far as it is used here. */
interface BrokerPool {
  brokers: Record<string, Broker>;
  seedBroker: Broker | undefined;
  versions: unknown;
  logger: { error(message: string, extra: object): void };
  retrier<T>(
    attempt: (bail: (error: unknown) => void, count: number, timeMs: number) => Promise<T>,
  ): Promise<T>;
  hasConnectedBrokers(): boolean;
  createSeedBroker(): Promise<void>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
}

/** How long a broker may take to accept the connection and to answer the first request, in milliseconds. */
const CONNECT_LIMIT_MS = 3_000;

/**
 * `BrokerPool.connect`. The original stays with a broker that accepts the connection and then keeps
 * silent, as one does that is suspended: only a refused connection makes it try the next.
 */
export async function connect(this: BrokerPool): Promise<void> {
  if (this.hasConnectedBrokers()) return;
  if (this.seedBroker === undefined) await this.createSeedBroker();
  await this.retrier(async (bail, retryCount, retryTime) => {
    const seed = this.seedBroker!;
    const key = keyOf(seed.connectionPool);
    try {
      await deadline(seed.connect(), CONNECT_LIMIT_MS);
      this.versions = seed.versions;
      failedAtMs.delete(key);
    } catch (error) {
      const { message, retriable, name } = error as Error & { retriable?: boolean };
      failedAtMs.set(key, performance.now());
      this.logger.error(`Failed to connect to ${key}: ${message}`, { retryCount, retryTime });
      // Not awaited: it would wait for the answer that does not come.
      seed.disconnect().catch(() => {});
      this.seedBroker = undefined;
      await this.createSeedBroker();
      if (retriable !== true && name !== "TimeoutError") bail(error);
      throw error;
    }
  });
}

/**
 * `BrokerPool.withBroker`: asks one broker after the other, in random order, until one answers. The
 * original fails at the first one that cannot be reached, and returns `null` instead of the error when
 * none answers.
 *
 * @throws The error of the last broker.
 */
export async function withBroker<T>(
  this: BrokerPool,
  ask: (at: { nodeId: string; broker: Broker }) => Promise<T>,
): Promise<T> {
  const nodeIds = Object.keys(this.brokers);
  const { KafkaJSBrokerNotFound } = require("kafkajs/src/errors") as ErrorsModule;
  let failure: unknown = new KafkaJSBrokerNotFound("no broker is known");
  for (let left = nodeIds.length; left > 0; left--) {
    const [nodeId = ""] = nodeIds.splice(Math.floor(Math.random() * left), 1);
    try {
      return await ask({ nodeId, broker: await this.findBroker({ nodeId }) });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
