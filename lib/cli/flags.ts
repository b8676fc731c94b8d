/**
 * Flags of the command line: declaring them, parsing them, and clear refusals.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import leven, { closestMatch } from "leven";
import { positiveDurationMs } from "../duration.ts";

/** What `--help` says of a flag, and where its text comes from. */
export interface FlagSpec {
  /** What it does. */
  help: string;
  /** What stands for the value in `--help`, e.g. `N`; without it the flag is a switch. */
  value?: string;
  /** The text that is parsed when the flag is not given. */
  default?: string;
  /** A single letter that stands for the switch: `v` for `-v`. */
  short?: string;
  /** An environment variable that stands in for the flag when it is not given. */
  env?: string;
  /** A value for the message when the value is missing; needed without a default and choices. */
  example?: string;
}

/** Turns a flag's text into its value; throws an `Error` whose message says what was expected. */
export interface Parser<T> {
  (text: string): T;
  /** The words it accepts, when there is a fixed number of them; for shell completion. */
  choices?: readonly string[];
}

/** A flag, and how its text becomes a value of type `T`. */
export interface Flag<T> extends FlagSpec {
  /** Whether it may be given several times, or once with commas; the value is then a list. */
  repeatable?: boolean;
  /** Parses the text, or each part of a list. */
  parse: Parser<unknown>;
  /** Tells the compiler the type of the value; never set. */
  readonly type?: T;
}

/** The flags of a program, by their name in code; `failureRate` is `--failure-rate` outside. */
// deno-lint-ignore no-explicit-any
export type Flags = Record<string, Flag<any>>;

/** The values of the flags: what a program's `run` takes. */
export type Options<F extends Flags> = {
  -readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** Wrong use of a program: `main` prints the message, points to `--help` and exits with 2. */
export class UsageError extends Error {
  /** Its name in messages. */
  override name = "UsageError";
}

/** Declares a flag with a default. */
export function flag<T>(
  spec: FlagSpec & { value: string; default: string },
  parse: Parser<T>,
): Flag<T>;
/** Declares a flag that is `undefined` when it is not given. */
export function flag<T>(
  spec: FlagSpec & { value: string },
  parse: Parser<T>,
): Flag<T | undefined>;
export function flag<T>(spec: FlagSpec, parse: Parser<T>): Flag<T> {
  return { ...spec, parse };
}

/** Declares a flag that may be given several times, or once with commas between the values. */
export function repeatable<T>(
  spec: FlagSpec & { value: string },
  parse: Parser<T>,
): Flag<T[]> {
  return { ...spec, parse, repeatable: true };
}

/** Declares a flag without a value. */
export function toggle(help: string, short?: string): Flag<boolean> {
  return { help, parse: () => true, ...(short !== undefined && { short }) };
}

/** A parser for whole numbers within bounds, both inclusive. */
export function wholeNumber(
  { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number },
): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const number = /^[+-]?(\d+|\d{1,3}(_\d{3})+)$/.test(text)
      ? Number(text.replaceAll("_", ""))
      : NaN;
    if (!(number >= min && number <= max)) throw new Error(`expected a whole number ${range}`);
    return number;
  };
}

/** A parser for decimal numbers from `min` to `max`, both inclusive, or above a limit. */
export function decimal(
  bounds: { min: number; max: number } | { above: number },
): (text: string) => number {
  const range = "above" in bounds ? `above ${bounds.above}` : `from ${bounds.min} to ${bounds.max}`;
  return (text) => {
    const number = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
    const isInside = "above" in bounds
      ? number > bounds.above && number < Infinity
      : number >= bounds.min && number <= bounds.max;
    if (!isInside) throw new Error(`expected a number ${range}`);
    return number;
  };
}

/** A parser for one word out of several. */
export function oneOf<const W extends string>(...choices: W[]): Parser<W> {
  const parse = (text: string) => {
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) {
      throw new Error(`expected ${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`);
    }
    return choice;
  };
  return Object.assign(parse, { choices });
}

/**
 * A parser for text that must not be empty.
 *
 * @param expected What the message asks for, such as `the name of a group`.
 */
export function nonEmpty(expected: string): Parser<string> {
  return (text) => {
    if (text === "") throw new Error(`expected ${expected}`);
    return text;
  };
}

/** Parses a comma-separated list of `host:port`, as Kafka's tools take it. */
export function brokerList(text: string): string[] {
  const brokers = text.split(",").map((broker) => broker.trim()).filter((broker) => broker !== "");
  for (const broker of brokers) {
    const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(broker)?.[1]);
    if (!(port >= 1 && port <= 65535)) {
      throw new Error(`expected host:port, or several with commas between, not "${broker}"`);
    }
  }
  if (brokers.length === 0) throw new Error("expected host:port, or several with commas between");
  return brokers;
}

/** Parses a prefix that is legal in the name of a Kafka topic. */
function topicPrefix(text: string): string {
  // https://kafka.apache.org/documentation/#topicconfigs: a topic's name has at most 249 of these.
  if (!/^[A-Za-z0-9._-]{0,150}$/.test(text)) {
    throw new Error("expected at most 150 letters, digits, dots, dashes or underscores");
  }
  return text;
}

/** The flags that `main` answers itself, for every program. */
export const PROGRAM_FLAGS = ["--help", "--version", "--completions"];

/** The flags for secured brokers. */
export const SECURITY_FLAGS = {
  commandConfig: flag({
    value: "FILE",
    example: "client.properties",
    help:
      "TLS and login, as Kafka's own tools read them (default KAFKA_SECURITY_PROTOCOL, … if set)",
  }, nonEmpty("a file")),
  allowPlainPassword: toggle("let PLAIN send its password without TLS to another machine"),
};

/** The flags of every program that talks to Kafka. */
export const COMMON_FLAGS = {
  brokers: flag({
    value: "HOST:PORT,…",
    default: "127.0.0.1:9092",
    env: "KAFKA_BROKERS",
    help: "the Kafka brokers to start from",
  }, brokerList),
  topicPrefix: flag({
    value: "TEXT",
    default: "",
    env: "TOPIC_PREFIX",
    example: "test-",
    help: "put before every topic, group and transactional id; at most 150 characters",
  }, topicPrefix),
  timeout: flag({
    value: "DURATION",
    default: "30s",
    help: "how long to wait for brokers that do not answer",
  }, positiveDurationMs),
  ...SECURITY_FLAGS,
  json: toggle("print results, messages and errors as JSON, one object a line"),
  quiet: toggle("print only warnings, errors and the result"),
  verbose: toggle("show the Kafka client's own log and the stack of an error"),
};

/** The name of a flag on the command line: `failureRate` becomes `--failure-rate`. */
export function flagName(name: string): string {
  return "--" + name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());
}

/**
 * Turns command-line words into options, in the order flag, environment variable, default.
 *
 * @throws {UsageError} For an unknown flag (with the nearest known one), a missing or a bad value.
 */
export function parseFlags<F extends Flags>(
  flags: F,
  args: readonly string[],
  getEnv: (name: string) => string | undefined = () => undefined,
): { options: Options<F>; operands: string[] } {
  const names = new Map(Object.keys(flags).map((name) => [flagName(name), name]));
  const takesValue = (typed: string) => flags[names.get(typed) ?? ""]?.value !== undefined;

  // "--to -1h" and "--count -1" are a flag and its value: parsers would take "-1" for a flag. And
  // "--" ends nothing here: npm users write it before the flags of a task.
  const tokens = args.filter((arg, index) => arg !== "--" || index !== args.indexOf("--"));
  const joined: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const arg = tokens[i]!;
    const next = tokens[i + 1];
    const letters = longForms(arg, flags);
    if (letters !== undefined) {
      joined.push(...letters);
      continue;
    }
    refuseSwitchValue(arg, (typed) => names.has(typed) && !takesValue(typed));
    if (takesValue(arg)) {
      if (next === undefined || names.has(next.replace(/=.*/, ""))) {
        throw new UsageError(`${arg} needs a value${exampleOf(arg, flags[names.get(arg)!]!)}`);
      }
      joined.push(`${arg}=${next}`);
      i++;
    } else joined.push(arg);
  }

  const operands: string[] = [];
  const typedNames = [...names.keys()].map((typed) => typed.slice(2));
  const parsed = parseArgs(joined, {
    string: typedNames.filter((typed) => takesValue(`--${typed}`)),
    boolean: typedNames.filter((typed) => !takesValue(`--${typed}`)),
    collect: typedNames.filter((typed) => flags[names.get(`--${typed}`)!]!.repeatable),
    unknown: (arg) => {
      if (arg.startsWith("-") && arg !== "-") {
        const typed = arg.replace(/=.*/, "");
        const hint = didYouMean(typed, [...names.keys(), ...PROGRAM_FLAGS]);
        throw new UsageError(`unknown flag ${typed}${hint}`);
      }
      operands.push(arg);
      return false;
    },
  });

  const options: Record<string, unknown> = {};
  for (const [typed, name] of names) {
    const { env, default: fallback, parse, repeatable, value } = flags[name]!;
    const given: unknown = parsed[typed.slice(2)];
    if (repeatable) {
      options[name] = (given as string[]).flatMap((text) => text.split(","))
        .map((text) => parseValue(typed, text.trim(), parse));
    } else if (value === undefined) {
      options[name] = given === true;
    } else if (typeof given === "string") {
      options[name] = parseValue(typed, given, parse);
    } else {
      const fromEnv = env === undefined ? undefined : getEnv(env);
      if (fromEnv !== undefined && fromEnv !== "") options[name] = parseValue(env!, fromEnv, parse);
      else options[name] = fallback === undefined ? undefined : parse(fallback);
    }
  }
  return { options: options as Options<F>, operands };
}

/** `-vf` as `--volumes` and `--follow`; `undefined` for any other word. */
function longForms(arg: string, flags: Flags): string[] | undefined {
  const letters = /^-[a-z]+$/i.test(arg) ? [...arg.slice(1)] : [];
  const names = letters.map((letter) =>
    Object.keys(flags).find((name) => flags[name]!.short === letter)
  );
  return names.length === 0 || names.includes(undefined)
    ? undefined
    : names.map((name) => flagName(name!));
}

/** A switch takes no value but `=true` and `=false`: `--execute=no` must not execute. */
function refuseSwitchValue(arg: string, isSwitch: (typed: string) => boolean): void {
  const [, typed = "", value] = /^(--[^=]+)=(.*)$/s.exec(arg) ?? [];
  if (isSwitch(typed) && value !== "true" && value !== "false") {
    throw new UsageError(`${arg}: ${typed} takes no value, or true or false`);
  }
}

function parseValue(source: string, text: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError(`${source} "${text}": ${(error as Error).message}`, { cause: error });
  }
}

/** A value that the flag accepts, as it is typed: `, such as --count 10`. */
function exampleOf(typed: string, { example, default: fallback, parse }: Flag<unknown>): string {
  const value = example ?? (fallback || parse.choices?.[0]);
  return value === undefined ? "" : `, such as ${typed} ${value}`;
}

/** The names that are most like a name, and how many more there are. */
export function nearestOf(names: readonly string[], name: string, count = 5): string {
  const distances = new Map(names.map((each) => [each, leven(each, name)]));
  const sorted = [...names].sort((a, b) => distances.get(a)! - distances.get(b)!);
  const more = sorted.length - count;
  return sorted.slice(0, count).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** ` (did you mean X?)` for the nearest known word, or nothing when none is near. */
export function didYouMean(word: string, known: string[]): string {
  const nearest = closestMatch(word, known, {
    maxDistance: Math.max(2, Math.floor(word.length / 3)),
  });
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}
