import { assertEquals } from "@std/assert";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { CompactMinutes } from "./compact_minutes.ts";
import type { MinuteCount } from "./minute_window.ts";

Deno.test("CompactMinutes does what a Map does", () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = xoroshiro128plus(seed);
    // Neighbours, far ones, ones before 1970, and ones beyond 32 bits.
    const minutes = [
      ...Array.from({ length: 40 }, (_, index) => 28_000_000 + index),
      ...Array.from({ length: 40 }, () => uniformInt(random, -(2 ** 40), 2 ** 40)),
    ];
    const compact = new CompactMinutes();
    const map = new Map<number, MinuteCount>();
    for (let step = 0; step < 500; step++) {
      const minute = minutes[uniformInt(random, 0, minutes.length - 1)]!;
      const count = { total: uniformInt(random, 0, 2 ** 50), failed: uniformInt(random, 0, 3) };
      const kind = uniformInt(random, 0, 2);
      if (kind === 0) {
        compact.set(minute, count);
        map.set(minute, count);
      } else if (kind === 1) {
        compact.delete(minute);
        map.delete(minute);
      } else {
        compact.add(minute, count);
        const { total, failed } = map.get(minute) ?? { total: 0, failed: 0 };
        map.set(minute, { total: total + count.total, failed: failed + count.failed });
      }
      assertEquals(compact.get(minute), map.get(minute), `seed ${seed}, step ${step}`);
      assertEquals(compact.size, map.size);
    }
    const byMinute = ([a]: [number, MinuteCount], [b]: [number, MinuteCount]) => a - b;
    assertEquals([...compact].sort(byMinute), [...map].sort(byMinute));
    assertEquals([...compact.keys()].sort(), [...map.keys()].sort());
  }
});
