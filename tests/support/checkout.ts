/**
 * A copy of the project to run tasks in, in a path with a blank.
 *
 * @module
 */
import { brokerAddresses } from "../../dev_broker/config.ts";
import { ROOT } from "../../dev_broker/files.ts";
import { freeNodes } from "../../dev_broker/free_ports.ts";
import { kafkaClasspath } from "../../dev_broker/java.ts";
import { writeState } from "../../dev_broker/state.ts";
import { collect } from "../../lib/cli/launch.ts";
import { basename, dirname } from "node:path";

/** A task that was started. */
export interface Task {
  process: Deno.ChildProcess;
  stderr: () => string;
  ended: Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

/** A copy of the project. */
export interface Checkout extends AsyncDisposable {
  root: string;
  /** The copy of `deno`. */
  deno: string;
  start(name: string, args?: string[], env?: Record<string, string>): Task;
  run(name: string, args?: string[], env?: Record<string, string>): Task["ended"];
}

/** A copy of the project and of `deno` in a directory with a blank in its name. */
export async function checkoutWithBlank(): Promise<Checkout> {
  const directory = await Deno.makeTempDir({ prefix: "order stream " });
  const root = `${directory}/the project`;
  await copyTree(ROOT, root, [".git", ".kafka", ".venv", "results"]);
  await Deno.copyFile(Deno.execPath(), `${directory}/deno`);
  const start: Checkout["start"] = (name, args = [], env = {}) => {
    const process = new Deno.Command(`${directory}/deno`, {
      cwd: root,
      args: ["task", "--quiet", name, ...args],
      clearEnv: true,
      env: { ...freshEnvironment(), NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let heard = "";
    const stdout = collect(process.stdout);
    const stderr = collect(process.stderr, (line) => heard += `${line}\n`);
    const ended = process.status.then(async ({ code }) => ({
      exitCode: code,
      stdout: await stdout,
      stderr: await stderr,
    }));
    return { process, stderr: () => heard, ended };
  };
  return {
    root,
    deno: `${directory}/deno`,
    start,
    async run(name, args, env) {
      const { process, ended } = start(name, args, env);
      await process.stdin.close();
      return await ended;
    },
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

/** The environment without what npx sets for the tests and `deno task` then keeps. */
export function freshEnvironment(): Record<string, string> {
  const { INIT_CWD: _, npm_config_user_agent: __, ...environment } = Deno.env.toObject();
  return environment;
}

/** Copies a directory, without the named entries. */
export async function copyTree(from: string, to: string, except: string[] = []): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (except.includes(name)) continue;
    try {
      if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`, except);
      else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    } catch (error) {
      // Reports of tests that run at the same time come and go.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Gives a checkout the jars of Kafka, and free ports for its development broker; returns its address.
 *
 * @param options.secure Whether the broker is to have TLS, logins and access control.
 */
export async function prepareBroker(
  checkout: Checkout,
  { secure = false }: { secure?: boolean } = {},
): Promise<string> {
  const libs = dirname(await kafkaClasspath());
  await copyTree(libs, `${checkout.root}/.kafka/${basename(libs)}`);
  return await chooseFreePorts(checkout, { secure });
}

/** Gives a checkout free ports for its development broker; returns its address. */
export async function chooseFreePorts(
  { root }: Checkout,
  { secure = false }: { secure?: boolean } = {},
): Promise<string> {
  const nodes = freeNodes(1);
  await writeState(`${root}/.kafka`, {
    engine: "java",
    clusterId: "AAAAAAAAAAAAAAAAAAAAAQ",
    heap: "192m",
    nodes,
    secure,
  });
  return brokerAddresses(nodes);
}
