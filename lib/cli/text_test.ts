import { assertEquals } from "@std/assert";
import { cutMiddle, durationText, grouped, table, wrapped } from "./text.ts";

Deno.test("grouped puts a comma between thousands", () => {
  assertEquals([0, 999, 1_000, 1234567n].map(grouped), ["0", "999", "1,000", "1,234,567"]);
});

Deno.test("durationText picks the unit, and has words for infinity and for unknown", () => {
  assertEquals(
    [0, 0.42, 12.4, 200, 9_000, 400_000, Infinity, undefined].map(durationText),
    ["0 s", "0.4 s", "12 s", "3.3 min", "2.5 h", "4.6 d", "never", "–"],
  );
});

Deno.test("cutMiddle keeps the beginning and the end", () => {
  assertEquals(cutMiddle("abcdef", 6), "abcdef");
  assertEquals(cutMiddle("abcdefgh", 5), "ab…gh");
  assertEquals(cutMiddle("abcdefgh", 2), "a…");
});

Deno.test("table aligns columns to the right, and to the left where asked", () => {
  const text = table(["NAME", "N", "HOST"], [["a", "1,000", "x"], ["long one", "2", "yy"]], {
    left: [0, 2],
    indent: 2,
  });
  assertEquals(
    text,
    `  NAME          N  HOST
  a         1,000  x
  long one      2  yy`,
  );
});

Deno.test("table aligns by the text without its colour", () => {
  const paint = (text: string, { row, column }: { row: number; column: number }) =>
    row === -1 ? `<${text}>` : column === 1 ? `[${text}]` : text;
  assertEquals(table(["A", "B"], [["10", "x"]], { paint }), "< A>  <B>\n10  [x]");
});

Deno.test("wrapped breaks at blanks, and leaves a long word whole", () => {
  assertEquals(wrapped("one two three", 7), ["one two", "three"]);
  assertEquals(wrapped("a verylongword b", 5), ["a", "verylongword", "b"]);
  assertEquals(wrapped("short", 80), ["short"]);
});
