/**
 * Running a program: `--help`, `--version`, `--completions`, signals and exit codes.
 *
 * Exit codes: 0 done, 1 failed, 2 used wrongly, 129 terminal closed (SIGHUP), 130 stopped by Ctrl-C,
 * 143 stopped by SIGTERM.
 * Colours appear on a terminal only; `NO_COLOR` and `TERM=dumb` turn them off.
 *
 * @module
 */
import { bold, setColorEnabled } from "@std/fmt/colors";
import config from "../../deno.json" with { type: "json" };
import { visible } from "../visible_text.ts";
import { didYouMean, flagName, type Flags, type Options, parseFlags, UsageError } from "./flags.ts";
import {
  describeError,
  printError,
  printNote,
  printResult,
  setMessageStyle,
  whenReaderGone,
} from "./output.ts";
import { isUnderDenoTask, takesEscapes } from "./terminal.ts";
import { wrapped } from "./text.ts";

/** A program: what `--help` shows and what runs. */
export interface Program<F extends Flags> {
  /** How it is started, e.g. `deno task produce`. */
  usage: string;
  /** One or two sentences: what it does. */
  summary: string;
  /** The words that must follow the program's name, each with its help, when it has commands. */
  commands?: Record<string, string>;
  /** Its flags, the common ones included. */
  flags: F;
  /** Command lines that work as they are, at most 78 characters wide. */
  examples: readonly [string, string, ...string[]];
  /**
   * The names of the flags that `--help` shows.
   *
   * @default all
   */
  shownFlags?: readonly string[];
  /** Whether its only work is output, so that it ends when the reader of stdout has gone. */
  isForReading?: boolean;
  /** Text at the end of `--help`. */
  notes?: string;
  /**
   * The work. Ends early when the signal is aborted. Returns the exit code, 0 by default.
   *
   * @throws {UsageError} When flags contradict each other: exit code 2.
   * @throws {Error} With a message for the user: exit code 1.
   */
  run(options: Options<F>, signal: AbortSignal, command: string): Promise<number | void>;
}

/** The width of `--help`, and the most that the names of flags may take of it, in characters. */
const HELP_COLUMNS = 80;
const MAX_NAME_COLUMNS = 24;

/** Signals within this time of the first are the same one, in milliseconds. */
const SAME_SIGNAL_MS = 500;

/** The whole text of `--help`. */
export function helpText<F extends Flags>(program: Program<F>): string {
  const flags = Object.entries(program.flags)
    .filter(([name]) => program.shownFlags?.includes(name) ?? true);
  const rows = flags.map(([name, { value, help, default: text, env, short }]) => {
    const facts = [
      ...(text !== undefined && text !== "" ? [`default ${text}`] : []),
      ...(env !== undefined ? [`or ${env}`] : []),
    ];
    const letter = short === undefined ? "" : `-${short}, `;
    const typed = letter + (value === undefined ? flagName(name) : `${flagName(name)} ${value}`);
    return [typed, facts.length === 0 ? help : `${help} (${facts.join(", ")})`] as const;
  });
  rows.push(
    ["-h, --help", "show this text"],
    ["--version", "show the versions of the product, Deno and kafkajs"],
    ["--completions SHELL", "print a script of completions for bash, zsh or fish"],
  );
  const commands = Object.entries(program.commands ?? {});
  const longest = Math.max(...[...rows, ...commands].map(([left]) => left.length));
  const width = Math.min(longest, MAX_NAME_COLUMNS);
  const table = (pairs: readonly (readonly [string, string])[]) =>
    pairs.map(([left, right]) => {
      const [first = "", ...others] = wrapped(right, HELP_COLUMNS - width - 4);
      const indent = " ".repeat(width + 4);
      const name = left.length <= width ? `${left.padEnd(width)}  ` : `${left}\n${indent}`;
      return [`  ${name}${first}`, ...others.map((line) => indent + line)].join("\n");
    }).join("\n");
  return [
    wrapped(program.summary, HELP_COLUMNS).join("\n"),
    `${bold("Usage:")} ${program.usage}${commands.length > 0 ? " COMMAND" : ""} [flags]`,
    ...(commands.length > 0 ? [`${bold("Commands:")}\n${table(commands)}`] : []),
    `${bold("Flags:")}\n${table(rows)}`,
    ...(program.notes === undefined ? [] : [program.notes]),
    `${bold("Examples:")}\n${program.examples.map((example) => `  ${example}`).join("\n")}`,
  ].join("\n\n");
}

/**
 * Runs a program with the words of the command line and ends the process with its exit code.
 *
 * The first Ctrl-C, SIGTERM or SIGHUP aborts the signal that `run` was given and lets it finish
 * cleanly; a second one quits at once. Those that follow the first within {@linkcode SAME_SIGNAL_MS} are
 * the same one: a terminal sends Ctrl-C to all its programs, and `deno task` passes it on once more.
 */
export async function main<F extends Flags>(
  program: Program<F>,
  args: readonly string[] = Deno.args,
): Promise<never> {
  // Before the flags are parsed: a usage error is printed in this style too.
  const isOn = (name: string) =>
    name in program.flags && (args.includes(`--${name}`) || args.includes(`--${name}=true`));
  const json = isOn("json");
  setColorEnabled(false);
  setMessageStyle({ json, quiet: isOn("quiet") });
  const fail = (error: unknown, exitCode: number): never => {
    const stack = isOn("verbose") && error instanceof Error ? error.stack : undefined;
    if (json) printError(describeError(error), stack === undefined ? {} : { stack });
    else printError([describeError(error), ...(stack === undefined ? [] : [stack])].join("\n"));
    Deno.exit(exitCode);
  };

  const controller = new AbortController();
  let stoppedBy: number | undefined;
  let stoppedAtMs = -Infinity;
  const stop = (exitCode: number) => () => {
    if (performance.now() - stoppedAtMs < SAME_SIGNAL_MS) return;
    if (stoppedBy !== undefined) Deno.exit(exitCode);
    stoppedBy = exitCode;
    stoppedAtMs = performance.now();
    if (Deno.stderr.isTerminal()) printNote("stopping; Ctrl-C again quits at once");
    controller.abort(new DOMException("stopped by a signal", "AbortError"));
  };
  if (program.isForReading) {
    whenReaderGone(() => {
      stoppedBy ??= 0;
      controller.abort(new DOMException("the reader of the output has gone", "AbortError"));
    });
  }
  Deno.addSignalListener("SIGINT", stop(130));
  Deno.addSignalListener("SIGTERM", stop(143));
  Deno.addSignalListener("SIGHUP", stop(129));
  globalThis.addEventListener("unhandledrejection", (event) => fail(event.reason, 1));
  globalThis.addEventListener("error", (event) => fail(event.error ?? event.message, 1));

  try {
    setColorEnabled(!json && takesEscapes(Deno.stderr) && takesEscapes(Deno.stdout));
    if (isUnderDenoTask()) Deno.addSignalListener("SIGTSTP", refuseToSuspend);
    const text = await answer(program, args);
    if (text !== undefined) {
      printResult(text);
      Deno.exit(0);
    }
    const { options, operands } = parseFlags(program.flags, args, (name) => Deno.env.get(name));
    const command = commandOf(program, operands);
    const exitCode = await program.run(options, controller.signal, command);
    Deno.exit(stoppedBy ?? exitCode ?? 0);
  } catch (error) {
    if (error instanceof UsageError) {
      const message = `${visible(error.message)}\ntry ${program.usage} --help`;
      return fail(new UsageError(message), 2);
    }
    if (stoppedBy !== undefined && controller.signal.reason === error) Deno.exit(stoppedBy);
    return fail(error, stoppedBy ?? 1);
  }
}

let hasRefused = false;

/** Stopping would hang the terminal: `deno task` goes on, and so the shell waits. */
function refuseToSuspend(): void {
  if (!hasRefused) printNote("Ctrl-Z has no effect: deno task cannot be suspended");
  hasRefused = true;
}

/** What `--help`, `--version` or `--completions` prints; `undefined` without any of them. */
async function answer<F extends Flags>(
  program: Program<F>,
  args: readonly string[],
): Promise<string | undefined> {
  if (args.includes("--help") || args.includes("-h")) return helpText(program);
  if (args.includes("--version")) {
    const kafkajs = config.imports.kafkajs.replace(/.*@/, "");
    return `order-stream ${config.version} (Deno ${Deno.version.deno}, kafkajs ${kafkajs})`;
  }
  const at = args.findIndex((arg) => /^--completions(=|$)/.test(arg));
  if (at === -1) return undefined;
  // Imported here: the other runs start without it.
  const { completionScript, SHELLS } = await import("./completions.ts");
  const shell = args[at]!.includes("=") ? args[at]!.replace(/.*?=/, "") : args[at + 1] ?? "";
  const known = SHELLS.find((name) => name === shell);
  if (known === undefined) {
    throw new UsageError(`--completions "${shell}": expected ${SHELLS.join(" or ")}`);
  }
  const commands = Object.keys(program.commands ?? {});
  const { flags } = program;
  // The task ps runs "deno task -q broker status".
  const ownTask = program.usage.replace("deno task ", "");
  const shortcuts = Object.entries(config.tasks)
    .filter(([, { command }]) => command.startsWith(`deno task -q ${ownTask} `))
    .map(([task]) => ({ task, commands: [], flags }));
  return completionScript(known, [{ task: ownTask, commands, flags }, ...shortcuts]);
}

function commandOf<F extends Flags>(program: Program<F>, operands: string[]): string {
  const commands = Object.keys(program.commands ?? {});
  const [command = "", ...rest] = operands;
  const stray = commands.length === 0 ? operands[0] : rest[0];
  if (stray !== undefined) throw new UsageError(`unexpected word "${stray}"`);
  if (commands.length > 0 && !commands.includes(command)) {
    const problem = command === ""
      ? "a command is missing"
      : `unknown command "${command}"${didYouMean(command, commands)}`;
    throw new UsageError(`${problem}: expected ${commands.join(", ")}`);
  }
  return command;
}
