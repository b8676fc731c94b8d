/**
 * A lock between processes, by a file: the system itself lets go of it when its holder dies.
 *
 * Permissions: `--allow-read` and `--allow-write` for the file.
 *
 * @module
 */
import { pause } from "../lib/async.ts";

/**
 * Takes the lock, and gives it back when the result is disposed of. The file stays.
 *
 * @throws The signal's reason when it is aborted while waiting.
 */
export async function lockFile(
  path: string,
  { signal, onWait = () => {} }: {
    /** Ends the waiting. */
    signal?: AbortSignal | undefined;
    /** Called once when another process holds the lock. */
    onWait?: () => void;
  } = {},
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
