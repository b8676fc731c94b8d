/**
 * Faults of the network: cut, refused, slow; responses that are lost and requests that come late.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { delay } from "../../../lib/async.ts";
import { API, type Message, type Verdict } from "../../support/kafka_messages.ts";
import { eventually } from "../../support/run.ts";
import { type Scene, SERVICES } from "../../support/scene.ts";
import type { Fault, Form } from "./fault.ts";

export const cutConnections: Fault = {
  summary: "all connections cut each 2 s",
  run: cutAll,
};

async function cutAll(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let cut = 0; cut < (isLong ? 20 : 3); cut++) {
    if (cut > 0) await delay(isLong ? 2_000 : 1_000, { signal: scene.signal });
    scene.proxies.forEach((proxy) => proxy.cut());
  }
  await scene.recovered("the last of the cuts");
}

export const refusedConnections: Fault = {
  summary: "no connection to any broker for 20 s",
  run: refuseAll,
};

async function refuseAll(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 2 : 1); round++) {
    await refuse(scene, isLong ? 20_000 : 4_000);
    await scene.recovered("no broker could be reached");
  }
}

/** Lets no connection to any broker come about for some time. */
export async function refuse(scene: Scene, ms: number): Promise<void> {
  scene.proxies.forEach((proxy) => proxy.refuse());
  try {
    await delay(ms, { signal: scene.signal });
  } finally {
    scene.proxies.forEach((proxy) => proxy.listen());
  }
}

export const producerGivesUp: Fault = {
  summary:
    "no connection to any broker for longer than --timeout: the producer names what it lacks",
  timeout: { long: "10s", short: "8s" },
  run: outlastTimeout,
};

async function outlastTimeout(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  await refuse(scene, isLong ? 20_000 : 12_000);
  const { lines } = scene.producer;
  const summary = await scene.producerEnded(1);
  const named = lines.find((line) => line.includes("are not acknowledged"));
  const [, missing, first, number] = named?.match(
    / (\d+) of 100000000 orders are not acknowledged; the first is (\w+) \(number (\d+)\)$/,
  ) ?? [];
  assertEquals(Number(missing), 100_000_000 - Number(summary.total_orders), named);
  assertEquals(Number(missing), summary.undelivered_orders);
  assertEquals(first, summary.first_undelivered_order);
  assertEquals(scene.idOf(Number(number)), first);
  // A service that has found no broker for as long ends, too, for an orchestrator to start it again.
  await scene.replaceEnded(/no( Kafka)? broker answers|cannot be reached/);
  scene.publish();
  await scene.recovered("no broker could be reached for longer than --timeout");
}

export const slowLink: Fault = {
  summary: "100 ms more and 3 Mbit/s for 60 s",
  ordersPerSecond: 1_000,
  run: slowDown,
};

async function slowDown(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  const former = scene.proxies.map(({ delayMs, bytesPerSecond }) => ({ delayMs, bytesPerSecond }));
  const bytesPerSecond = { up: 3_000_000 / 8, down: 3_000_000 / 8 };
  scene.proxies.forEach((proxy) => Object.assign(proxy, { delayMs: 50, bytesPerSecond }));
  try {
    await delay(isLong ? 60_000 : 6_000, { signal: scene.signal });
  } finally {
    scene.proxies.forEach((proxy, index) => Object.assign(proxy, former[index]));
  }
  await scene.recovered("the link was slow");
}

type ApiName = keyof typeof API;

/** These are asked for only when a partition is opened or a group is joined. */
const AT_START: readonly ApiName[] = ["InitProducerId", "FindCoordinator"];

/** What decides whether something happened: the other responses only start things. */
const IN_SHORT: readonly ApiName[] = ["Produce", "EndTxn", "TxnOffsetCommit"];

export const lostResponses: Fault = {
  summary: `a response lost after it was handled, once and for 10 s: ${
    Object.keys(API).join(", ")
  }`,
  run: loseResponses,
};

async function loseResponses(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (const api of isLong ? Object.keys(API) as ApiName[] : IN_SHORT) {
    // In the short form the connection goes as well: nothing has to wait for its time limit.
    await lose(scene, { api, verdict: isLong ? "drop" : "cut", forMs: 0 });
    await scene.recovered(`one response to ${api} was lost`);
    if (!isLong) continue;
    await lose(scene, { api, verdict: "drop", forMs: 10_000 });
    await scene.recovered(`all responses to ${api} were lost for 10 s`);
  }
}

/** Loses the next response to an API, or all within some time. */
async function lose(
  scene: Scene,
  { api, verdict, forMs }: { api: ApiName; verdict: Verdict; forMs: number },
): Promise<void> {
  let lost = 0;
  rule(scene, (message) => {
    const isMeant = message.kind === "response" && message.api === API[api];
    if (!isMeant || (forMs === 0 && lost > 0)) return "pass";
    lost++;
    return verdict;
  });
  try {
    if (AT_START.includes(api)) {
      await Promise.all(SERVICES.map((name) => scene.replace(name, 0, "SIGTERM")));
    }
    await delay(forMs, { signal: scene.signal });
    await eventually(`a response to ${api} is lost`, () => lost > 0);
  } finally {
    rule(scene, undefined);
  }
}

/** Decides on the messages that pass any of the proxies. */
export function rule(
  { proxies }: Scene,
  rule: ((message: Message) => Verdict | Promise<Verdict>) | undefined,
): void {
  for (const proxy of proxies) proxy.rule = rule;
}

export const lateCommit: Fault = {
  summary: "EndTxn held past the time-out of its transaction, and then delivered",
  run: delayCommits,
};

async function delayCommits(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    const delivered = Promise.withResolvers<Verdict>();
    rule(scene, ({ kind, api }) => {
      // What a service does when its commit gets no answer would abort the transaction before it expires.
      const isHeld = api === API.EndTxn || api === API.InitProducerId;
      return kind === "request" && isHeld ? delivered.promise : "pass";
    });
    try {
      // They expire after 15 s, and the brokers look for that each second.
      await delay(18_000, { signal: scene.signal });
      for (const name of SERVICES) {
        const outcomes = await scene.transactionOutcomes(name);
        // It would be unknown if an initialisation had come first.
        assert(outcomes.includes("abort"), `${name}: ${outcomes}`);
      }
    } finally {
      rule(scene, undefined);
      delivered.resolve("pass");
    }
    await scene.recovered("commits came late");
  }
}
