/**
 * Files and commands of the development broker: where the project is, a lock between processes, and
 * what a command prints.
 *
 * Permissions: `--allow-read` and `--allow-write` for the files, `--allow-run` for the commands.
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { delay } from "../lib/async.ts";

/** The project's root directory, without a slash at its end. */
export const ROOT: string = resolve(import.meta.dirname!, "..");

/** The data directory when no other is named; it also has the jars. */
export const DEFAULT_DATA_DIR = `${ROOT}/.kafka`;

/** What a file operation gives; `undefined` when the file does not exist. */
export async function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether there is a file or directory of this name. */
export async function exists(path: string): Promise<boolean> {
  return await ifThere(Deno.stat(path)) !== undefined;
}

/** Removes a file, or a directory with everything in it, if it exists. */
export function removeIfThere(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

/** Writes a file that only the user can read; a reader never sees half of it. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  await Deno.writeTextFile(unfinished, text, { mode: 0o600 });
  // The mode above is that of a new file alone.
  await Deno.chmod(unfinished, 0o600);
  await Deno.rename(unfinished, path);
}

/**
 * Runs a command without input; `text` is what it wrote to stdout, then what it wrote to stderr.
 *
 * @param options.onText Called with whole lines of stdout as they come.
 */
export async function outputOf(
  command: string,
  args: string[],
  { cwd, signal, onText }: {
    cwd?: string;
    signal?: AbortSignal | undefined;
    onText?: (text: string) => void;
  } = {},
): Promise<{ success: boolean; code: number; text: string }> {
  const child = new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(cwd !== undefined && { cwd }),
    ...(signal && { signal }),
  }).spawn();
  const stderr = new Response(child.stderr).text();
  let stdout = "";
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += text;
    const end = (rest + text).lastIndexOf("\n") + 1;
    onText?.((rest + text).slice(0, end));
    rest = (rest + text).slice(end);
  }
  const { success, code } = await child.status;
  return { success, code, text: stdout + await stderr };
}

/**
 * Takes a lock and releases it when the result is disposed of. The system releases it when its
 * holder dies. The file stays.
 *
 * @throws The signal's reason when it is aborted while waiting.
 */
export async function lockFile(
  path: string,
  { signal, onWait }: {
    /** Ends the waiting. */
    signal?: AbortSignal | undefined;
    /** Called once when another process holds the lock. */
    onWait: () => void;
  },
): Promise<Disposable> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    for (let tries = 0; !await file.tryLock(true); tries++) {
      if (tries === 0) onWait();
      await delay(100, { signal });
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}
