import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { setColorEnabled } from "@std/fmt/colors";
import {
  brokerList,
  COMMON_FLAGS,
  decimal,
  didYouMean,
  flag,
  nonEmpty,
  oneOf,
  parseFlags,
  repeatable,
  toggle,
  UsageError,
  wholeNumber,
} from "./flags.ts";
import { helpText } from "./main.ts";
import { describeError } from "./output.ts";
import { durationMs, positiveDurationMs } from "../duration.ts";

const flags = {
  count: flag({ value: "N", default: "10", help: "how many" }, wholeNumber({ min: -100 })),
  failureRate: flag(
    { value: "SHARE", env: "FAILURE_RATE", help: "how many fail" },
    decimal({ min: 0, max: 1 }),
  ),
  to: flag({ value: "TEXT", default: "here", env: "TO", help: "where to" }, nonEmpty("a name")),
  group: repeatable({ value: "GROUP", help: "which groups" }, nonEmpty("a name")),
  replay: toggle("start again"),
};

function optionsOf(...args: string[]) {
  return parseFlags(flags, args).options;
}

function refusalOf(...args: string[]): string {
  return assertThrows(() => parseFlags(flags, args), UsageError).message;
}

Deno.test("parseFlags gives defaults, undefined, false and an empty list when no flag is given", () => {
  assertEquals(parseFlags(flags, []), {
    options: { count: 10, failureRate: undefined, to: "here", group: [], replay: false },
    operands: [],
  });
});

Deno.test("parseFlags takes a value after a space or an equals sign", () => {
  const expected = { count: 5, failureRate: 0.5, to: "a=b", group: ["x"], replay: true };
  assertEquals(
    optionsOf("--count=5", "--failure-rate=0.5", "--to=a=b", "--group=x", "--replay"),
    expected,
  );
  assertEquals(
    optionsOf("--replay", "--count", "5", "--failure-rate", "0.5", "--to", "a=b", "--group", "x"),
    expected,
  );
});

Deno.test("parseFlags takes values that begin with a dash", () => {
  assertEquals(optionsOf("--count", "-3", "--to", "-1h").count, -3);
  assertEquals(optionsOf("--count", "-3", "--to", "-1h").to, "-1h");
  assertEquals(optionsOf("--count=-3").count, -3);
  assertEquals(optionsOf("--to", "-").to, "-");
});

Deno.test("parseFlags collects a repeatable flag and takes the last of any other", () => {
  assertEquals(optionsOf("--group", "a", "--group=b", "--group", "a").group, ["a", "b", "a"]);
  assertEquals(optionsOf("--count", "1", "--count", "2").count, 2);
});

Deno.test("parseFlags splits the values of a repeatable flag at commas", () => {
  assertEquals(optionsOf("--group", "a,b", "--group=c, d").group, ["a", "b", "c", "d"]);
  assertEquals(refusalOf("--group", "a,,b"), '--group "": expected a name');
});

Deno.test("parseFlags gives the operands between the flags, as they are typed", () => {
  const { operands, options } = parseFlags(flags, [
    "up",
    "--count",
    "5",
    "007",
    "--replay",
    "-",
    "a b",
  ]);
  assertEquals(operands, ["up", "007", "-", "a b"]);
  assertEquals([options.count, options.replay], [5, true]);
});

Deno.test("parseFlags goes by the flag, then the environment, then the default", () => {
  const env: Record<string, string> = { TO: "env", FAILURE_RATE: "0.25", COUNT: "99" };
  const from = (args: string[]) => parseFlags(flags, args, (name) => env[name]).options;
  assertEquals(from(["--to", "flag"]).to, "flag");
  assertEquals(from([]).to, "env");
  assertEquals(from([]).failureRate, 0.25);
  assertEquals(from([]).count, 10);
  env.TO = "";
  assertEquals(from([]).to, "here");
  env.FAILURE_RATE = "much";
  assertThrows(
    () => from([]),
    UsageError,
    'FAILURE_RATE "much": expected a number from 0 to 1',
  );
  assertEquals(from(["--failure-rate", "1"]).failureRate, 1);
});

Deno.test("parseFlags takes the letters of switches, alone and together", () => {
  const switches = { volumes: toggle("delete", "v"), follow: toggle("go on", "f") };
  const parse = (...args: string[]) => parseFlags(switches, args).options;
  assertEquals(parse("-v"), { volumes: true, follow: false });
  assertEquals(parse("-fv"), { volumes: true, follow: true });
  assertThrows(() => parse("-vx"), UsageError, "unknown flag -vx");
  const data = { ...switches, data: flag({ value: "DIR", help: "where" }, String) };
  assertEquals(parseFlags(data, ["--data", "-v"]).options.data, "-v", "a value is no letter");
});

Deno.test("parseFlags refuses unknown flags and names the nearest known one", () => {
  assertEquals(refusalOf("--cuont", "5"), "unknown flag --cuont (did you mean --count?)");
  assertEquals(
    refusalOf("--failureRate=1"),
    "unknown flag --failureRate (did you mean --failure-rate?)",
  );
  assertEquals(refusalOf("--hlep"), "unknown flag --hlep (did you mean --help?)");
  assertEquals(refusalOf("--something-else"), "unknown flag --something-else");
  assertEquals(refusalOf("-x"), "unknown flag -x");
  assertEquals(refusalOf("--__proto__=1"), "unknown flag --__proto__");
});

Deno.test("parseFlags refuses a flag without its value", () => {
  for (const args of [["--count"], ["--count", "--replay"], ["--count", "--to=x"]]) {
    assertEquals(refusalOf(...args), "--count needs a value, such as --count 10");
  }
});

Deno.test("parseFlags says which flag has a bad value, and which", () => {
  assertEquals(
    refusalOf("--count", "many"),
    '--count "many": expected a whole number of at least -100',
  );
  assertEquals(refusalOf("--count="), '--count "": expected a whole number of at least -100');
  assertEquals(refusalOf("--group", "a", "--group="), '--group "": expected a name');
});

Deno.test("wholeNumber takes whole numbers within its bounds only", () => {
  const parse = wholeNumber({ min: 1, max: 10 });
  assertEquals(["1", "10", "+5", "007"].map(parse), [1, 10, 5, 7]);
  for (const text of ["0", "11", "-1", "1.0", "1e1", "0x5", "", " 5", "5 ", "٣", "NaN", "1_0"]) {
    assertThrows(() => parse(text), Error, "expected a whole number from 1 to 10");
  }
  const unbounded = wholeNumber({ min: 0 });
  assertEquals(unbounded("9007199254740991"), 9007199254740991);
  assertThrows(() => unbounded("9007199254740992"), Error, "a whole number of at least 0");
});

Deno.test("decimal takes decimal numbers within its bounds only", () => {
  const share = decimal({ min: 0, max: 1 });
  assertEquals(["0", "1", "0.05", ".5", "1.", "5e-2", "+0.5"].map(share), [
    0,
    1,
    0.05,
    0.5,
    1,
    0.05,
    0.5,
  ]);
  for (const text of ["-0.1", "1.01", "", ".", "5%", "0,5", "Infinity", "NaN", "1e", "0x1", " 1"]) {
    assertThrows(() => share(text), Error, "expected a number from 0 to 1");
  }
  const above = decimal({ above: 0 });
  assertEquals(above("0.001"), 0.001);
  assertThrows(() => above("0"), Error, "expected a number above 0");
  assertThrows(() => above("1e999"), Error, "expected a number above 0");
});

Deno.test("durationMs adds up amounts with units", () => {
  const cases: [string, number][] = [
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["1.5s", 1_500],
    ["1m500ms", 60_500],
    ["0s", 0],
  ];
  for (const [text, ms] of cases) assertEquals(durationMs(text), ms, text);
  for (
    const text of ["", "5", "s", "-5m", "+5m", "1h 30m", "5 m", "5M", "1w", "1e3s", "5mx", "1..5s"]
  ) {
    assertThrows(() => durationMs(text), Error, "expected a duration such as", text);
  }
});

Deno.test("positiveDurationMs refuses less than a millisecond", () => {
  assertEquals(positiveDurationMs("1ms"), 1);
  for (const text of ["0s", "0.5ms"]) {
    assertThrows(() => positiveDurationMs(text), Error, "expected a duration above 0");
  }
});

Deno.test("brokerList splits at commas and wants host and port", () => {
  assertEquals(brokerList("a:1"), ["a:1"]);
  assertEquals(brokerList("a.example:9092, [::1]:9093,127.0.0.1:65535,"), [
    "a.example:9092",
    "[::1]:9093",
    "127.0.0.1:65535",
  ]);
  for (
    const text of ["a", "a:", ":1", "a:0", "a:65536", "a:x", "::1:9092", "http://a:1", "a b:1"]
  ) {
    assertThrows(() => brokerList(text), Error, `not "${text}"`);
  }
  for (const text of ["", ",", " , "]) assertThrows(() => brokerList(text), Error, "host:port");
});

Deno.test("oneOf takes one of its words", () => {
  assertEquals(oneOf("text", "json")("json"), "json");
  assertThrows(() => oneOf("text", "json")("JSON"), Error, "expected text or json");
});

Deno.test("COMMON_FLAGS have the documented defaults and environment variables", () => {
  const { options } = parseFlags(COMMON_FLAGS, []);
  assertEquals(options, {
    brokers: ["127.0.0.1:9092"],
    topicPrefix: "",
    timeout: 30_000,
    commandConfig: undefined,
    allowPlainPassword: false,
    json: false,
    quiet: false,
    verbose: false,
  });
  const env: Record<string, string> = { KAFKA_BROKERS: "k1:9092,k2:9092", TOPIC_PREFIX: "test-" };
  const fromEnv = parseFlags(COMMON_FLAGS, [], (name) => env[name]).options;
  assertEquals(fromEnv.brokers, ["k1:9092", "k2:9092"]);
  assertEquals(fromEnv.topicPrefix, "test-");
  assertEquals(
    parseFlags(COMMON_FLAGS, ["--topic-prefix", "a.b_C-1"]).options.topicPrefix,
    "a.b_C-1",
  );
  for (const prefix of ["a/b", "a b", "ä", "x".repeat(151)]) {
    assertThrows(
      () => parseFlags(COMMON_FLAGS, ["--topic-prefix", prefix]),
      UsageError,
      "letters, digits, dots, dashes or underscores",
    );
  }
});

Deno.test("helpText lists usage, commands, flags with defaults and variables, and notes", () => {
  setColorEnabled(false);
  const help = helpText({
    usage: "deno task go",
    summary: "Goes.",
    commands: { up: "go up", down: "go down" },
    flags,
    examples: ["deno task go up", "deno task go down --replay"],
    notes: "The end.",
    run: () => Promise.resolve(),
  });
  assertEquals(
    help,
    `Goes.

Usage: deno task go COMMAND [flags]

Commands:
  up                    go up
  down                  go down

Flags:
  --count N             how many (default 10)
  --failure-rate SHARE  how many fail (or FAILURE_RATE)
  --to TEXT             where to (default here, or TO)
  --group GROUP         which groups
  --replay              start again
  -h, --help            show this text
  --version             show the versions of the product, Deno and kafkajs
  --completions SHELL   print a script of completions for bash, zsh or fish

The end.

Examples:
  deno task go up
  deno task go down --replay`,
  );
});

Deno.test("helpText without commands and notes leaves them out", () => {
  setColorEnabled(false);
  const help = helpText({
    usage: "deno task go",
    summary: "Goes.",
    flags: {},
    examples: ["deno task go", "deno task go | head"],
    run: () => Promise.resolve(),
  });
  assertEquals(
    help,
    `Goes.

Usage: deno task go [flags]

Flags:
  -h, --help           show this text
  --version            show the versions of the product, Deno and kafkajs
  --completions SHELL  print a script of completions for bash, zsh or fish

Examples:
  deno task go
  deno task go | head`,
  );
});

Deno.test("didYouMean suggests only what is near", () => {
  assertEquals(didYouMean("stat", ["up", "status"]), " (did you mean status?)");
  assertEquals(didYouMean("elephant", ["up", "status"]), "");
  assertEquals(didYouMean("up", []), "");
});

Deno.test("describeError adds causes that say more", () => {
  const cause = new Error("connection refused", { cause: new Error("port 9092") });
  assertEquals(
    describeError(new Error("no broker answers", { cause })),
    "no broker answers: connection refused: port 9092",
  );
  const told = new Error("no broker: connection refused: port 9092", { cause });
  assertEquals(describeError(told), told.message);
  assertEquals(describeError("text"), "text");
  assertStringIncludes(describeError(undefined), "undefined");
  assert(describeError(new Error("alone")) === "alone");
});

Deno.test("parseFlags takes true and false for a switch, and refuses any other value", () => {
  const flags = { execute: toggle("do it"), count: flag({ value: "N", help: "" }, String) };
  assertEquals(parseFlags(flags, ["--execute=true"]).options.execute, true);
  assertEquals(parseFlags(flags, ["--execute=false"]).options.execute, false);
  for (const value of ["no", "banana", "", "1"]) {
    assertThrows(() => parseFlags(flags, [`--execute=${value}`]), UsageError, "takes no value");
  }
});

Deno.test("parseFlags takes what follows -- as flags, or refuses it", () => {
  const flags = { count: flag({ value: "N", help: "" }, String) };
  assertEquals(parseFlags(flags, ["--", "--count", "5"]).options.count, "5");
  assertThrows(() => parseFlags(flags, ["--", "--cuont", "5"]), UsageError, "--count");
  assertEquals(parseFlags(flags, ["--", "word"]).operands, ["word"]);
});

Deno.test("wholeNumber takes digits in groups", () => {
  assertEquals(wholeNumber({ min: 1 })("10_000"), 10_000);
  assertThrows(() => wholeNumber({ min: 1 })("_1"), Error, "expected a whole number of at least 1");
});
