/**
 * Files of the development broker: where the project is, and a lock between processes.
 *
 * Permissions: `--allow-read` and `--allow-write` for the files.
 *
 * @module
 */
import { resolve } from "node:path";
import { pause } from "../lib/async.ts";

/** The project's root directory, without a slash at its end. */
export const ROOT: string = resolve(import.meta.dirname!, "..");

/** The data directory when no other is named; it also has the jars. */
export const DEFAULT_DATA_DIR = `${ROOT}/.kafka`;

/** Whether there is a file or directory of this name. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes a file, or a directory with everything in it, if it exists. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
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
      await pause(100, signal);
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}
