import { assertEquals, assertRejects } from "@std/assert";
import { IdempotencyKeys } from "./idempotency_keys.ts";

const FOREVER = { maxKeys: 100, keptMs: Infinity };

function request(key: string, fingerprint = "a", nowMs = 0) {
  return { key, fingerprint, nowMs };
}

Deno.test("IdempotencyKeys runs what has the same key once, also while it is under way", async () => {
  const keys = new IdempotencyKeys<number>(FOREVER);
  let runs = 0;
  const under = Promise.withResolvers<void>();
  const run = async () => {
    const number = ++runs;
    await under.promise;
    return number;
  };
  const both = [keys.once(request("k"), run), keys.once(request("k"), run)];
  under.resolve();
  assertEquals(await Promise.all(both), [1, 1]);
  assertEquals(await keys.once(request("k"), run), 1);
  assertEquals(await keys.once(request("other"), run), 2);
});

Deno.test("IdempotencyKeys refuses a key that stands for another request", async () => {
  const keys = new IdempotencyKeys<number>(FOREVER);
  await keys.once(request("k", "a"), () => Promise.resolve(1));
  assertEquals(keys.once(request("k", "b"), () => Promise.resolve(2)), undefined);
});

Deno.test("IdempotencyKeys frees the key of a request that has failed", async () => {
  const keys = new IdempotencyKeys<number>(FOREVER);
  await assertRejects(() => keys.once(request("k"), () => Promise.reject(new Error("away")))!);
  assertEquals(await keys.once(request("k", "b"), () => Promise.resolve(2)), 2);
});

Deno.test("IdempotencyKeys forgets the oldest keys, and those whose time is over, but none under way", async () => {
  const keys = new IdempotencyKeys<string>({ maxKeys: 3, keptMs: 1_000 });
  const add = (key: string, nowMs: number) =>
    keys.once(request(key, "a", nowMs), () => Promise.resolve(`${key} at ${nowMs}`))!;
  const pending = Promise.withResolvers<string>();
  const first = keys.once(request("pending", "a", 0), () => pending.promise);
  for (const [index, key] of ["a", "b", "c"].entries()) await add(key, index);
  assertEquals([await add("b", 3), await add("c", 4)], ["b at 1", "c at 2"]);
  assertEquals(await add("a", 5), "a at 5");
  assertEquals(await add("a", 1_004), "a at 5");
  assertEquals(await add("a", 1_005), "a at 1005");
  assertEquals(keys.once(request("pending", "a", 2_000), () => Promise.reject()), first);
  pending.resolve("done");
  await first;
  assertEquals(await add("pending", 2_000), "pending at 2000");
  assertEquals(keys.size <= 3, true);
});
