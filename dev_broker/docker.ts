/**
 * The development broker with Docker Compose: compose.yaml, and compose.secure.yaml over it.
 *
 * Permissions: `--allow-run=docker`.
 *
 * @module
 */
import { ROOT } from "./files.ts";

/** How long each check of Docker may take. */
const LIMIT_MS = 10_000;

/** Why Docker Compose cannot run the broker; `undefined` when it can. */
export async function dockerProblem(): Promise<string | undefined> {
  for (const args of [["info"], ["compose", "version"]]) {
    try {
      const { success, stderr } = await new Deno.Command("docker", {
        args,
        stdout: "null",
        signal: AbortSignal.timeout(LIMIT_MS),
      }).output();
      if (success) continue;
      const lines = new TextDecoder().decode(stderr).split("\n").map((line) => line.trim());
      return `\`docker ${args.join(" ")}\` printed "${lines.find((line) => line !== "") ?? ""}"`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "the command docker is missing";
      throw error;
    }
  }
  return undefined;
}

/** Whether the broker's container is running. */
export async function containerRuns(): Promise<boolean> {
  const { success, stdout } = await new Deno.Command("docker", {
    args: composeArgs(["ps", "--status", "running", "--quiet", "kafka"]),
    stderr: "null",
  }).output();
  return success && stdout.length > 0;
}

/**
 * Runs `docker compose` with its output on the terminal.
 *
 * @param options.secretsFile The secret settings of a secured broker: compose.secure.yaml counts, too.
 * @param options.onText Takes what it writes to stdout, instead of the terminal.
 * @throws {Error} When it fails.
 */
export async function compose(
  args: readonly string[],
  { signal, secretsFile, onText }: {
    signal?: AbortSignal | undefined;
    secretsFile?: string | undefined;
    onText?: (text: string) => void;
  } = {},
): Promise<void> {
  const child = new Deno.Command("docker", {
    args: composeArgs(args, secretsFile !== undefined),
    ...(secretsFile !== undefined && { env: { ORDER_STREAM_BROKER_SECRETS: secretsFile } }),
    stdin: "null",
    stdout: onText === undefined ? "inherit" : "piped",
    stderr: "inherit",
    ...(signal && { signal }),
  }).spawn();
  if (onText !== undefined) {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) onText(text);
  }
  const { success, code } = await child.status;
  signal?.throwIfAborted();
  if (!success) throw new Error(`Docker Compose failed with exit code ${code}: see above`);
}

function composeArgs(args: readonly string[], isSecure = false): string[] {
  const files = isSecure ? ["compose.yaml", "compose.secure.yaml"] : ["compose.yaml"];
  return ["compose", ...files.flatMap((file) => ["--file", `${ROOT}/${file}`]), ...args];
}
