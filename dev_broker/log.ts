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
  { tail = Infinity, onLines }: {
    /**
     * How many of the lines that are there already are passed on.
     *
     * @default {Infinity}
     */
    tail?: number | undefined;
    onLines: (lines: string[]) => void;
  },
): Promise<() => Promise<void>> {
  let file = await ifThere(Deno.open(path));
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let rest = "";
  let isFirst = true;
  const readOn = async (from: Deno.FsFile) => {
    let held: string[] = [];
    for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
      const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
      rest = lines.pop()!;
      if (isFirst && tail < Infinity) held = [...held, ...lines].slice(-tail || Infinity);
      else if (lines.length > 0) onLines(lines);
    }
    if (held.length > 0) onLines(held);
    isFirst = false;
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
