import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";

const logger = { namespace: () => logger, debug() {} };

/** The bytes of a Metadata request for these topics. */
async function requestFor(module: Modules, version: string, topics: string[]): Promise<string> {
  const request = module(`protocol/requests/metadata/${version}/request`);
  const options = version === "v1" ? { topics } : { topics, allowAutoTopicCreation: false };
  return (await request(options).encode()).buffer.toString("hex");
}

Deno.test("a Metadata request without topics asks for none; the original for all", async () => {
  for (const version of ["v1", "v4", "v6"]) {
    const end = version === "v1" ? "" : "00";
    assertEquals(await requestFor(original, version, []), "ffffffff" + end);
    assertEquals(await requestFor(repaired, version, []), "00000000" + end);
    assertEquals(await requestFor(repaired, version, ["*"]), "ffffffff" + end);
    assertEquals(
      await requestFor(repaired, version, ["a", "b"]),
      await requestFor(original, version, ["a", "b"]),
    );
  }
});

/** Metadata of two partitions; the second has no leader. */
function metadata() {
  const partitionMetadata = [
    { partitionErrorCode: 0, partitionId: 0, leader: 1 },
    { partitionErrorCode: 5, partitionId: 1, leader: -1 },
  ];
  return { topicMetadata: [{ topicErrorCode: 0, topic: "t", partitionMetadata }] };
}

Deno.test("a Metadata response with a leaderless partition is read; the original throws", async () => {
  const parse = (module: Modules) =>
    module("protocol/requests/metadata/v6/response").parse(metadata());
  await assertRejects(() => parse(original), Error, "no leader");
  assertEquals(await parse(repaired), metadata());
});

/** A cluster of kafkajs with that metadata. */
function cluster(module: Modules) {
  const Cluster = module("cluster");
  const cluster = new Cluster({ logger, brokers: ["test:9092"] });
  cluster.brokerPool.metadata = metadata();
  cluster.findBroker = ({ nodeId }: { nodeId: string }) =>
    nodeId !== "1" ? Promise.reject(new Error(`no broker ${nodeId}`)) : Promise.resolve({
      listOffsets: () =>
        Promise.resolve({
          responses: [{ topic: "t", partitions: [{ partition: 0, offset: "7" }] }],
        }),
    });
  return cluster;
}

Deno.test("Cluster.findLeaderForPartitions names a partition without a leader; the original a broker -1", () => {
  assertEquals(cluster(original).findLeaderForPartitions("t", [0, 1]), { "1": [0], "-1": [1] });
  assertEquals(cluster(repaired).findLeaderForPartitions("t", [0]), { "1": [0] });
  const error = assertThrows(() => cluster(repaired).findLeaderForPartitions("t", [0, 1]));
  const { type, topic, partition } = error as unknown as Record<string, unknown>;
  assertEquals([type, topic, partition], ["LEADER_NOT_AVAILABLE", "t", 1]);
});

Deno.test("Cluster.fetchTopicsOffset reads the other partitions beside a leaderless one; the original fails", async () => {
  const fetch = (module: Modules) =>
    cluster(module).fetchTopicsOffset([
      { topic: "t", partitions: [{ partition: 0 }, { partition: 1 }] },
    ]);
  await assertRejects(() => fetch(original), Error, "no broker -1");
  assertEquals(await fetch(repaired), [
    { topic: "t", partitions: [{ partition: 0, offset: "7" }, { partition: 1, offset: "-1" }] },
  ]);
});
