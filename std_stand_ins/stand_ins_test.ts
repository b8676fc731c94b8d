/**
 * What the stand-ins beside this file share with the `@std` packages: names, types and behaviour, as
 * far as this project relies on them. These tests hold for the originals too (`@std/assert` 1.0.19,
 * `@std/cli` 1.0.32, `@std/fmt` 1.0.10): remove `links` from deno.json to run them so.
 *
 * @module
 */
import * as assertions from "@std/assert";
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
import * as colors from "@std/fmt/colors";
import { bold, cyan, dim, green, red, setColorEnabled, yellow } from "@std/fmt/colors";

/** `true` if the types are identical. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** Does not compile unless the types are identical. */
function assertType<_ extends true>(): void {}

Deno.test("the assertions have the published types", () => {
  // deno-lint-ignore no-explicit-any
  type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;
  type Compare = <T>(actual: T, expected: T, msg?: string) => void;
  assertType<Same<typeof assertions.assert, (expr: unknown, msg?: string) => asserts expr>>();
  assertType<Same<typeof assertions.assertEquals, Compare>>();
  assertType<Same<typeof assertions.assertNotEquals, Compare>>();
  assertType<
    Same<typeof assertions.assertMatch, (actual: string, expected: RegExp, msg?: string) => void>
  >();
  assertType<
    Same<
      typeof assertions.assertStringIncludes,
      (actual: string, expected: string, msg?: string) => void
    >
  >();
  assertType<
    Same<typeof assertions.assertThrows, {
      (fn: () => unknown, msg?: string): unknown;
      <E extends Error = Error>(
        fn: () => unknown,
        ErrorClass: ErrorClass<E>,
        msgIncludes?: string,
        msg?: string,
      ): E;
    }>
  >();
  assertType<
    Same<typeof assertions.assertRejects, {
      (fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
      <E extends Error = Error>(
        fn: () => PromiseLike<unknown>,
        ErrorClass: ErrorClass<E>,
        msgIncludes?: string,
        msg?: string,
      ): Promise<E>;
    }>
  >();
});

Deno.test("the colours have the published types", () => {
  type Paint = (str: string) => string;
  assertType<Same<typeof colors.setColorEnabled, (value: boolean) => void>>();
  const paints = { bold, cyan, dim, green, red, yellow };
  assertType<Same<typeof paints, Record<keyof typeof paints, Paint>>>();
});

Deno.test("parseArgs has the published types, by name and without names", () => {
  const parsed = parseArgs([], {
    string: ["name", "group"],
    boolean: ["on", "each"],
    collect: ["group", "each"],
    unknown: () => false,
  });
  assertType<Same<typeof parsed.name, string | undefined>>();
  assertType<Same<typeof parsed.group, string[]>>();
  assertType<Same<typeof parsed.on, boolean>>();
  assertType<Same<typeof parsed.each, boolean[]>>();
  assertType<Same<typeof parsed.other, unknown>>();
  assertType<Same<typeof parsed._, (string | number)[]>>();

  const names: string[] = [];
  const { any } = parseArgs([], {
    string: names,
    boolean: names,
    collect: names,
    unknown: () => false,
  });
  // Each name may be in each list.
  assertType<Same<typeof any, (string[] & boolean[]) | undefined>>();
});

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

Deno.test("assertThrows without a class returns whatever was thrown", () => {
  const fail = () => {
    // deno-lint-ignore no-throw-literal
    throw "text";
  };
  assertEquals(assertThrows(fail), "text");
  failureOf(() => assertThrows(fail, Error));
  assertStringIncludes(failureOf(() => assertThrows(() => 1, "the reason")).message, "the reason");
});

Deno.test("assertRejects does the same for a promise", async () => {
  const error = new RangeError("out of range: 7");
  assert(await assertRejects(() => Promise.reject(error), RangeError, "range: 7") === error);
  const failed = await assertRejects(() => assertRejects(() => Promise.resolve(1)));
  assertEquals((failed as Error).name, "AssertionError");
  const other = await assertRejects(() => assertRejects(() => Promise.reject(error), TypeError));
  assertEquals((other as Error).name, "AssertionError");
  // A function that throws has not rejected.
  await assertRejects(() =>
    assertRejects(() => {
      throw error;
    })
  );
});

const dropUnknown = () => false as const;

Deno.test("parseArgs takes the last value of a flag unless it collects", () => {
  const args = ["--name=a", "--name", "b", "--group=x", "--group=y", "--on", "--on"];
  const parse = (args: string[]) =>
    parseArgs(args, {
      string: ["name", "group", "none"],
      boolean: ["on", "off"],
      collect: ["group"],
      unknown: dropUnknown,
    });
  assertEquals<unknown>({ ...parse(args) }, {
    _: [],
    name: "b",
    group: ["x", "y"],
    on: true,
    off: false,
  });
  assertEquals(parse([]).group, []);
  assertEquals(parse(["--group=x"]).group, ["x"]);
});

Deno.test("parseArgs keeps values as text and as they are", () => {
  const parse = (...args: string[]) =>
    parseArgs(args, { string: ["v"], boolean: ["on"], unknown: dropUnknown });
  assertEquals(parse("--v=007").v, "007");
  assertEquals(parse("--v=").v, "");
  assertEquals(parse("--v", "--on").v, "");
  assertEquals(parse("--v", "-1").v, "");
  assertEquals(parse("--v=-1").v, "-1");
  assertEquals(parse("--v=a=b").v, "a=b");
  assertEquals(parse("--v=true").v, "true");
  assertEquals(parse().v, undefined);
  assertEquals(parse("--on=false").on, false);
  assertEquals(parse("--on", "false").on, false);
  assertEquals(parse("--on=no").on, true);
  assertEquals<unknown>({ ...parse("--v=1", "--", "2", "--on") }, {
    _: ["2", "--on"],
    v: "1",
    on: false,
  });
});

Deno.test("parseArgs shows what it does not know to unknown, which may drop it", () => {
  const seen: string[] = [];
  const args = ["up", "--known=1", "--other=2", "-x", "--flag", "5", "-", "--a", "b", "--no-flag"];
  const parsed = parseArgs([...args, "--constructor=6"], {
    string: ["known"],
    boolean: ["flag"],
    unknown: (arg) => {
      seen.push(arg);
      return false;
    },
  });
  assertEquals(seen, ["up", "--other=2", "-x", "5", "-", "--a", "--no-flag", "--constructor=6"]);
  assertEquals<unknown>({ ...parsed }, { _: [], known: "1", flag: true });
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
