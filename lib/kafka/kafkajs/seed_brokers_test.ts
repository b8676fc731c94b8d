import { assertEquals, assertRejects } from "@std/assert";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";

const logger = { namespace: () => logger, debug() {}, error() {} };

/** A broker pool of kafkajs whose brokers fail to connect with these errors, by their address. */
function brokerPool(module: Modules, brokers: string[], failure: (address: string) => Error) {
  const BrokerPool = module("cluster/brokerPool");
  const connectionPoolBuilder = module("cluster/connectionPoolBuilder")({ logger, brokers });
  const retry = { retries: 3, initialRetryTime: 1, factor: 0, multiplier: 1, maxRetryTime: 1 };
  const pool = new BrokerPool({ logger, retry, connectionPoolBuilder });
  const tried: string[] = [];
  pool.createBroker = (
    { connectionPool: at }: { connectionPool: { host: string; port: number } },
  ) => {
    const address = `${at.host}:${at.port}`;
    return {
      connectionPool: at,
      isConnected: () => false,
      disconnect: () => Promise.resolve(),
      connect: () => {
        tried.push(address);
        return Promise.reject(failure(address));
      },
    };
  };
  return { pool, tried };
}

Deno.test("the connection pool builder takes IPv6 addresses; the original cuts them", async () => {
  const address = async (module: Modules) => {
    const builder = module("cluster/connectionPoolBuilder")({ logger, brokers: ["[::1]:9092"] });
    const { host, port } = await builder.build();
    return [host, port];
  };
  assertEquals(await address(original), ["[", 0]);
  assertEquals(await address(repaired), ["::1", 9092]);
});

Deno.test("BrokerPool.connect leaves a broker that keeps silent; the original stays with it", async () => {
  const { KafkaJSRequestTimeoutError } = repaired("errors");
  const silence = () => new KafkaJSRequestTimeoutError("Request ApiVersions timed out");
  const before = brokerPool(original, ["a:1", "b:1"], silence);
  await assertRejects(() => before.pool.connect());
  assertEquals(before.tried, ["a:1", "a:1", "a:1", "a:1"]);

  const after = brokerPool(repaired, ["a:1", "b:1"], silence);
  await assertRejects(() => after.pool.connect());
  assertEquals(after.tried, ["a:1", "b:1", "a:1", "b:1"]);
});

Deno.test("BrokerPool.connect begins with the broker that has not failed in another client", async () => {
  const { KafkaJSConnectionError } = repaired("errors");
  const refusal = () => new KafkaJSConnectionError("refused");
  for (const [module, first] of [[original, "c:1"], [repaired, "d:1"]] as const) {
    const brokers = ["c:1", "d:1"];
    const one = brokerPool(module, brokers.slice(0, 1), refusal);
    await assertRejects(() => one.pool.connect());
    const other = brokerPool(module, brokers, refusal);
    await assertRejects(() => other.pool.connect());
    assertEquals(other.tried[0], first);
  }
});

Deno.test("BrokerPool.withBroker throws the last error; the original returns null", async () => {
  const ask = () => Promise.reject(new Error("not permitted"));
  const withBrokers = (module: Modules) => {
    const { pool } = brokerPool(module, ["a:1"], () => new Error("refused"));
    pool.brokers = { 1: {}, 2: {} };
    pool.findBroker = () => Promise.resolve({});
    return pool;
  };
  assertEquals(await withBrokers(original).withBroker(ask), null);
  await assertRejects(() => withBrokers(repaired).withBroker(ask), Error, "not permitted");
});

Deno.test("BrokerPool.withBroker passes over a broker that cannot be reached; the original fails", async () => {
  const pool = (module: Modules) => {
    const { pool } = brokerPool(module, ["a:1"], () => new Error("refused"));
    pool.brokers = { 1: {}, 2: {} };
    pool.findBroker = ({ nodeId }: { nodeId: string }) =>
      nodeId === "1" ? Promise.reject(new Error("refused")) : Promise.resolve({});
    return pool;
  };
  const askOften = async (module: Modules) => {
    for (let times = 0; times < 50; times++) {
      await pool(module).withBroker(({ nodeId }: { nodeId: string }) => Promise.resolve(nodeId));
    }
  };
  await assertRejects(() => askOften(original), Error, "refused");
  await askOften(repaired);
});
