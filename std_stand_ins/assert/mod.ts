/**
 * A stand-in for `@std/assert` where JSR cannot be reached: the functions that this project uses,
 * with the published types, over `node:assert/strict`.
 *
 * `assertEquals` is stricter than the original: 0 and -0 differ, and so do objects of different
 * prototypes. It is laxer in one case: the original takes two errors with the same message for
 * different.
 *
 * @module
 */
import nodeAssert from "node:assert/strict";

/** A class of errors. */
// deno-lint-ignore no-explicit-any
export type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Throws unless the expression is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  nodeAssert.ok(expr, msg === "" ? undefined : msg);
}

/** Throws unless the two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, msg);
}

/** Throws when the two values are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, msg);
}

/** Throws unless `actual` matches the pattern. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  nodeAssert.match(actual, expected, msg);
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  nodeAssert.ok(
    actual.includes(expected),
    `${msg === undefined ? "" : `${msg}: `}expected ${JSON.stringify(actual)} to contain ${
      JSON.stringify(expected)
    }`,
  );
}

/** Throws unless `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Throws unless `fn` throws an error of the class whose message contains the text; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  expected?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg = typeof expected === "string" ? expected : undefined,
): unknown {
  try {
    fn();
  } catch (error) {
    return checkError(error, { expected, msgIncludes, msg });
  }
  throw new nodeAssert.AssertionError({ message: msg ?? "Expected function to throw" });
}

/** As {@linkcode assertThrows}, for a function whose promise must reject. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** As {@linkcode assertThrows}, for a function whose promise must reject. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  expected?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg = typeof expected === "string" ? expected : undefined,
): Promise<unknown> {
  const promise = fn();
  try {
    await promise;
  } catch (error) {
    return checkError(error, { expected, msgIncludes, msg });
  }
  throw new nodeAssert.AssertionError({ message: msg ?? "Expected function to reject" });
}

function checkError(error: unknown, { expected, msgIncludes = "", msg }: {
  expected: ErrorClass<Error> | string | undefined;
  msgIncludes: string | undefined;
  msg: string | undefined;
}): unknown {
  if (typeof expected !== "function") return error;
  nodeAssert.ok(error instanceof expected, msg ?? `Expected ${expected.name}, got ${error}`);
  assertStringIncludes(error.message, msgIncludes, msg);
  return error;
}
