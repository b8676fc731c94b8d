import { assertEquals } from "@std/assert";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { jsonOf, JsonWriter } from "./json_writer.ts";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();

Deno.test("JsonWriter.number writes what JSON.stringify gives", () => {
  const random = xoroshiro128plus(3);
  const numbers = [0, -0, -1, -0.5, 0.1 + 0.2, 1.005, 9_999_999.99, 10_000_000, 1e21, 1e-7, 5e-324];
  for (let i = 0; i < 20_000; i++) {
    const whole = uniformInt(random, 0, [9, 99, 2_000, 2 ** 40][i % 4]!);
    numbers.push(
      whole,
      whole / 10,
      whole / 100,
      whole / 1_000,
      uniformFloat64(random) * 10 ** (i % 30),
    );
  }
  for (const number of numbers) {
    assertEquals(jsonOf(number, (value, to) => to.number(NOTHING, value)), JSON.stringify(number));
  }
});

Deno.test("JsonWriter.string writes what JSON.stringify gives", () => {
  const random = xoroshiro128plus(4);
  const letters = [...'ab "\\/\n\u0000\u001f\u007f\u0080\u2028äß€寿', "🍣", "\ud83c", "\udf63"];
  for (let i = 0; i < 5_000; i++) {
    const text = Array.from(
      { length: uniformInt(random, 0, 12) },
      () => letters[uniformInt(random, 0, i % 2 === 0 ? 1 : letters.length - 1)]!,
    ).join("");
    assertEquals(jsonOf(text, (value, to) => to.string(NOTHING, value)), JSON.stringify(text));
  }
});

Deno.test("JsonWriter keeps what it has when its buffer grows", () => {
  const to = new JsonWriter(new Uint8Array(1));
  const long = "x".repeat(10_000);
  to.string(NOTHING, "a");
  to.number(encoder.encode(","), 12.5);
  to.raw(encoder.encode(`,"${long}"`));
  to.string(encoder.encode(","), "ü".repeat(5_000));
  assertEquals(new TextDecoder().decode(to.bytes), `"a",12.5,"${long}","${"ü".repeat(5_000)}"`);
});
