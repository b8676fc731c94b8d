/**
 * A stand-in for `@std/cli/parse-args` where JSR cannot be reached: the part of it that this project
 * uses, with the published types.
 *
 * It knows flags of the form `--name`, declared as `string` or `boolean`. Everything else goes to
 * `unknown`, which must drop it or throw; the original can keep it.
 *
 * @module
 */

/** The options of {@linkcode parseArgs}. */
export interface ParseOptions<
  TBooleans extends string = string,
  TStrings extends string = string,
  TCollectable extends TBooleans | TStrings = TBooleans | TStrings,
> {
  /** Flags without a value; `false` when they are not given. */
  boolean?: readonly TBooleans[];
  /** Flags whose value stays text. */
  string?: readonly TStrings[];
  /** Flags that may be given several times and become a list. */
  collect?: readonly TCollectable[];
  /** Called for each flag or word that is not declared. */
  unknown: (arg: string) => false;
}

/** What {@linkcode parseArgs} returns: the flags by name, and what follows `--` in `_`. */
export type Args<TArgs extends Record<string, unknown>> = Flat<TArgs & { _: (string | number)[] }>;

/** The same type with its parts put together. */
export type Flat<T> = { [Key in keyof T]: T[Key] };

/** The flags by name. */
export type Values<TBooleans extends string, TStrings extends string, TCollectable extends string> =
  & Record<string, unknown>
  & { [Name in Exclude<TStrings, TCollectable>]?: string }
  & { [Name in Extract<TStrings, TCollectable>]: string[] }
  & { [Name in Exclude<TBooleans, TCollectable>]: boolean }
  & { [Name in Extract<TBooleans, TCollectable>]: boolean[] };

/** Parses command-line words. The last value of a flag wins, unless `collect` names it. */
export function parseArgs<
  TBooleans extends string = never,
  TStrings extends string = never,
  TCollectable extends TBooleans | TStrings = never,
>(
  args: readonly string[],
  { boolean = [], string = [], collect = [], unknown }: ParseOptions<
    TBooleans,
    TStrings,
    TCollectable
  >,
): Args<Values<TBooleans, TStrings, TCollectable>> {
  const booleans = new Set<string>(boolean);
  const strings = new Set<string>(string);
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const values: Record<string, unknown> = { _: args.slice(end + 1) };
  const lists = new Map(collect.map((name): [string, unknown[]] => [name, []]));
  for (const name of booleans) values[name] = false;
  for (const [name, list] of lists) values[name] = list;

  for (let index = 0; index < end; index++) {
    const arg = args[index]!;
    const [, name = "", text] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const next = index + 1 < end ? args[index + 1]! : "";
    let value: string | boolean;
    if (booleans.has(name)) {
      const takesNext = text === undefined && /^(true|false)$/.test(next);
      if (takesNext) index++;
      value = (takesNext ? next : text) !== "false";
    } else {
      // A flag that is not declared takes the next word, too.
      const takesNext = text === undefined && /^-(-.|[^-])/.test(arg) && /^[^-]/.test(next);
      if (takesNext) index++;
      if (!strings.has(name)) {
        unknown(arg);
        continue;
      }
      value = text ?? (takesNext ? next : "");
    }
    const list = lists.get(name);
    if (list === undefined) values[name] = value;
    else list.push(value);
  }
  return values as Args<Values<TBooleans, TStrings, TCollectable>>;
}
