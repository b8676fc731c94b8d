/**
 * Writing the report file: whole or not at all.
 *
 * @module
 */
import { UsageError } from "./flags.ts";

/**
 * Writes the text to a temporary file beside the target, then renames it, so that a reader sees the
 * old report or the new one, never a part.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${Deno.pid}.tmp`;
  try {
    await Deno.writeTextFile(temporary, text);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw new Error(`cannot write ${path}: ${reason(error)}`);
  }
}

/**
 * Checks that a report can be written there, before work is done that would end in nothing.
 *
 * @throws {UsageError} When it cannot.
 */
export async function requireWritable(path: string): Promise<void> {
  const temporary = `${path}.${Deno.pid}.tmp`;
  try {
    if (await isDirectory(path)) throw new Error("it is a directory");
    await Deno.writeTextFile(temporary, "");
  } catch (error) {
    throw new UsageError(`--output "${path}": cannot be written: ${reason(error)}`);
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What the operating system says, without the name of the temporary file. */
function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "the directory does not exist";
  if (error instanceof Deno.errors.NotCapable) {
    return "not permitted; run it with --allow-read and --allow-write for that directory";
  }
  return (error as Error).message.replace(/:? ?(open|writefile|rename|stat) '.*$/, "");
}
