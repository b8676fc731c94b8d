import { assert, assertEquals } from "@std/assert";
import { AdaptiveSize } from "./adaptive_size.ts";

const BOUNDS = { first: 262_144, min: 16_384, max: 3_145_728, fastMs: 1_000, slowMs: 3_000 };

/** Sends until the size no longer changes, over a link of that speed; returns the size. */
function settle(size: AdaptiveSize, bytesPerMs: number): number {
  for (let i = 0; i < 20; i++) size.took(size.value, size.value / bytesPerMs, size.value);
  return size.value;
}

Deno.test("AdaptiveSize grows on a fast link, stays on a slow one, and follows a link that changes", () => {
  const size = new AdaptiveSize(BOUNDS);
  assertEquals(settle(size, 100_000), BOUNDS.max);
  for (const bytesPerMs of [3_000_000 / 8_000, 500_000 / 8_000]) {
    const bytes = settle(size, bytesPerMs);
    assert(bytes / bytesPerMs <= 3_000, `${bytes} bytes take ${bytes / bytesPerMs} ms`);
  }
  assertEquals(settle(size, 100_000), BOUNDS.max);
});

Deno.test("AdaptiveSize grows over a link that is fast and far away", () => {
  const size = new AdaptiveSize(BOUNDS);
  for (let i = 0; i < 20; i++) size.took(size.value, 2_000 + size.value / 100_000, size.value);
  assertEquals(size.value, BOUNDS.max);
});

Deno.test("AdaptiveSize does not grow by what is small", () => {
  const size = new AdaptiveSize(BOUNDS);
  for (let i = 0; i < 20; i++) size.took(1_000, 1, size.value);
  assertEquals(size.value, BOUNDS.first);
});

Deno.test("AdaptiveSize is doubled once by what goes on at the same time", () => {
  const size = new AdaptiveSize(BOUNDS);
  const { value } = size;
  for (let i = 0; i < 6; i++) size.took(value, 1, value);
  assertEquals(size.value, 2 * value);
});

Deno.test("AdaptiveSize is halved by each failure, down to a limit", () => {
  const size = new AdaptiveSize(BOUNDS);
  size.failed();
  assertEquals(size.value, BOUNDS.first / 2);
  for (let i = 0; i < 20; i++) size.failed();
  assertEquals(size.value, BOUNDS.min);
});
