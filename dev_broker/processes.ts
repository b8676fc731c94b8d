/**
 * Processes that this one did not start: what they are, and ending them.
 *
 * `Deno.kill` needs the permission to run anything at all; the system's own commands need it for
 * themselves only: `--allow-run=ps,kill`, on Windows `--allow-run=tasklist,taskkill`.
 *
 * @module
 */

const WINDOWS = Deno.build.os === "windows";

/**
 * Whether the process lives and its command line contains the text; a process id alone proves
 * nothing, as the system gives it to another program one day.
 *
 * Windows does not tell command lines: there it is enough that the process is a `java`.
 */
export async function isRunning(pid: number, commandPart: string): Promise<boolean> {
  if (WINDOWS) {
    const task = await output("tasklist", ["/FI", `PID eq ${pid}`, "/FO", "CSV", "/NH"]);
    return task.includes("java");
  }
  const state = await output("ps", ["-ww", "-o", "stat=", "-o", "args=", "-p", String(pid)]);
  // After kill -9 a process first loses its command line, "[java]", then its first thread is a zombie
  // while others ("l") still hold the ports.
  return state.includes(commandPart) || /^\s*(Z\S*l|[^Z\s]\S*\s+\[java\])/.test(state);
}

/** Asks a process to end, or ends it at once; does nothing when it is gone. */
export async function endProcess(
  pid: number,
  { atOnce = false }: { atOnce?: boolean } = {},
): Promise<void> {
  if (WINDOWS) await output("taskkill", ["/PID", String(pid), "/F"]);
  else await output("kill", [atOnce ? "-KILL" : "-TERM", String(pid)]);
}

async function output(command: string, args: string[]): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      `the command ${command} is missing, which looks after the broker's process` +
        (WINDOWS ? "" : "; it is in the package procps"),
      { cause: error },
    );
  }
}
