import { assertEquals, assertRejects } from "@std/assert";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";

const PARTITIONS = [{ partition: 0, errorCode: 0 }, { partition: 1, errorCode: 29 }];

/** Responses about partition 1 of "t", or about "t", each with the error TOPIC_AUTHORIZATION_FAILED. */
const RESPONSES: Record<string, { response: object; partition?: number }> = {
  "produce/v7": {
    response: { topics: [{ topicName: "t", partitions: PARTITIONS }] },
    partition: 1,
  },
  "metadata/v6": {
    response: { topicMetadata: [{ topic: "t", topicErrorCode: 29, partitionMetadata: [] }] },
  },
  "fetch/v11": {
    response: { responses: [{ topicName: "t", partitions: PARTITIONS }] },
    partition: 1,
  },
  "createPartitions/v1": {
    response: { topicErrors: [{ topic: "t", errorCode: 29, errorMessage: null }] },
  },
  "listOffsets/v3": {
    response: { responses: [{ topic: "t", partitions: PARTITIONS }] },
    partition: 1,
  },
  "addPartitionsToTxn/v1": {
    response: {
      errors: [{ topic: "s", partitionErrors: [{ partition: 0, errorCode: 55 }] }, {
        topic: "t",
        partitionErrors: PARTITIONS,
      }],
    },
    partition: 1,
  },
};

async function errorOf(module: Modules, name: string, response: object) {
  const { parse } = module(`protocol/requests/${name}/response`);
  return await assertRejects(() => parse(response)) as unknown as Record<string, unknown>;
}

for (const [name, { response, partition }] of Object.entries(RESPONSES)) {
  Deno.test(`an error of ${name} names its topic and partition; the original does not`, async () => {
    assertEquals((await errorOf(original, name, response)).topic, undefined);
    const error = await errorOf(repaired, name, response);
    assertEquals([error.type, error.topic, error.partition], [
      "TOPIC_AUTHORIZATION_FAILED",
      "t",
      partition,
    ]);
  });
}

Deno.test("a refused topic comes with the reason of the broker; the original drops it", async () => {
  const reason = "at least 3 replicas";
  const response = { topicErrors: [{ topic: "t", errorCode: 44, errorMessage: reason }] };
  const reasonOf = async (module: Modules) => {
    const { errors } = await errorOf(module, "createTopics/v3", response);
    const [{ type, reason }] = errors as [Record<string, unknown>];
    return [type, reason];
  };
  assertEquals(await reasonOf(original), ["POLICY_VIOLATION", undefined]);
  assertEquals(await reasonOf(repaired), ["POLICY_VIOLATION", reason]);
});

Deno.test("an error of a request names its group or transactional id; the original does not", async () => {
  const requests: [string, object, string | undefined, string | undefined][] = [
    ["joinGroup", { groupId: "g" }, "g", undefined],
    ["findGroupCoordinator", { groupId: "g", coordinatorType: 0 }, "g", undefined],
    ["findGroupCoordinator", { groupId: "id", coordinatorType: 1 }, undefined, "id"],
    ["addOffsetsToTxn", { groupId: "g", transactionalId: "id" }, "g", "id"],
    ["describeGroups", { groupIds: ["g"] }, "g", undefined],
  ];
  for (const [method, request, group, transactionalId] of requests) {
    const failed = async (module: Modules) => {
      const { prototype } = module("broker") as { prototype: Record<string, () => Promise<never>> };
      const broker = Object.assign(Object.create(prototype), {
        lookupRequest: () => () => {
          throw new Error("refused");
        },
      });
      return await assertRejects(() => broker[method](request)) as unknown as Record<
        string,
        unknown
      >;
    };
    assertEquals(Object.keys(await failed(original)), []);
    const error = await failed(repaired);
    assertEquals([error.group, error.transactionalId], [group, transactionalId]);
  }
});
