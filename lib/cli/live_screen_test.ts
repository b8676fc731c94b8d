import { assertEquals } from "@std/assert";
import { frameText } from "./live_screen.ts";

Deno.test("frameText overwrites line by line and clears the rest", () => {
  assertEquals(frameText("a\nb", 5), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
});

Deno.test("frameText never scrolls: it counts the lines that do not fit", () => {
  const { length } = frameText("1\n2\n3\n4", 3).split("\r\n");
  assertEquals(length, 3);
  assertEquals(frameText("1\n2\n3\n4", 3).includes("… 2 more lines"), true);
});
