/**
 * A stand-in for `@std/cli/parse-args` where JSR cannot be reached: the same call and the same
 * result for the options that this project uses, over minimist.
 *
 * @module
 */
// @ts-types="npm:@types/minimist@1.2.5"
import minimist from "minimist";

/** The options of {@linkcode parseArgs} that this project uses. */
export interface ParseOptions {
  /** Flags that take no value. */
  boolean?: readonly string[];
  /** Flags whose value is kept as text. */
  string?: readonly string[];
  /** Flags that may be given several times and come back as a list. */
  collect?: readonly string[];
  /** Called for each flag or word that is not declared; `false` drops it. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What {@linkcode parseArgs} returns: the flags by name, and the remaining words in `_`. */
export interface Args {
  /** Words that are not flags. */
  _: (string | number)[];
  /** The flags by name. */
  [name: string]: unknown;
}

/**
 * Parses command-line words into flags.
 *
 * As in the original, the last value wins when a flag is repeated, unless `collect` names it.
 *
 * @param args The words, usually `Deno.args`.
 * @param options What the words may be.
 */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const collect = new Set(options.collect ?? []);
  const parsed = minimist([...args], {
    boolean: [...(options.boolean ?? [])],
    string: [...(options.string ?? [])],
    unknown: (arg: string) => {
      if (options.unknown === undefined) return true;
      const key = /^--?([^=]+)/.exec(arg)?.[1];
      return options.unknown(arg, key) !== false;
    },
  });
  const result: Args = { _: parsed._ };
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "_") continue;
    if (collect.has(name)) result[name] = Array.isArray(value) ? value : [value];
    else result[name] = Array.isArray(value) ? value.at(-1) : value;
  }
  for (const name of collect) result[name] ??= [];
  return result;
}
