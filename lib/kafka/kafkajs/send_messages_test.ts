import { assertEquals } from "@std/assert";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";

/** What kafkajs gives to its module `producer/sendMessages`; each partition has its leader's number. */
function producerParts(brokers: { nodeId: string }[], leaders: () => number[]) {
  const sequences = [0, 0];
  const locks = new Map<unknown, Promise<void>>();
  const releases = new Map<unknown, () => void>();
  return {
    logger: { error: () => {}, debug: () => {} },
    partitioner: ({ message }: { message: { partition: number } }) => message.partition,
    cluster: {
      addMultipleTargetTopics: () => Promise.resolve(),
      refreshMetadataIfNecessary: () => Promise.resolve(),
      refreshMetadata: () => Promise.resolve(),
      isConnected: () => true,
      findTopicPartitionMetadata: () => [{ partitionId: 0 }, { partitionId: 1 }],
      findBroker: ({ nodeId }: { nodeId: string }) => Promise.resolve(brokers[Number(nodeId) - 1]!),
      findLeaderForPartitions(_topic: string, partitions: (string | number)[]) {
        const byNode: Record<string, (string | number)[]> = {};
        for (const partition of partitions) {
          (byNode[leaders()[Number(partition)]!] ??= []).push(partition);
        }
        return byNode;
      },
    },
    eosManager: {
      isTransactional: () => false,
      getTransactionalId: () => "",
      getProducerId: () => 1,
      getProducerEpoch: () => 0,
      addPartitionsToTransaction: () => Promise.resolve(),
      getSequence: (_topic: string, partition: number) => sequences[partition]!,
      updateSequence(_topic: string, partition: number, increment: number) {
        sequences[partition]! += increment;
      },
      async acquireBrokerLock(broker: unknown) {
        while (locks.has(broker)) await locks.get(broker);
        locks.set(broker, new Promise<void>((resolve) => releases.set(broker, resolve)));
      },
      releaseBrokerLock(broker: unknown) {
        locks.delete(broker);
        releases.get(broker)!();
      },
    },
    retrier: original("retry")({ initialRetryTime: 5, retries: 5 }),
  };
}

/**
 * Sends one message to each of two partitions, led by two brokers. The second broker refuses the
 * first request at once, while the first one is still writing; then the leaders are exchanged.
 *
 * @returns What each partition holds, as `<sequence>:<value>`, without what a broker takes for a
 * repetition.
 */
async function sendDuringFailover(module: Modules): Promise<string[][]> {
  const logs: string[][] = [[], []];
  let leaders = [1, 2];
  let refusals = 1;
  const broker = (nodeId: number) => ({
    nodeId: String(nodeId),
    // deno-lint-ignore no-explicit-any
    async produce({ topicData }: any) {
      if (nodeId === 2 && refusals-- > 0) {
        leaders = [2, 1];
        const type = "NOT_LEADER_FOR_PARTITION";
        throw Object.assign(new Error(type), {
          type,
          retriable: true,
          name: "KafkaJSProtocolError",
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
      // deno-lint-ignore no-explicit-any
      const partitions = topicData.flatMap(({ partitions }: any) => partitions);
      for (const { partition, firstSequence, messages } of partitions) {
        const entry = `${firstSequence}:${messages[0].value}`;
        if (!logs[partition]!.includes(entry)) logs[partition]!.push(entry);
      }
      return {
        topics: [{
          topicName: "t",
          partitions: partitions.map(({ partition }: { partition: number }) => ({ partition })),
        }],
      };
    },
  });
  const brokers = [broker(1), broker(2)];
  const send = module("producer/sendMessages")(producerParts(brokers, () => leaders));
  const messages = [{ partition: 0, value: "a" }, { partition: 1, value: "b" }];
  await send({ acks: -1, timeout: 1, compression: 0, topicMessages: [{ topic: "t", messages }] });
  await new Promise((resolve) => setTimeout(resolve, 50));
  return logs;
}

Deno.test("sendMessages stores each message once when leaders move; the original twice", async () => {
  assertEquals(await sendDuringFailover(repaired), [["0:a"], ["0:b"]]);
  assertEquals((await sendDuringFailover(original))[0], ["0:a", "1:a"]);
});

/** Starts a send to each of two partitions of one broker; returns how many requests are under way. */
async function sendsUnderWay(module: Modules): Promise<number> {
  let underWay = 0;
  const answer = Promise.withResolvers<void>();
  const broker = {
    nodeId: "1",
    async produce() {
      underWay++;
      await answer.promise;
      return { topics: [] };
    },
  };
  const send = module("producer/sendMessages")(producerParts([broker], () => [1, 1]));
  const sends = [0, 1].map((partition) => {
    const messages = [{ partition, value: "a" }];
    return send({
      acks: -1,
      timeout: 1,
      compression: 0,
      topicMessages: [{ topic: "t", messages }],
    });
  });
  // All that waits for no answer happens before a timer fires.
  await new Promise((resolve) => setTimeout(resolve));
  const count = underWay;
  answer.resolve();
  await Promise.all(sends);
  return count;
}

Deno.test("sendMessages sends to one partition while another waits; the original one by one", async () => {
  assertEquals(await sendsUnderWay(original), 1);
  assertEquals(await sendsUnderWay(repaired), 2);
});
