/**
 * Paths as a user types them. A task runs in the project's directory and has the user's own one in
 * `INIT_CWD`.
 *
 * @module
 */
import { resolve } from "node:path";

/** The path, from where the user stands. */
export function userPath(
  path: string,
  initCwd: string | undefined = Deno.env.get("INIT_CWD"),
): string {
  return initCwd === undefined ? path : resolve(initCwd, path);
}
