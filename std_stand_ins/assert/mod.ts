/**
 * A stand-in for `@std/assert` where JSR cannot be reached: the functions that this project uses,
 * over `node:assert/strict`.
 *
 * @module
 */
import nodeAssert from "node:assert/strict";

// deno-lint-ignore no-explicit-any
type ErrorClass = abstract new (...args: any[]) => Error;

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

/** Throws unless `fn` throws an error of the class whose message contains the text; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E = Error as any,
  msgIncludes = "",
  msg?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, ErrorClass, msgIncludes, msg) as E;
  }
  throw new nodeAssert.AssertionError({ message: msg ?? "Expected function to throw" });
}

/** As {@linkcode assertThrows}, for a function that returns a promise. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E = Error as any,
  msgIncludes = "",
  msg?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, ErrorClass, msgIncludes, msg) as E;
  }
  throw new nodeAssert.AssertionError({ message: msg ?? "Expected function to reject" });
}

function checkError(
  error: unknown,
  ErrorClass: ErrorClass,
  msgIncludes: string,
  msg: string | undefined,
): Error {
  nodeAssert.ok(error instanceof ErrorClass, msg ?? `Expected ${ErrorClass.name}, got ${error}`);
  assertStringIncludes(error.message, msgIncludes, msg);
  return error;
}
