/**
 * The report file in places of all kinds, each in a process with the permissions of a task.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { canMount } from "../support/mounts.ts";

const REPORT_FILE = import.meta.resolve("../../lib/cli/report_file.ts");
const FILE_ACCESS = import.meta.resolve("../../lib/cli/file_access.ts");
const OLD = "an old report that is longer\n";
const NEW = "the new report\n";

/** Runs a module with access to all files, as tasks have it, inside of a shell command with `DENO`. */
async function runModule(
  code: string,
  args: string[],
  { shell = "DENO", env = {} }: { shell?: string; env?: Record<string, string> } = {},
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const deno = `"${Deno.execPath()}" run -q --no-prompt --allow-env=INIT_CWD --allow-read=/ ` +
    `--allow-write=/ - "$@"`;
  const process = new Deno.Command("sh", {
    args: ["-c", shell.replace("DENO", () => deno), "sh", ...args],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = process.output();
  const stdin = process.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(code));
  await stdin.close();
  const { code: exitCode, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  return { exitCode, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const WRITE = `
  import { openReportFile } from "${REPORT_FILE}";
  const file = await openReportFile(Deno.args[0]).catch((error) => {
    console.error(error.message);
    Deno.exit(2);
  });
  console.log(await file.update("${NEW.trim()}\\n"));
  await file.close();
`;

async function write(path: string, options: { shell?: string; env?: Record<string, string> } = {}) {
  return await runModule(WRITE, [path], options);
}

/** A directory with a name that shells and permission lists could misread; it is removed at the end. */
async function place(): Promise<AsyncDisposable & { path: string }> {
  const parent = await Deno.makeTempDir();
  const path = `${parent}/it's a "place", of %20 reports`;
  await Deno.mkdir(path);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }) };
}

async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
}

Deno.test("keepFileAccess leaves the named files and no others", async () => {
  await using directory = await place();
  const [kept, other] = [`${directory.path}/kept`, `${directory.path}/other`];
  for (const path of [kept, other]) await Deno.writeTextFile(path, OLD);
  await Deno.mkdir(`${directory.path}/elsewhere`);
  await Deno.symlink("..", `${directory.path}/elsewhere/up`);
  await Deno.symlink("up/kept", `${directory.path}/elsewhere/link`);
  const link = `${directory.path}/elsewhere/up/elsewhere/link`;
  const { stdout, stderr } = await runModule(
    `
      import { keepFileAccess } from "${FILE_ACCESS}";
      const [link, other] = Deno.args;
      keepFileAccess({ read: [link], write: [link] });
      const read = async (path) => await (await Deno.open(path)).stat();
      const write = (path) => Deno.writeTextFile(path, "");
      for (const path of [link, other, other + "/../new", "/etc/hostname"]) {
        for (const use of [read, write]) {
          console.log(await use(path).then(() => "done", (error) => error.name));
        }
      }
    `,
    [link, other],
  );
  const denied = Array.from({ length: 6 }, () => "NotCapable");
  assertEquals(stdout.trim().split("\n"), ["done", "done", ...denied], stderr);
  assertEquals(await Deno.readTextFile(other), OLD);
});

Deno.test("ReportFile replaces the target of symbolic links, keeps the links and the mode", async () => {
  await using directory = await place();
  const { path } = directory;
  await Deno.mkdir(`${path}/far`);
  await Deno.writeTextFile(`${path}/far/target`, OLD);
  await Deno.chmod(`${path}/far/target`, 0o640);
  await Deno.link(`${path}/far/target`, `${path}/before`);
  await Deno.symlink("far/target", `${path}/second`);
  await Deno.symlink("second", `${path}/first`);
  const { exitCode, stderr } = await write(`${path}/first`);
  assertEquals([exitCode, stderr], [0, ""]);
  assertEquals(await Deno.readLink(`${path}/first`), "second");
  assertEquals(await Deno.readTextFile(`${path}/far/target`), NEW);
  assertEquals((await Deno.stat(`${path}/far/target`)).mode! & 0o777, 0o640);
  assertEquals(await Deno.readTextFile(`${path}/before`), OLD, "a reader keeps the old report");
  assertEquals(await namesIn(`${path}/far`), ["target"]);

  await Deno.symlink("not yet there", `${path}/dangling`);
  assertEquals((await write(`${path}/dangling`)).exitCode, 0);
  assertEquals(await Deno.readTextFile(`${path}/not yet there`), NEW);
});

Deno.test("ReportFile gives a FIFO the last report", async () => {
  await using directory = await place();
  const fifo = `${directory.path}/fifo`;
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  const read = new Deno.Command("cat", { args: [fifo] }).output();
  assertEquals((await write(fifo)).exitCode, 0);
  assertEquals(new TextDecoder().decode((await read).stdout), NEW);
  assertEquals(await namesIn(directory.path), ["fifo"]);
});

Deno.test("openReportFile says why a path cannot be written, in words for users", async () => {
  await using directory = await place();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/file`, OLD);
  await Deno.symlink("circle", `${path}/circle`);
  const problems = {
    [`${path}/missing/report`]: "there is no such file or directory",
    [path]: "it is a directory",
    [`${path}/new/`]: "it is a directory",
    [`${path}/file/report`]: "Not a directory",
    [`${path}/circle`]: "too many symbolic links",
    "/dev/full": "Deno permits no files in /dev",
    "/dev/shm/report": "Deno permits no files in /dev",
    "/proc/self/fd/1": "Deno permits no files in /dev, /proc",
  };
  for (const [output, problem] of Object.entries(problems)) {
    const { exitCode, stderr } = await write(output);
    assertEquals(exitCode, 2, output);
    assertStringIncludes(stderr, `--output "${output}": cannot be written: ${problem}`);
    assertEquals(/allow-|os error|\.tmp/.exec(stderr), null, stderr);
  }
  assertEquals(await namesIn(path), ["circle", "file"]);
});

Deno.test({
  name:
    "ReportFile overwrites what it cannot replace: a bind mount, a file in a read-only directory",
  ignore: !canMount(),
  fn: async () => {
    await using directory = await place();
    const { path } = directory;
    await Deno.mkdir(`${path}/read-only`);
    for (const name of ["source", "mounted", "read-only/file"]) {
      await Deno.writeTextFile(`${path}/${name}`, OLD);
    }
    const shell = `unshare -m sh -c 'mount --bind "$PLACE/source" "$PLACE/mounted" &&
      mount --bind "$PLACE/read-only" "$PLACE/read-only" && mount --bind "$PLACE/source" "$PLACE/read-only/file" &&
      mount -o remount,ro,bind "$PLACE/read-only" && DENO' sh "$@"`;
    for (const name of ["mounted", "read-only/file"]) {
      await Deno.writeTextFile(`${path}/source`, OLD);
      const { exitCode, stdout, stderr } = await write(`${path}/${name}`, {
        shell,
        env: { PLACE: path },
      });
      assertEquals([exitCode, stdout.trim()], [0, "true"], stderr);
      assertEquals(await Deno.readTextFile(`${path}/source`), NEW);
    }
    assertEquals(await namesIn(path), ["mounted", "read-only", "source"]);
    assertEquals(await namesIn(`${path}/read-only`), ["file"]);
  },
});
