import { assertEquals, assertRejects } from "@std/assert";
import { heldTimers } from "../tests/support/held_timers.ts";
import { aborted, batched, deadline, delay, delayOrAbort, Pulse, retry } from "./async.ts";

Deno.test("delay rejects with the signal's reason, before and during the wait", async () => {
  await delay(1);
  const reason = new Error("enough");
  await assertRejects(() => delay(60_000, { signal: AbortSignal.abort(reason) }), Error, "enough");
  const controller = new AbortController();
  const waiting = delay(60_000, { signal: controller.signal });
  controller.abort(reason);
  await assertRejects(() => waiting, Error, "enough");
});

Deno.test("delayOrAbort resolves early, without an error", async () => {
  const controller = new AbortController();
  const waiting = delayOrAbort(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await waiting;
  await delayOrAbort(60_000, controller.signal);
});

Deno.test("deadline gives the result, the error, a TimeoutError or the signal's reason", async () => {
  assertEquals(await deadline(Promise.resolve(5), 60_000), 5);
  await assertRejects(() => deadline(Promise.reject(new Error("no")), 60_000), Error, "no");
  const never = new Promise<void>(() => {});
  await assertRejects(() => deadline(never, 1), DOMException, "no answer within 1 ms");
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => deadline(never, 60_000, { signal }), Error, "enough");
});

Deno.test("deadline does not count the time in which the program was suspended", async () => {
  const { now } = performance;
  // Whole, so that sums are exact.
  let ms = Math.ceil(performance.now());
  performance.now = () => ms;
  try {
    using held = heldTimers();
    const waiting = deadline(new Promise<void>(() => {}), 1_000);
    let isOver = false;
    waiting.catch(() => isOver = true);
    const passes = async (passedMs: number) => {
      ms += passedMs;
      held.timers.at(-1)!.fire();
      await held.idle();
      return isOver;
    };
    assertEquals(await passes(30_000), false, "suspended");
    assertEquals(await passes(900), false);
    assertEquals(await passes(100), true);
    assertEquals(held.timers.map(({ delayMs }) => Math.round(delayMs)), [1_000, 1_000, 100]);
  } finally {
    performance.now = now;
  }
});

/** A function that fails the given number of times. */
function failing(times: number): { run: () => Promise<number>; calls: () => number } {
  let calls = 0;
  return {
    run: () => calls++ < times ? Promise.reject(new Error(`try ${calls}`)) : Promise.resolve(calls),
    calls: () => calls,
  };
}

Deno.test("retry calls again until it succeeds, and reports each failure", async () => {
  const { run } = failing(3);
  const reported: string[] = [];
  const onRetry = (error: unknown, attempt: number) => {
    reported.push(`${attempt}: ${(error as Error).message}`);
  };
  assertEquals(await retry(run, { minTimeout: 0, onRetry }), 4);
  assertEquals(reported, ["0: try 1", "1: try 2", "2: try 3"]);
});

Deno.test("retry passes on an error that is not retriable, and the last one when time is over", async () => {
  const final = failing(3);
  await assertRejects(() => retry(final.run, { isRetriable: () => false }), Error, "try 1");
  const late = failing(3);
  await assertRejects(() => retry(late.run, { limitMs: 0 }), Error, "try 1");
  assertEquals([final.calls(), late.calls()], [1, 1]);
});

Deno.test("retry makes one more attempt when the limit ends its wait", async () => {
  const { run } = failing(1);
  assertEquals(await retry(run, { minTimeout: 60_000, jitter: 0, limitMs: 20 }), 2);
});

Deno.test("retry stops at an abort, before an attempt and during a wait", async () => {
  const before = failing(1);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => retry(before.run, { signal }), Error, "enough");
  assertEquals(before.calls(), 0);
  const controller = new AbortController();
  const during = failing(5);
  const onRetry = () => controller.abort(new Error("enough"));
  const options = { minTimeout: 60_000, jitter: 0, onRetry, signal: controller.signal };
  await assertRejects(() => retry(during.run, options), Error, "enough");
  assertEquals(during.calls(), 1);
});

Deno.test("retry does not wait for an attempt that is under way when the signal is aborted", async () => {
  const controller = new AbortController();
  const waiting = retry(() => new Promise(() => {}), { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
});

Deno.test("aborted resolves for a signal that is aborted, and when it is", async () => {
  await aborted(AbortSignal.abort());
  const controller = new AbortController();
  const waiting = aborted(controller.signal);
  controller.abort();
  await waiting;
});

Deno.test("Pulse.next resolves at the next time, not at one that has been", async () => {
  const pulse = new Pulse();
  pulse.fire();
  let resolved = false;
  const next = pulse.next().then(() => resolved = true);
  await Promise.resolve();
  assertEquals(resolved, false);
  pulse.fire();
  await next;
  assertEquals(resolved, true);
});

Deno.test("delayOrAbort waits longer than one timer can, and not at all for a time that is over", async () => {
  const controller = new AbortController();
  let isOver = false;
  const month = delayOrAbort(30 * 86_400_000, controller.signal).then(() => isOver = true);
  await delayOrAbort(5);
  assertEquals(isOver, false);
  controller.abort();
  await month;
  await delayOrAbort(-5);
  assertEquals(await deadline(Promise.resolve(5), 30 * 86_400_000), 5);
});

Deno.test("batched puts what is asked during a request into the next one", async () => {
  const requests: number[][] = [];
  const answers: PromiseWithResolvers<string>[] = [];
  let begun = Promise.withResolvers<void>();
  const ask = batched((keys: number[]) => {
    requests.push(keys);
    answers.push(Promise.withResolvers());
    begun.resolve();
    return answers.at(-1)!.promise;
  });
  const first = ask(1);
  await begun.promise;
  const second = [ask(2), ask(3)];
  assertEquals(requests, [[1]]);

  begun = Promise.withResolvers();
  answers[0]!.resolve("one");
  assertEquals(await first, "one");
  await begun.promise;
  const third = ask(4);
  assertEquals(requests, [[1], [2, 3]]);

  begun = Promise.withResolvers();
  answers[1]!.reject(new Error("no"));
  for (const answer of second) await assertRejects(() => answer, Error, "no");
  await begun.promise;
  answers[2]!.resolve("four");
  assertEquals(await third, "four");
  assertEquals(requests, [[1], [2, 3], [4]]);
});
