import { assert, assertEquals } from "@std/assert";
import { type Modules, original, repaired } from "../../../tests/support/kafkajs.ts";
import { heldTimers } from "../../../tests/support/held_timers.ts";

/** A request queue that records what it sends, and the delays of the timers it sets. */
function requestQueue(
  RequestQueue: new (options: unknown) => Queue,
  requestTimeout = 1_000,
  maxInFlightRequests = 1,
) {
  const queue = new RequestQueue({
    maxInFlightRequests,
    requestTimeout,
    enforceRequestTimeout: true,
    clientId: "test",
    broker: "test:9092",
    logger: { debug() {}, warn() {} },
  });
  const sent: number[] = [];
  const ended: string[] = [];
  return {
    queue,
    sent,
    ended,
    push(correlationId: number, apiName = "Produce") {
      queue.push({
        entry: {
          correlationId,
          apiName,
          resolve: () => ended.push("answered"),
          reject: () => ended.push("rejected"),
        },
        expectResponse: true,
        sendRequest: () => sent.push(correlationId),
      });
    },
    answer: (correlationId: number) =>
      queue.fulfillRequest({ correlationId, payload: null, size: 0 }),
  };
}

interface Queue {
  push(request: unknown): void;
  fulfillRequest(response: unknown): void;
  maybeThrottle(ms: number): void;
  waitForPendingRequests(): Promise<void>;
  scheduleRequestTimeoutCheck(): void;
  receivedBytes?(): number;
}

Deno.test("RequestQueue sets no timer while nothing waits; the original sets one after the other", () => {
  for (
    const { module, count } of [{ module: original, count: 3 }, { module: repaired, count: 0 }]
  ) {
    using held = heldTimers();
    const { sent, push, answer } = requestQueue(module("network/requestQueue"));
    push(1);
    answer(1);
    for (let round = 0; round < 2; round++) held.timers.at(-1)?.fire();
    assertEquals(held.timers.length, count);
    assertEquals(held.timers.every(({ delayMs }) => delayMs < 0), true);
    assertEquals(sent, [1]);
  }
});

Deno.test("RequestQueue sends what waited for the end of a throttling, in order", () => {
  using held = heldTimers();
  const { timers } = held;
  const { queue, sent, push, answer } = requestQueue(repaired("network/requestQueue"));
  queue.maybeThrottle(50);
  push(1);
  push(2);
  assertEquals(sent, []);
  assertEquals(timers.length, 1);
  assert(timers[0]!.delayMs > 0 && timers[0]!.delayMs <= 50);
  const { now } = Date;
  Date.now = () => now() + 100;
  try {
    timers[0]!.fire();
    assertEquals(sent, [1]);
    // The second waits for the first, as one may be in flight.
    assertEquals(timers.map(({ delayMs }) => delayMs).slice(1), [10]);
    answer(1);
    assertEquals(sent, [1, 2]);
    timers[1]!.fire();
    answer(2);
    assertEquals(timers.length, 2);
  } finally {
    Date.now = now;
  }
});

Deno.test("RequestQueue.waitForPendingRequests rejects fetches; the original waits for them", async () => {
  for (
    const { module, expected } of [{ module: original, expected: ["answered"] }, {
      module: repaired,
      expected: ["rejected"],
    }]
  ) {
    using _ = heldTimers();
    const { queue, answer, ended, push } = requestQueue(module("network/requestQueue"));
    push(1, "Fetch");
    const waited = queue.waitForPendingRequests();
    if (module === original) answer(1);
    await waited;
    assertEquals(ended, expected);
  }
});

Deno.test("RequestQueue.waitForPendingRequests waits for all but fetches, as the original does", async () => {
  for (const module of [original, repaired]) {
    using _ = heldTimers();
    const { queue, answer, ended, push } = requestQueue(module("network/requestQueue"));
    push(1, "Produce");
    const waited = queue.waitForPendingRequests();
    assertEquals(ended, []);
    answer(1);
    await waited;
    assertEquals(ended, ["answered"]);
  }
});

/** Sends a request, and checks the time limits once a second as if only that time had passed. */
function secondsUntilTimeout(
  module: Modules,
  { suspendedAfter, receiving, overtaken = false }: {
    suspendedAfter?: number;
    receiving?: number;
    /** Whether requests that are sent later are answered, one a second. */
    overtaken?: boolean;
  },
): number | undefined {
  const { setInterval } = globalThis;
  const { now } = Date;
  let ms = now();
  let check = () => {};
  Date.now = () => ms;
  globalThis.setInterval =
    ((run: () => void) => (check = run, 0)) as unknown as typeof globalThis.setInterval;
  try {
    const { queue, push, ended, answer } = requestQueue(module("network/requestQueue"), 10_000, 5);
    let second = 0;
    queue.receivedBytes = () => Math.min(second, receiving ?? 0);
    queue.scheduleRequestTimeoutCheck();
    push(1);
    for (second = 1; second <= 60; second++) {
      ms += 1_000;
      if (second === suspendedAfter) ms += 30_000;
      if (overtaken) {
        push(1 + second);
        answer(1 + second);
      }
      check();
      if (ended.includes("rejected")) return second;
    }
    return undefined;
  } finally {
    Object.assign(globalThis, { setInterval });
    Date.now = now;
  }
}

Deno.test("RequestQueue ends a request that the broker does not answer, as the original does", () => {
  for (const module of [original, repaired]) {
    assertEquals(secondsUntilTimeout(module, {}), 11);
  }
});

Deno.test("RequestQueue gives a request its time again after a suspension; the original ends it", () => {
  assertEquals(secondsUntilTimeout(original, { suspendedAfter: 3 }), 3);
  assertEquals(secondsUntilTimeout(repaired, { suspendedAfter: 3 }), 14);
});

Deno.test("RequestQueue waits for a response while it arrives; the original does not", () => {
  assertEquals(secondsUntilTimeout(original, { receiving: 20 }), 11);
  assertEquals(secondsUntilTimeout(repaired, { receiving: 20 }), 31);
});

Deno.test("RequestQueue ends a request whose response was lost while others arrive", () => {
  for (const module of [original, repaired]) {
    assertEquals(secondsUntilTimeout(module, { receiving: 60, overtaken: true }), 11);
  }
});
