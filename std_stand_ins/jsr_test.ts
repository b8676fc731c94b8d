/**
 * What this project relies on in the three `@std` packages. It holds for the stand-ins beside this
 * file and, without `links` in deno.json, for the originals.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { bold, cyan, dim, green, red, setColorEnabled, yellow } from "@std/fmt/colors";

/** The error of an assertion that must fail. */
function failureOf(fn: () => unknown): Error {
  try {
    fn();
  } catch (error) {
    if (error instanceof Error && error.name === "AssertionError") return error;
    throw error;
  }
  throw new Error("the assertion did not fail");
}

Deno.test("assert fails for what is falsy, with the message", () => {
  assert(1);
  for (const value of [0, "", null, undefined, false, NaN]) failureOf(() => assert(value));
  assertStringIncludes(failureOf(() => assert(false, "the reason")).message, "the reason");
});

Deno.test("assertEquals compares deeply and strictly", () => {
  assertEquals({ a: [1, { b: new Map([["c", NaN]]) }] }, { a: [1, { b: new Map([["c", NaN]]) }] });
  assertEquals(new Uint8Array([1, 2]), new Uint8Array([1, 2]));
  failureOf(() => assertEquals<unknown>(1, "1"));
  failureOf(() => assertEquals<unknown>({ a: 1 }, { a: 1, b: 2 }));
  failureOf(() => assertEquals([1, 2], [2, 1]));
  failureOf(() => assertEquals(new Set([1]), new Set([2])));
  assertStringIncludes(failureOf(() => assertEquals(1, 2, "the reason")).message, "the reason");
});

Deno.test("assertNotEquals fails for what is deeply equal", () => {
  assertNotEquals({ a: 1 }, { a: 2 });
  failureOf(() => assertNotEquals({ a: [1] }, { a: [1] }));
});

Deno.test("assertMatch and assertStringIncludes look into text", () => {
  assertMatch("order 7", /^order \d$/);
  failureOf(() => assertMatch("order", /\d/));
  assertStringIncludes("order 7", "er 7");
  failureOf(() => assertStringIncludes("order 7", "order 8"));
});

Deno.test("assertThrows wants the class and part of the message, and returns the error", () => {
  const error = new RangeError("out of range: 7");
  const fail = () => {
    throw error;
  };
  assert(assertThrows(fail) === error);
  assert(assertThrows(fail, RangeError, "range: 7") === error);
  assert(assertThrows(fail, Error, "") === error);
  failureOf(() => assertThrows(fail, TypeError));
  failureOf(() => assertThrows(fail, RangeError, "range: 8"));
  assertStringIncludes(
    failureOf(() => assertThrows(() => 1)).message,
    "Expected function to throw",
  );
});

Deno.test("assertRejects does the same for a promise", async () => {
  const error = new RangeError("out of range: 7");
  assert(await assertRejects(() => Promise.reject(error), RangeError, "range: 7") === error);
  const failed = await assertRejects(() => assertRejects(() => Promise.resolve(1)));
  assertEquals((failed as Error).name, "AssertionError");
  const other = await assertRejects(() => assertRejects(() => Promise.reject(error), TypeError));
  assertEquals((other as Error).name, "AssertionError");
});

Deno.test("parseArgs takes the last value of a flag unless it collects", () => {
  const args = ["--name=a", "--name", "b", "--group=x", "--group=y", "--on", "--on"];
  const options = { string: ["name", "group", "none"], boolean: ["on", "off"], collect: ["group"] };
  assertEquals({ ...parseArgs(args, options) }, {
    _: [],
    name: "b",
    group: ["x", "y"],
    on: true,
    off: false,
  } as Record<string, unknown>);
  assertEquals(parseArgs([], options).group, []);
  assertEquals(parseArgs(["--group=x"], options).group, ["x"]);
});

Deno.test("parseArgs keeps values as text and as they are", () => {
  const parse = (...args: string[]) => parseArgs(args, { string: ["v"] }).v;
  assertEquals(parse("--v=007"), "007");
  assertEquals(parse("--v="), "");
  assertEquals(parse("--v=-1"), "-1");
  assertEquals(parse("--v=a=b"), "a=b");
  assertEquals(parse("--v=true"), "true");
  assertEquals(parse(), undefined);
});

Deno.test("parseArgs shows what it does not know to unknown, which may drop it", () => {
  const seen: string[] = [];
  const args = ["up", "--known=1", "--other=2", "-x", "--flag", "5"];
  const parsed = parseArgs(args, {
    string: ["known"],
    boolean: ["flag"],
    unknown: (arg: string) => {
      seen.push(arg);
      return false;
    },
  });
  assertEquals(seen, ["up", "--other=2", "-x", "5"]);
  assertEquals({ ...parsed }, { _: [], known: "1", flag: true } as Record<string, unknown>);
});

Deno.test("colours wrap the text on demand, and leave it alone when they are off", () => {
  const all = [bold, dim, red, green, yellow, cyan];
  try {
    setColorEnabled(false);
    assertEquals(all.map((paint) => paint("x")), ["x", "x", "x", "x", "x", "x"]);
    setColorEnabled(true);
    const codes = Deno.noColor
      ? undefined
      : [[1, 22], [2, 22], [31, 39], [32, 39], [33, 39], [36, 39]];
    const painted = codes?.map(([on, off]) => `\x1b[${on}mx\x1b[${off}m`) ?? all.map(() => "x");
    assertEquals(all.map((paint) => paint("x")), painted);
  } finally {
    setColorEnabled(false);
  }
});
