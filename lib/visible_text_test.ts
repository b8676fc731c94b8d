import { assertEquals } from "@std/assert";
import { visible, visibleLines } from "./visible_text.ts";

Deno.test("visible writes out what has no glyph, and nothing else", () => {
  assertEquals(
    visible("a\x1b[32mOK\x07\r\n\t\x7f\x9b"),
    String.raw`a\u001b[32mOK\u0007\u000d\u000a\u0009\u007f\u009b`,
  );
  assertEquals(
    visible("\u202e\u2066\u200b\u2028\u2029\u3164"),
    String.raw`\u202e\u2066\u200b\u2028\u2029\u3164`,
  );
  assertEquals(visible("\ud800x"), String.raw`\ud800x`);
  assertEquals(visible("漢字 é e\u0301 🍔 ß"), "漢字 é e\u0301 🍔 ß");
});

Deno.test("visible does not change what JSON means", () => {
  const text = "a\u{e0041}\x9b\x7f\u200d🍔\ud800";
  assertEquals(JSON.parse(visible(JSON.stringify(text))), text);
});

Deno.test("visibleLines keeps line breaks and tabs", () => {
  assertEquals(visibleLines("a\n\tb\x1b\r"), "a\n\tb\\u001b\\u000d");
});
