/**
 * Loaded before a program with `deno run --preload`: as it makes its first connection, prints which
 * of the files named in the query of this module's address it may still read and write, and then tries
 * to use the first of them.
 *
 * @module
 */
import { Socket } from "node:net";

/** What a program may still do with files when it makes its first connection. */
export interface Access {
  read: string[];
  write: string[];
  /** The errors of reading and writing the first file; empty where it worked. */
  used: string[];
}

/** Begins the line with the {@linkcode Access}. */
export const PROBE = "probe: ";

function report(): void {
  const files = new URL(import.meta.url).searchParams.getAll("file");
  const permitted = (name: "read" | "write") =>
    files.filter((path) => Deno.permissions.querySync({ name, path }).state === "granted");
  const access: Access = { read: permitted("read"), write: permitted("write"), used: [] };
  for (const use of [{ read: true }, { write: true }]) {
    try {
      Deno.openSync(files[0]!, use).close();
      access.used.push("");
    } catch (error) {
      access.used.push((error as Error).name);
    }
  }
  console.error(PROBE + JSON.stringify(access));
}

let isReported = false;

/** The function, with a report before its first call. */
function reporting<This, Args extends unknown[], Result>(
  original: (this: This, ...args: Args) => Result,
): (this: This, ...args: Args) => Result {
  return function (...args) {
    if (!isReported) report();
    isReported = true;
    return original.apply(this, args);
  };
}

// Only as a preloaded module: a test imports the types and the constant.
if (new URL(import.meta.url).search !== "") {
  Socket.prototype.connect = reporting(Socket.prototype.connect) as Socket["connect"];
  Deno.connect = reporting(Deno.connect) as typeof Deno.connect;
}
