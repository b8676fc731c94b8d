import { assert, assertEquals } from "@std/assert";
import {
  cutMiddle,
  displayWidth,
  durationText,
  filled,
  folded,
  grouped,
  table,
  wrapped,
} from "./text.ts";

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

Deno.test("displayWidth counts the columns of a terminal: wide, combining, coloured", () => {
  const texts = ["abc", "漢字", "e\u0301", "🍔", "👍🏽", "각", "…–▁", "\x1b[32mOK\x1b[39m", ""];
  assertEquals(texts.map(displayWidth), [3, 4, 1, 2, 2, 2, 3, 2, 0]);
});

Deno.test("cutMiddle never takes more columns than it may, and never splits a character", () => {
  const text = "漢字e\u0301🍔".repeat(3);
  for (let columns = 1; columns < 30; columns++) {
    const cut = cutMiddle(text, columns);
    assert(displayWidth(cut) <= columns, cut);
    assert(!/[\ud800-\udbff](?![\udc00-\udfff])|…\u0301/.test(cut), cut);
  }
  assertEquals(cutMiddle(text, 9), "漢字…e\u0301🍔");
});

Deno.test("folded loses nothing, and colours take no room", () => {
  assertEquals(folded("abcdefg", 3), ["abc", "def", "g"]);
  assertEquals(folded("a漢字b", 2), ["a", "漢", "字", "b"]);
  assertEquals(folded("\x1b[32mabcd\x1b[39m", 2), ["\x1b[32mab", "cd\x1b[39m"]);
  assertEquals(folded("", 2), [""]);
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

Deno.test("table aligns by displayed width, and writes out what has no glyph", () => {
  const text = table(["NAME", "N"], [["漢字", "1"], ["e\u0301", "2"], ["\x1b[2J\n", "3"]], {
    left: [0],
  });
  assertEquals(
    text,
    [
      `NAME             N`,
      `漢字             1`,
      `e\u0301                2`,
      `\\u001b[2J\\u000a  3`,
    ].join("\n"),
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
  assertEquals(filled(["in 0/s", "漢字"], 13, " · "), ["in 0/s · 漢字"]);
  assertEquals(filled(["in 0/s", "漢字"], 12, " · "), ["in 0/s", "漢字"]);
});
