import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";
import { decodeFetched, storedBatch } from "../../../tests/support/record_batches.ts";
import { isRetriable } from "../errors.ts";
import { RECORDS_AT } from "./fetched_records.ts";
import { heldTimers } from "../../../tests/support/held_timers.ts";

interface Fetched {
  topic: string;
  partition: number;
}

interface FetchRequest {
  maxBytes: number;
  topics: { partitions: { maxBytes: number }[] }[];
}

const logger = { namespace: () => logger, debug() {}, info() {}, warn() {}, error() {} };
const TOPIC = "t";
const PARTITIONS = [0, 1, 2];

/**
 * A consumer group of kafkajs that has three partitions and is at offset 5 in each.
 *
 * @param answer Called while a fetch is under way; the broker then answers for all partitions.
 */
function consumerGroup(
  module: Modules,
  {
    answer = () => {},
    messages = [{ offset: "5", isControlRecord: false }],
    maxWaitTimeInMs = 60_000,
    nodeIds = () => [1],
  }: {
    answer?: () => void | Promise<void>;
    messages?: unknown[];
    maxWaitTimeInMs?: number;
    nodeIds?: () => number[];
  } = {},
) {
  const cluster = {
    refreshMetadataIfNecessary: () => Promise.resolve(),
    findTopicPartitionMetadata: () =>
      PARTITIONS.map((partitionId) => ({ partitionId, leader: 1, replicas: [1], isr: [1] })),
    getNodeIds: nodeIds,
    committedOffsets: () => ({}),
    findBroker: () => Promise.resolve({ fetch }),
  };
  const requests: FetchRequest[] = [];
  async function fetch(request: FetchRequest) {
    requests.push(request);
    await answer();
    const partitions = PARTITIONS.map((partition) => ({
      partition,
      highWatermark: "100",
      messages,
    }));
    return { responses: [{ topicName: TOPIC, partitions }] };
  }
  function offsetManager() {
    const OffsetManager = module("consumer/offsetManager");
    const memberAssignment = { [TOPIC]: PARTITIONS };
    const manager = new OffsetManager({
      cluster,
      memberAssignment,
      autoCommit: false,
      groupId: "g",
    });
    manager.committedOffsets()[TOPIC] = { 0: "5", 1: "5", 2: "5" };
    return manager;
  }
  const ConsumerGroup = module("consumer/consumerGroup");
  const group = new ConsumerGroup({ cluster, logger, topics: [TOPIC], maxWaitTimeInMs });
  group.offsetManager = offsetManager();
  group.subscriptionState.assign([{ topic: TOPIC, partitions: PARTITIONS }]);
  return {
    group,
    /** What was requested of the broker. */
    requests,
    /** A new assignment, of the same partitions at the same offsets. */
    rejoin: () => group.offsetManager = offsetManager(),
  };
}

/** A runner of kafkajs that is consuming, and the partitions whose batches it has handled. */
function runnerOf(module: Modules, consumerGroup: unknown, runnerLogger: object = logger) {
  const handled: number[] = [];
  const Runner = module("consumer/runner");
  const runner = new Runner({
    logger: runnerLogger,
    consumerGroup,
    instrumentationEmitter: { emit() {} },
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: ({ batch }: { batch: Fetched }) => Promise.resolve(handled.push(batch.partition)),
  });
  runner.running = true;
  return { runner, handled };
}

/** Runs all intervals at once, whenever the test wants; until the end of the scope. */
function heldIntervals() {
  const { setInterval } = globalThis;
  const intervals: (() => void)[] = [];
  globalThis.setInterval =
    ((run: () => void) => intervals.push(run)) as unknown as typeof setInterval;
  return {
    run: () => intervals.forEach((run) => run()),
    [Symbol.dispose]: () => void (globalThis.setInterval = setInterval),
  };
}

function partitionsOf(batches: Fetched[]): number[] {
  return batches.map(({ partition }) => partition);
}

Deno.test("ConsumerGroup.fetch reads a large batch on, piece by piece", async () => {
  const values = Array.from({ length: 30 }, (_, index) => ({ value: `${index}`.repeat(250_000) }));
  const batch = await storedBatch(values, { firstOffset: 0n });
  const { source } = await decodeFetched(repaired, batch);
  const { group } = consumerGroup(repaired, { messages: source });
  const offsets: number[] = [];
  while (offsets.at(-1) !== 29) {
    const batches = await group.fetch(1);
    assertEquals(partitionsOf(batches), PARTITIONS);
    const [{ messages }] = batches;
    offsets.push(...messages.map(({ offset }: { offset: string }) => Number(offset)));
    for (const partition of PARTITIONS) {
      group.resolveOffset({ topic: TOPIC, partition, offset: batches[partition].lastOffset() });
    }
  }
  assertEquals(offsets, Array.from({ length: 25 }, (_, index) => index + 5));
});

Deno.test("ConsumerGroup.fetch requests less of what is compressed: it takes the same memory", async () => {
  const values = [{ value: "order ".repeat(60_000) }];
  const plain = await storedBatch(values, { firstOffset: 5n });
  const batch = await storedBatch(values, { firstOffset: 5n, compression: 4 });
  const { source } = await decodeFetched(repaired, Buffer.concat([batch, batch]));
  const { group, requests } = consumerGroup(repaired, { messages: source });
  group.maxBytesPerPartition = 1_000_000;
  await group.fetch(1);
  await group.fetch(1);
  const ratio = plain.length / batch.length;
  const limits = requests.map(({ maxBytes, topics: [topic] }) => [
    maxBytes,
    topic!.partitions[0]!.maxBytes,
  ]);
  assertEquals(limits, [
    [1_048_576, 1_000_000],
    [Math.ceil(3_145_728 / ratio), Math.ceil(1_000_000 / ratio)],
  ]);
});

Deno.test("ConsumerGroup.fetch names the records that cannot be read", async () => {
  const batch = await storedBatch([{ value: "v".repeat(99) }], {
    firstOffset: 5n,
    compression: 1,
  });
  const { source } = await decodeFetched(repaired, batch.fill(0xff, RECORDS_AT));
  const { group } = consumerGroup(repaired, { messages: source });
  const error = await assertRejects(
    () => group.fetch(1),
    Error,
    "partition 0 of t cannot be read at offset 5",
  );
  assertEquals(isRetriable(error), false);
});

Deno.test("ConsumerGroup.fetch leaves out what is behind the position; the original shows it", async () => {
  for (
    const { module, expected } of [{ module: original, expected: [0, 1] }, {
      module: repaired,
      expected: [0],
    }]
  ) {
    const { group } = consumerGroup(module, {
      answer() {
        group.offsetManager.resolveOffset({ topic: TOPIC, partition: 1, offset: "9" });
        group.seek({ topic: TOPIC, partition: 2, offset: "1" });
      },
    });
    assertEquals(partitionsOf(await group.fetch(1)), expected);
  }
});

Deno.test("ConsumerGroup.fetch leaves out what an earlier assignment asked for; the original shows it", async () => {
  for (
    const { module, expected } of [{ module: original, expected: [0, 1, 2] }, {
      module: repaired,
      expected: [],
    }]
  ) {
    const { group, rejoin } = consumerGroup(module, { answer: () => rejoin() });
    assertEquals(partitionsOf(await group.fetch(1)), expected);
  }
});

Deno.test("Runner.handleBatch leaves out a batch that a rejoin has overtaken; the original shows it", async () => {
  for (
    const { module, expected } of [{ module: original, expected: [0, 1] }, {
      module: repaired,
      expected: [0],
    }]
  ) {
    const { group, rejoin } = consumerGroup(module);
    const { runner, handled } = runnerOf(module, group);
    const [first, second] = await group.fetch(1);
    await runner.handleBatch(first);
    rejoin();
    await runner.handleBatch(second);
    assertEquals(handled, expected);
  }
});

Deno.test("ConsumerGroup.fetch with all partitions paused ends after a resume; the original sleeps on", async () => {
  for (
    const { module, expected } of [{ module: original, expected: [60_000] }, {
      module: repaired,
      expected: [60_000, 5],
    }]
  ) {
    const { group } = consumerGroup(module);
    group.pause([{ topic: TOPIC }]);
    using held = heldTimers();
    const fetches = [group.fetch(1)];
    await held.idle();
    group.resume([{ topic: TOPIC, partitions: [0] }]);
    assertEquals(held.timers.map(({ delayMs }) => delayMs), expected);
    held.timers.at(-1)!.fire();
    assertEquals(await Promise.all(fetches), [[]]);
  }
});

Deno.test("ConsumerGroup.fetch with all partitions paused ends with Runner.stop", async () => {
  const { group } = consumerGroup(repaired);
  const { runner } = runnerOf(repaired, group);
  group.pause([{ topic: TOPIC }]);
  const fetches = [group.fetch(1), group.fetch(2)];
  await runner.stop();
  assertEquals(await Promise.all(fetches), [[], []]);
});

Deno.test("ConsumerGroup.fetch follows a seek while all is paused, as the original does", async () => {
  for (const module of [original, repaired]) {
    const { group } = consumerGroup(module, { maxWaitTimeInMs: 1 });
    group.pause([{ topic: TOPIC }]);
    group.seek({ topic: TOPIC, partition: 2, offset: "70" });
    assertEquals(await group.fetch(1), []);
    assertEquals(String(group.offsetManager.nextOffset(TOPIC, 2)), "70");
  }
});

Deno.test("ConsumerGroup.fetch sends heartbeats while it is under way; the original sends none", async () => {
  for (
    const { module, expected } of [{ module: original, expected: 0 }, {
      module: repaired,
      expected: 1,
    }]
  ) {
    using intervals = heldIntervals();
    const { group } = consumerGroup(module, { answer: () => intervals.run() });
    let heartbeats = 0;
    Object.assign(group, { memberId: "m", lastRequest: 0, instrumentationEmitter: { emit() {} } });
    group.coordinator = { heartbeat: () => Promise.resolve(heartbeats++) };
    await group.fetch(1);
    assertEquals(heartbeats, expected);
  }
});

Deno.test("ConsumerGroup.fetch ends with the error of a heartbeat", async () => {
  using intervals = heldIntervals();
  const { group } = consumerGroup(repaired, {
    answer() {
      intervals.run();
      return new Promise(() => {});
    },
  });
  Object.assign(group, { memberId: "m", lastRequest: 0 });
  group.coordinator = { heartbeat: () => Promise.reject(new Error("rebalancing")) };
  await assertRejects(() => group.fetch(1), Error, "rebalancing");
});

Deno.test("Runner.stop does not wait for a fetch under way; the original does", async () => {
  for (
    const { module, expected } of [{ module: original, expected: ["answered", "stopped"] }, {
      module: repaired,
      expected: ["stopped", "answered"],
    }]
  ) {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const { group } = consumerGroup(module, {
      answer() {
        asked.resolve();
        return answer.promise;
      },
    });
    const { runner } = runnerOf(module, group);
    runner.scheduleFetchManager();
    await asked.promise;
    const order: string[] = [];
    const stopped = runner.stop().then(() => order.push("stopped"));
    if (module === repaired) await stopped;
    else await new Promise((resolve) => setTimeout(resolve, 0));
    order.push("answered");
    answer.resolve();
    await stopped;
    assertEquals(order, expected);
  }
});

Deno.test("Runner.stop ends the fetchers that a change of brokers replaces; in the original they never yield", async () => {
  for (
    const { module, isEndless } of [{ module: original, isEndless: true }, {
      module: repaired,
      isEndless: false,
    }]
  ) {
    let emptyFetches = 0;
    const counting = {
      ...logger,
      namespace: () => counting,
      debug(message: string) {
        if (message !== "consumer not running, exiting") return;
        // Nothing else would end the loop.
        if (++emptyFetches >= 1_000) throw new Error("enough");
      },
    };
    const stopping = Promise.withResolvers<Promise<void>>();
    const { group, requests } = consumerGroup(module, {
      nodeIds() {
        if (requests.length === 0) return [1];
        stopping.resolve(runner.stop());
        return [1, 2];
      },
    });
    const { runner } = runnerOf(module, group, counting);
    runner.scheduleFetchManager();
    await stopping.promise;
    assertEquals(emptyFetches >= 1_000, isEndless);
  }
});

Deno.test("OffsetManager.setDefaultOffset moves the position; the original commits -2", async () => {
  for (
    const { module, expected } of [{ module: original, expected: ["-2"] }, {
      module: repaired,
      expected: [],
    }]
  ) {
    const commits: string[] = [];
    const OffsetManager = module("consumer/offsetManager");
    const manager = new OffsetManager({
      groupId: "g",
      memberAssignment: { [TOPIC]: PARTITIONS },
      topicConfigurations: { [TOPIC]: { fromBeginning: true } },
      coordinator: {
        isConnected: () => true,
        offsetCommit: (request: { topics: { partitions: { offset: unknown }[] }[] }) =>
          commits.push(String(request.topics[0]!.partitions[0]!.offset)),
      },
      cluster: {
        committedOffsets: () => ({}),
        defaultOffset: ({ fromBeginning }: { fromBeginning: boolean }) => fromBeginning ? -2 : -1,
        fetchTopicsOffset(topics: unknown) {
          const partitions = [{ partition: 1 }];
          assertEquals(topics, [{ topic: TOPIC, partitions, fromBeginning: true }]);
          return Promise.resolve([{ partitions: [{ partition: 1, offset: "700" }] }]);
        },
      },
    });
    manager.committedOffsets()[TOPIC] = { 0: "3", 1: "4" };
    await manager.setDefaultOffset({ topic: TOPIC, partition: 1 });
    assertEquals(commits, expected);
    if (module === repaired) {
      assertEquals(String(manager.nextOffset(TOPIC, 1)), "700");
      assertEquals(manager.committedOffsets()[TOPIC], { 0: "3", 1: "4" });
    }
  }
});
