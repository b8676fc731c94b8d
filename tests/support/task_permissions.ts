/**
 * What the tasks of deno.json permit, entry by entry.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import { freshEnvironment } from "./checkout.ts";
import { openTerminal } from "./terminal.ts";

/** The names of the permission sets. */
export type SetName = keyof typeof config.permissions;

/** A permission that can be taken away. */
export interface Entry {
  kind: "env" | "net" | "read" | "run" | "sys" | "write";
  /** What it is for, such as the name of a variable; empty for everything of its kind. */
  value: string;
}

/** The entry as a word, such as `env TERM`. */
export function entryText({ kind, value }: Entry): string {
  return `${kind} ${value}`.trim();
}

/** The entries of a set. */
export function entriesOfSet(name: SetName): Entry[] {
  const kinds = Object.entries(config.permissions[name]) as [Entry["kind"], true | string[]][];
  return kinds.flatMap(([kind, values]) =>
    values === true ? [{ kind, value: "" }] : values.map((value) => ({ kind, value }))
  );
}

/** The entries of a task that runs a program: those of its set, and the commands it may start. */
export function entriesOfTask(name: keyof typeof config.tasks): Entry[] {
  const { command } = config.tasks[name];
  const set = /-P=(\w+)/.exec(command)![1] as SetName;
  const commands = /"--allow-run=([^"]+)"/.exec(command)?.[1]?.split(",") ?? [];
  return [...entriesOfSet(set), ...commands.map((value) => ({ kind: "run" as const, value }))];
}

/** The flags of `deno run` that permit these entries. */
export function flagsOf(entries: readonly Entry[]): string[] {
  const kinds = Map.groupBy(entries, ({ kind }) => kind);
  return [...kinds].map(([kind, list]) => {
    const values = list.map(({ value }) => value).filter((value) => value !== "");
    return `--allow-${kind}${values.length === 0 ? "" : `=${values.join()}`}`;
  });
}

/** Where and how a program is run. */
export interface Circumstances {
  /** Variables beside those of the system; those that the sets name are not passed on. */
  env?: Record<string, string>;
  /** Whether it runs in a terminal, which has stdout and stderr in one. */
  isInTerminal?: boolean;
}

/** How a program ended. */
export interface Ended {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** How long a program may run, in milliseconds. */
const LIMIT_MS = 60_000;

/** Runs `deno` in the project's directory. */
export async function runDeno(
  args: readonly string[],
  { env = {}, isInTerminal = false }: Circumstances = {},
): Promise<Ended> {
  const named = (Object.keys(config.permissions) as SetName[]).flatMap(entriesOfSet)
    .filter(({ kind, value }) => kind === "env" && value !== "JAVA_HOME").map(({ value }) => value);
  const system = Object.entries(freshEnvironment()).filter(([name]) => !named.includes(name));
  const clean = { ...Object.fromEntries(system), NO_COLOR: "1", ...env };
  if (isInTerminal) {
    const words = [Deno.execPath(), ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    const terminal = openTerminal(words.join(" "), { env: { TERM: "xterm", ...clean } });
    return { exitCode: await terminal.ended, stdout: "", stderr: terminal.text() };
  }
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: clean,
    stdin: "null",
    // A server that starts in spite of everything would never end.
    signal: AbortSignal.timeout(LIMIT_MS),
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { exitCode: code, stdout: out!, stderr: err! };
}
