import { assertEquals } from "@std/assert";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";

/** A cluster of kafkajs whose brokers count how often they are asked for a coordinator. */
function clusterOf(module: Modules) {
  const logger = { namespace: () => logger, debug() {} };
  const Cluster = module("cluster");
  const cluster = new Cluster({ logger, brokers: ["test:9092"] });
  let asked = 0;
  const broker = {
    findGroupCoordinator: () => Promise.resolve({ host: "test", coordinator: { nodeId: ++asked } }),
  };
  cluster.brokerPool.withBroker = (use: (at: object) => unknown) => use({ nodeId: "1", broker });
  cluster.brokerPool.refreshMetadata = () => Promise.resolve();
  return {
    refresh: () => cluster.refreshMetadata(),
    async find(groupId: string, coordinatorType: number): Promise<number> {
      const found = await cluster.findGroupCoordinatorMetadata({ groupId, coordinatorType });
      return found.coordinator.nodeId;
    },
  };
}

const GROUP = 0;
const TRANSACTION = 1;

Deno.test("Cluster.findGroupCoordinatorMetadata asks once for a transactional id; the original each time", async () => {
  const before = clusterOf(original);
  assertEquals([await before.find("a", TRANSACTION), await before.find("a", TRANSACTION)], [1, 2]);

  const [cluster, other] = [clusterOf(repaired), clusterOf(repaired)];
  assertEquals([await cluster.find("a", TRANSACTION), await cluster.find("a", TRANSACTION)], [
    1,
    1,
  ]);
  assertEquals([await cluster.find("b", TRANSACTION), await other.find("a", TRANSACTION)], [2, 1]);
  await cluster.refresh();
  assertEquals([await cluster.find("a", TRANSACTION), await other.find("a", TRANSACTION)], [3, 1]);
});

Deno.test("Cluster.findGroupCoordinatorMetadata asks each time for a group, as the original does", async () => {
  for (const module of [original, repaired]) {
    const cluster = clusterOf(module);
    assertEquals([await cluster.find("a", GROUP), await cluster.find("a", GROUP)], [1, 2]);
  }
});
