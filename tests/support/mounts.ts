/**
 * Mounts that only the processes of a test see.
 *
 * @module
 */

/** Whether a process may have mounts of its own: not without privileges, nor without `unshare`. */
export function canMount(): boolean {
  try {
    const args = ["-m", "mount", "-t", "tmpfs", "none", "/mnt"];
    return new Deno.Command("unshare", { args }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
