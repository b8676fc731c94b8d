import { assert, assertEquals } from "@std/assert";
import { frameText } from "./live_screen.ts";

const frame = (lines: number, width = 3) => ({
  text: () => Array.from({ length: lines }, (_, line) => String(line).repeat(width)).join("\n"),
  footer: "the end",
  hint: "make the window taller",
});

Deno.test("frameText overwrites line by line and clears the rest", () => {
  assertEquals(
    frameText(frame(2), { columns: 80, rows: 5 }),
    "\x1b[H\x1b[K000\r\n\x1b[K111\r\n\x1b[K\r\n\x1b[Kthe end\r\n\x1b[J",
  );
});

Deno.test("frameText counts the lines that do not fit, says what helps, and keeps the last", () => {
  const lines = frameText(frame(20), { columns: 80, rows: 10 }).split("\r\n");
  assertEquals(lines.length, 10);
  assertEquals(lines.slice(-2), [
    "\x1b[K… 12 more lines; make the window taller",
    "\x1b[Kthe end",
  ]);
});

Deno.test("frameText fits terminals of any size, and clears nothing after a full line", () => {
  for (const rows of [1, 2, 3, 10, 100]) {
    for (const columns of [1, 2, 20, 40, 80]) {
      const lines = frameText(frame(9, 80), { columns, rows }).slice("\x1b[H".length).split("\r\n");
      assert(lines.length <= rows);
      assert(lines.every((line) => line.lastIndexOf("\x1b") === 0), lines.join("\n"));
      assert(
        lines.every((line) => line.slice("\x1b[K".length).length <= columns),
        lines.join("\n"),
      );
    }
  }
  const whole = frameText(frame(2, 100), { columns: 80, rows: 10 });
  assertEquals(whole.match(/1/g)?.length, 100, "no character of a long line is lost");
});

Deno.test("frameText writes out what would steer the terminal, in its footer too", () => {
  const steering = "\x9b2J\x1b[2J\u202e";
  const shown = frameText({ text: () => steering, footer: steering, hint: "" }, {
    columns: 80,
    rows: 5,
  });
  assertEquals(shown.split(String.raw`\u009b2J\u001b[2J\u202e`).length, 3);
});
