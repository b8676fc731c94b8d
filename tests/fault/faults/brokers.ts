/**
 * Faults of the brokers: killed, restarted, suspended.
 *
 * @module
 */
import { delay } from "../../../lib/async.ts";
import { orderEvents } from "../../../lib/topics.ts";
import { withAdmin } from "../../support/admin.ts";
import type { Scene } from "../../support/scene.ts";
import type { Fault, Form } from "./fault.ts";

const NODES = [1, 2, 3];

export const bouncedBrokers: Fault = {
  summary: "a broker restarted five times, in good order and with kill -9",
  run: bounceBrokers,
};

async function bounceBrokers(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 5 : 1); round++) {
    if (isLong) {
      await bounce(scene, "stop");
      await scene.recovered("a broker was restarted");
    }
    await bounce(scene, "kill");
    await scene.recovered("a broker was killed");
  }
}

/** Ends any of the brokers and starts it again. */
export async function bounce(scene: Scene, how: "stop" | "kill"): Promise<void> {
  const node = scene.pick(NODES);
  await scene.cluster[how](node);
  await scene.cluster.start(node);
}

export const frozenLeader: Fault = {
  summary: "the leader of a partition suspended for 10 s, again and again",
  run: freezeLeaders,
};

async function freezeLeaders(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 5 : 1); round++) {
    await freeze(scene, await leaderOf(scene, scene.below(6)), isLong ? 10_000 : 5_000);
    await scene.recovered("a leader was suspended");
  }
}

/** Suspends a broker for some time. */
export async function freeze(scene: Scene, node: number, ms: number): Promise<void> {
  await scene.cluster.signal(node, "SIGSTOP");
  try {
    await delay(ms, { signal: scene.signal });
  } finally {
    await scene.cluster.signal(node, "SIGCONT");
  }
}

async function leaderOf({ direct, run }: Scene, partition: number): Promise<number> {
  const topic = orderEvents(run.prefix).name;
  const { topics } = await withAdmin(
    direct,
    (admin) => admin.fetchTopicMetadata({ topics: [topic] }),
  );
  return topics[0]!.partitions.find(({ partitionId }) => partitionId === partition)!.leader;
}

export const killedBrokers: Fault = {
  summary: "all brokers killed at once and started again",
  run: killBrokers,
};

async function killBrokers(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    await killAllBrokers(scene);
    await scene.recovered("all brokers were killed");
  }
}

/** Kills all brokers and starts them again. */
export async function killAllBrokers({ cluster }: Scene): Promise<void> {
  await Promise.all(NODES.map((node) => cluster.kill(node)));
  await Promise.all(NODES.map((node) => cluster.start(node)));
}

export const onlyBroker: Fault = {
  summary: "the only broker killed and started again",
  nodes: 1,
  run: killOnlyBroker,
};

async function killOnlyBroker(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 5 : 1); round++) {
    await scene.cluster.kill(1);
    await scene.cluster.start(1);
    await scene.recovered("the only broker was killed");
  }
}

export const rollingRestarts: Fault = {
  summary: "the brokers restarted one after the other, each 5 s",
  run: restartBrokers,
};

async function restartBrokers(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let restart = 0; restart < (isLong ? 12 : 2); restart++) {
    if (isLong && restart > 0) await delay(5_000, { signal: scene.signal });
    const node = restart % 3 + 1;
    await scene.cluster.stop(node);
    await scene.cluster.start(node);
  }
  await scene.recovered("all brokers were restarted");
}
