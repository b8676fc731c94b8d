/**
 * Follows the log of a node.
 *
 * Permissions: `--allow-read` for the log.
 *
 * @module
 */

import { ifThere } from "./files.ts";

/** Returns a function that passes on the lines added to a log since its last call. */
export async function openLog(
  path: string,
  onLines: (lines: string[]) => void,
): Promise<() => Promise<void>> {
  let file = await ifThere(Deno.open(path));
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let rest = "";
  const readOn = async (from: Deno.FsFile) => {
    for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
      const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
      rest = lines.pop()!;
      if (lines.length > 0) onLines(lines);
    }
  };
  return async () => {
    if (file !== undefined) await readOn(file);
    const current = await ifThere(Deno.open(path));
    // A full log is renamed and a new one created.
    if (current !== undefined && (await current.stat()).ino !== (await file?.stat())?.ino) {
      file?.close();
      file = current;
      await readOn(file);
    } else current?.close();
  };
}
