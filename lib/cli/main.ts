/**
 * Running a program: `--help`, signals and exit codes.
 *
 * Exit codes: 0 done, 1 failed, 2 used wrongly, 129 terminal closed (SIGHUP), 130 stopped by Ctrl-C,
 * 143 stopped by SIGTERM.
 * Colours appear on a terminal only; `NO_COLOR` and `TERM=dumb` turn them off.
 *
 * @module
 */
import { bold, setColorEnabled } from "@std/fmt/colors";
import {
  didYouMean,
  type Flags,
  type Options,
  parseFlags,
  typedName,
  UsageError,
} from "./flags.ts";
import { wrapped } from "./text.ts";
import { visible } from "../visible_text.ts";
import { describeError, printError, printNote, printResult, whenReaderGone } from "./output.ts";
import { isUnderDenoTask, takesEscapes } from "./terminal.ts";

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
  const rows = Object.entries(program.flags).map(([name, { value, help, default: text, env }]) => {
    const facts = [
      ...(text !== undefined && text !== "" ? [`default ${text}`] : []),
      ...(env !== undefined ? [`or ${env}`] : []),
    ];
    const typed = value === undefined ? typedName(name) : `${typedName(name)} ${value}`;
    return [typed, facts.length === 0 ? help : `${help} (${facts.join(", ")})`] as const;
  });
  rows.push(["-h, --help", "show this text"]);
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
  setColorEnabled(takesEscapes(Deno.stderr) && takesEscapes(Deno.stdout));
  const verbose = args.includes("--verbose");
  const fail = (error: unknown, exitCode: number): never => {
    printError(describeError(error));
    if (verbose && error instanceof Error) error.stack?.split("\n").forEach(printNote);
    Deno.exit(exitCode);
  };

  if (args.includes("--help") || args.includes("-h")) {
    try {
      printResult(helpText(program));
    } catch (error) {
      fail(error, 1);
    }
    Deno.exit(0);
  }

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
  if (isUnderDenoTask()) Deno.addSignalListener("SIGTSTP", refuseToSuspend);
  globalThis.addEventListener("unhandledrejection", (event) => fail(event.reason, 1));
  globalThis.addEventListener("error", (event) => fail(event.error ?? event.message, 1));

  try {
    const { options, words } = parseFlags(program.flags, args, (name) => Deno.env.get(name));
    const command = commandOf(program, words);
    const exitCode = await program.run(options, controller.signal, command);
    Deno.exit(stoppedBy ?? exitCode ?? 0);
  } catch (error) {
    if (error instanceof UsageError) {
      printError(visible(error.message));
      printNote(`try ${program.usage} --help`);
      Deno.exit(2);
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

function commandOf<F extends Flags>(program: Program<F>, words: string[]): string {
  const commands = Object.keys(program.commands ?? {});
  const [command = "", ...rest] = words;
  const stray = commands.length === 0 ? words[0] : rest[0];
  if (stray !== undefined) throw new UsageError(`unexpected word "${stray}"`);
  if (commands.length > 0 && !commands.includes(command)) {
    const problem = command === ""
      ? "a command is missing"
      : `unknown command "${command}"${didYouMean(command, commands)}`;
    throw new UsageError(`${problem}: expected ${commands.join(", ")}`);
  }
  return command;
}
