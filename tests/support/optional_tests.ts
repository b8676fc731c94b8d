/**
 * Tests of what not every machine has.
 *
 * @module
 */

/**
 * A test that is left out, and says why, where something is missing.
 *
 * @param missing Why it is left out; `undefined` when it is not.
 */
export function optionalTest(
  name: string,
  missing: string | undefined,
  test: () => Promise<void>,
): void {
  if (missing !== undefined) console.warn(`left out, ${missing}: ${name}`);
  Deno.test({ name, ignore: missing !== undefined, fn: test });
}
