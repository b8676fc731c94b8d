import { assert, assertEquals, assertThrows } from "@std/assert";
import { createRequire } from "node:module";
import { applyFixes, type Require } from "./kafkajs_fixes.ts";

const require = createRequire(import.meta.url) as unknown as Require;

/** A module of kafkajs as it is in use, fixes included. */
// deno-lint-ignore no-explicit-any
function fixed(name: string): any {
  return require(`kafkajs/src/${name}`);
}

/** A module of kafkajs as it was released, in a copy of its own. */
// deno-lint-ignore no-explicit-any
function original(name: string): any {
  const { cache } = require;
  const inUse = { ...cache };
  for (const file of Object.keys(cache)) delete cache[file];
  try {
    return require(`kafkajs/src/${name}`);
  } finally {
    for (const file of Object.keys(cache)) delete cache[file];
    Object.assign(cache, inUse);
  }
}

/** A `require` that knows these modules only. */
function fakeRequire(modules: Record<string, unknown>, loaded: string[] = []): Require {
  return Object.assign((name: string) => modules[name], {
    resolve: (name: string) => name,
    cache: Object.fromEntries(loaded.map((name) => [name, { exports: modules[name] }])),
  });
}

Deno.test("applyFixes refuses another version of kafkajs and names both", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.5" } };
  assertThrows(
    () => applyFixes(fakeRequire(modules)),
    Error,
    "the fixes are for kafkajs 2.2.4, not for 2.2.5",
  );
});

Deno.test("applyFixes refuses to come after kafkajs", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.4" }, "kafkajs": {} };
  assertThrows(
    () => applyFixes(fakeRequire(modules, ["kafkajs"])),
    Error,
    "kafkajs was loaded before its fixes",
  );
});

Deno.test("applyFixes says which function it does not find", () => {
  const packageJson = { version: "2.2.4" };
  assertThrows(
    () => applyFixes(fakeRequire({ "kafkajs/package.json": packageJson })),
    Error,
    "kafkajs/src/network/requestQueue exports no function to replace",
  );
  const modules = {
    "kafkajs/package.json": packageJson,
    "kafkajs/src/network/requestQueue": class {},
  };
  assertThrows(
    () => applyFixes(fakeRequire(modules)),
    Error,
    'kafkajs/src/network/requestQueue has no method "scheduleCheckPendingRequests"',
  );
});

/** A request queue that records what it sends, and the delays of the timers it sets. */
function requestQueue(RequestQueue: new (options: unknown) => Queue) {
  const queue = new RequestQueue({
    maxInFlightRequests: 1,
    requestTimeout: 1_000,
    clientId: "test",
    broker: "test:9092",
    logger: { debug() {}, warn() {} },
  });
  const sent: number[] = [];
  return {
    queue,
    sent,
    push(correlationId: number) {
      queue.push({
        entry: { correlationId, resolve() {}, reject() {} },
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
  destroy(): void;
}

/** Runs the function with a clock of its own and timers that are only told of. */
function withTimers(run: (timers: { delayMs: number; fire: () => void }[]) => void): void {
  const { setTimeout } = globalThis;
  const timers: { delayMs: number; fire: () => void }[] = [];
  globalThis.setTimeout =
    ((fire: () => void, delayMs: number) =>
      timers.push({ delayMs, fire })) as unknown as typeof setTimeout;
  try {
    run(timers);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
}

Deno.test("RequestQueue sets no timer while nothing waits; the original sets one for ever", () => {
  for (const [module, count] of [[original, 3], [fixed, 0]] as const) {
    withTimers((timers) => {
      const { sent, push, answer } = requestQueue(module("network/requestQueue"));
      push(1);
      answer(1);
      for (let round = 0; round < 2; round++) timers.at(-1)?.fire();
      assertEquals(timers.length, count);
      assertEquals(timers.every(({ delayMs }) => delayMs < 0), true);
      assertEquals(sent, [1]);
    });
  }
});

Deno.test("RequestQueue sends what waited for the end of a throttling, in order", () => {
  withTimers((timers) => {
    const { queue, sent, push, answer } = requestQueue(fixed("network/requestQueue"));
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
});
