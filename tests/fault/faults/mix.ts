/**
 * All faults that can happen to a running cluster, at random.
 *
 * @module
 */
import { delay } from "../../../lib/async.ts";
import { API } from "../../support/kafka_messages.ts";
import { type Scene, SERVICES } from "../../support/scene.ts";
import { bounce, freeze, killAllBrokers } from "./brokers.ts";
import { publishPoison } from "./data.ts";
import type { Fault, Form } from "./fault.ts";
import { refuse, rule } from "./network.ts";
import { killAny } from "./processes.ts";

/** Two of these do not meet: a broker can be killed or suspended only while it runs. */
const OF_BROKERS: Record<string, (scene: Scene) => Promise<void>> = {
  "a broker was killed": (scene) => bounce(scene, "kill"),
  "a broker was restarted": (scene) => bounce(scene, "stop"),
  "a broker was suspended": (scene) => freeze(scene, 1 + scene.below(3), 5_000),
  "all brokers were killed": killAllBrokers,
};

const OTHERS: Record<string, (scene: Scene) => Promise<void>> = {
  "an instance was killed or stopped": killAny,
  "an instance was suspended": suspendAny,
  "connections were cut": (scene) => Promise.resolve(scene.pick(scene.proxies).cut()),
  "no broker could be reached": (scene) => refuse(scene, 5_000),
  "a link was slow": slowDown,
  "a link was silent": silence,
  "responses were lost": loseResponses,
  "a record was not an order": (scene) => publishPoison(scene),
};

const FAULTS = { ...OF_BROKERS, ...OTHERS };

export const mix: Fault = {
  summary: "twelve kinds of faults at random, one or two at a time, for ten minutes",
  // Faults that follow each other can keep an instance from working for longer than the usual 30 s.
  timeout: { long: "2m", short: "3m" },
  run: mixAll,
};

async function mixAll(scene: Scene, { mixMs }: Form): Promise<void> {
  await scene.begin(2);
  const endMs = performance.now() + mixMs;
  while (performance.now() < endMs) {
    // One, or two that meet.
    const first = scene.pick(Object.keys(FAULTS));
    const second = scene.pick(Object.keys(first in OF_BROKERS ? OTHERS : FAULTS));
    const names = [...new Set(scene.below(2) === 0 ? [first] : [first, second])];
    const laterMs = scene.below(1_000);
    await Promise.all(names.map(async (name, index) => {
      await delay(index * laterMs, { signal: scene.signal });
      await FAULTS[name]!(scene);
    }));
    await scene.recovered(names.join("; "));
  }
}

async function slowDown(scene: Scene): Promise<void> {
  const proxy = scene.pick(scene.proxies);
  const { delayMs } = proxy;
  proxy.delayMs = 20 + scene.below(200);
  try {
    await delay(5_000, { signal: scene.signal });
  } finally {
    proxy.delayMs = delayMs;
  }
}

async function silence(scene: Scene): Promise<void> {
  const proxy = scene.pick(scene.proxies);
  proxy.isSilent = true;
  try {
    await delay(4_000, { signal: scene.signal });
  } finally {
    proxy.isSilent = false;
  }
}

async function loseResponses(scene: Scene): Promise<void> {
  const api = scene.pick(Object.values(API));
  let seen = 0;
  rule(
    scene,
    // Each third. Not at random: how many there are would decide which faults the seed gives.
    (message) =>
      message.kind === "response" && message.api === api && ++seen % 3 === 0 ? "cut" : "pass",
  );
  try {
    await delay(4_000, { signal: scene.signal });
  } finally {
    rule(scene, undefined);
  }
}

async function suspendAny(scene: Scene): Promise<void> {
  const instance = scene.pick(scene.instances[scene.pick(SERVICES)]);
  instance.kill("SIGSTOP");
  try {
    await delay(8_000, { signal: scene.signal });
  } finally {
    instance.kill("SIGCONT");
  }
}
