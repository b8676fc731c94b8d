import { assertEquals } from "@std/assert";
import { fitted, redrawText } from "./live_lines.ts";

Deno.test("fitted cuts what is too long, and counts no colours", () => {
  assertEquals(fitted("abcdef", 6), "abcdef");
  assertEquals(fitted("abcdefg", 6), "abcde…");
  assertEquals(fitted("\x1b[32mabcdef\x1b[39m", 6), "\x1b[32mabcdef\x1b[39m");
  assertEquals(fitted("\x1b[32mabcdefg\x1b[39m", 6), "abcde…");
});

Deno.test("redrawText goes up over the lines that it replaces and ends in the first column", () => {
  const size = { columns: 80, rows: 24 };
  assertEquals(redrawText(0, ["a", "b"], size), "\x1b[Ja\nb\n");
  assertEquals(redrawText(2, ["c", "d"], size), "\x1b[2A\r\x1b[Jc\nd\n");
});

Deno.test("redrawText draws no more than it can reach again", () => {
  assertEquals(redrawText(0, ["a", "b", "c"], { columns: 80, rows: 3 }), "\x1b[Ja\nb\n");
  assertEquals(redrawText(0, ["a"], { columns: 80, rows: 1 }), "\x1b[J");
});
