/**
 * Access to the user's files.
 *
 * The permissions of a task cannot depend on its flags, so a task permits all files, and the program
 * keeps the ones that its flags name, as soon as it has parsed them.
 *
 * @module
 */
import { UsageError } from "./flags.ts";
import { userPath } from "./user_path.ts";

/** Gives up the access to all files but these. */
export function keepFileAccess(
  { read = [], write = [] }: { read?: string[]; write?: string[] },
): void {
  for (const [name, paths] of [["read", read], ["write", write]] as const) {
    // Granted because "/" is; what was asked for stays when "/" is given up.
    for (const path of paths.flatMap(pathAndTarget)) Deno.permissions.requestSync({ name, path });
    Deno.permissions.revokeSync({ name, path: "/" });
  }
}

/** A path, and where its symbolic links lead: Deno asks for both. */
function pathAndTarget(path: string): string[] {
  try {
    return [path, Deno.realPathSync(path)];
  } catch {
    // It is not there; using it will say so.
    return [path];
  }
}

/**
 * What the operating system or Deno says about a file, in words for the user and without its path.
 *
 * @param instead What to do where Deno permits no files.
 */
export function fileProblem(error: unknown, instead = "use another path"): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file or directory";
  if (error instanceof Deno.errors.NotCapable) {
    return isClosedPlace(error)
      ? `Deno permits no files in /dev, /proc and /sys; ${instead}`
      : notPermitted(error);
  }
  return (error as Error).message.replace(/ \(os error \d+\).*$/s, "");
}

/**
 * The error for a file that a flag or a variable names: used wrongly, unless a permission is missing,
 * which no other file would change.
 *
 * @param what What names the file, and what was wanted.
 */
export function fileError(what: string, error: unknown, instead?: string): Error {
  const message = `${what}: ${fileProblem(error, instead)}`;
  return isMissingPermission(error) ? new Error(message) : new UsageError(message);
}

/**
 * Reads a file that a flag names, as typed by the user.
 *
 * @param flag The flag, such as `--menu`.
 * @param parse Turns its text into a value; throws an error that says what is wrong with it.
 * @throws {Error} As {@linkcode fileError} gives it.
 */
export async function readFlagFile<T>(
  flag: string,
  path: string,
  parse: (text: string) => T,
): Promise<T> {
  try {
    return parse(await Deno.readTextFile(userPath(path)));
  } catch (error) {
    throw fileError(`${flag} "${path}"`, error);
  }
}

/** Whether the program runs without a permission that its task has. */
export function isMissingPermission(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable && !isClosedPlace(error);
}

/** Whether Deno keeps the place to programs that may do everything, such as a file in /proc. */
function isClosedPlace({ message }: Deno.errors.NotCapable): boolean {
  return message.includes("all access");
}

/** An error of Deno's permissions, without the flags of `deno run`, which a task does not take. */
export function notPermitted({ message }: Deno.errors.NotCapable): string {
  return `${message.replace(/, run again.*$/s, "")}; start the program with "deno task"`;
}
