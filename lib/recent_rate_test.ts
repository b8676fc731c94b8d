import { assertEquals } from "@std/assert";
import { RecentRate } from "./recent_rate.ts";

Deno.test("RecentRate is the rate since the start, then that of the last five seconds", () => {
  const rate = new RecentRate(1_000);
  assertEquals(rate.add(50, 1_500), 100);
  let count = 50;
  let last = 0;
  for (let ms = 2_000; ms <= 20_000; ms += 500) last = rate.add(count += 500, ms);
  assertEquals(last, 1_000);
});

Deno.test("RecentRate forgets what came before a pause", () => {
  const rate = new RecentRate(0);
  rate.add(1_000_000, 1_000);
  assertEquals(rate.add(1_000_000, 60_000), 0);
  assertEquals(rate.add(1_000_500, 61_000), 100);
});
