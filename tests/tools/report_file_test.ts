/**
 * The report file in places of all kinds, each in a process with the permissions of a task.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { lchownSync } from "node:fs";
import { canMount } from "../support/mounts.ts";

const REPORT_FILE = import.meta.resolve("../../lib/cli/report_file.ts");
const FILE_ACCESS = import.meta.resolve("../../lib/cli/file_access.ts");
const OLD = "an old report that is longer\n";
const NEW = "the new report\n";

/** Runs a module with access to all files, as tasks have it, inside of a shell command with `DENO`. */
async function runModule(
  code: string,
  args: string[],
  { shell = "DENO", env = {}, flags = "" }: {
    shell?: string;
    env?: Record<string, string>;
    flags?: string;
  } = {},
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const deno = `"${Deno.execPath()}" run -q --no-prompt --allow-env=INIT_CWD --allow-read=/ ` +
    `--allow-write=/ ${flags} - "$@"`;
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

/** Neither this user nor the owner of the directory. */
const STRANGER = 65_534;
const isRoot = Deno.uid() === 0;

/** A directory like /tmp in another one, with a file that must not change. */
async function sharedPlace(mode = 0o1777) {
  const directory = await place();
  const path = `${directory.path}/shared`;
  await Deno.mkdir(path);
  await Deno.chmod(path, mode);
  const precious = `${directory.path}/precious`;
  await Deno.writeTextFile(precious, OLD);
  return { ...directory, path, precious };
}

/** A link of a stranger. */
async function plant(target: string, path: string): Promise<void> {
  await Deno.symlink(target, path);
  lchownSync(path, STRANGER, STRANGER);
}

Deno.test({
  name:
    "openReportFile follows no link that others have put into a directory that they can write to",
  ignore: !isRoot,
  fn: async () => {
    for (const mode of [0o1777, 0o777, 0o775]) {
      await using shared = await sharedPlace(mode);
      const { path, precious } = shared;
      await plant("../precious", `${path}/link`);
      await plant("..", `${path}/directory`);
      await Deno.symlink("shared/link", `${path}/../own`);
      for (const output of [`${path}/link`, `${path}/directory/precious`, `${path}/../own`]) {
        const { exitCode, stderr } = await write(output);
        assertEquals(exitCode, 2, output);
        const link = output.includes("/directory/") ? "directory" : "link";
        assertStringIncludes(
          stderr,
          `"${await Deno.realPath(path)}/${link}" is a symbolic link of another user, in a ` +
            "directory that others can write to; name its target, or remove it",
        );
        assertEquals(await Deno.readTextFile(precious), OLD);
      }
      assertEquals(await namesIn(path), ["directory", "link"]);
    }
  },
});

Deno.test({
  name: "openReportFile follows links of its user and of the owner of the directory",
  ignore: !isRoot,
  fn: async () => {
    await using shared = await sharedPlace();
    const { path, precious } = shared;
    await Deno.symlink("../precious", `${path}/own`);
    assertEquals((await write(`${path}/own`)).exitCode, 0);
    assertEquals(await Deno.readTextFile(precious), NEW);
    await Deno.writeTextFile(precious, OLD);
    await Deno.chown(path, STRANGER, STRANGER);
    await plant("../precious", `${path}/theirs`);
    for (const name of ["theirs", "own"]) {
      await Deno.writeTextFile(precious, OLD);
      assertEquals((await write(`${path}/${name}`)).exitCode, 0);
      assertEquals(await Deno.readTextFile(precious), NEW);
    }
    assertEquals(await namesIn(path), ["own", "theirs"]);
    // Nobody else can write there.
    await plant("../precious", `${path}/../link`);
    assertEquals((await write(`${path}/../link`)).exitCode, 0);
  },
});

Deno.test({
  name: "openReportFile writes to no file and FIFO that others have put into /tmp",
  ignore: !isRoot,
  fn: async () => {
    await using shared = await sharedPlace();
    const { path } = shared;
    await Deno.writeTextFile(`${path}/file`, OLD);
    await new Deno.Command("mkfifo", { args: [`${path}/fifo`] }).output();
    for (const name of ["file", "fifo"]) {
      await Deno.chown(`${path}/${name}`, STRANGER, STRANGER);
      const { exitCode, stderr } = await write(`${path}/${name}`);
      assertEquals(exitCode, 2);
      assertStringIncludes(stderr, `/${name}" is a file of another user`);
    }
    assertEquals(await Deno.readTextFile(`${path}/file`), OLD);
  },
});

Deno.test("ReportFile writes through no link at the name of its temporary file or in its own place", async () => {
  await using shared = await sharedPlace();
  const { path, precious } = shared;
  // The name of the temporary file is seen when it is there for the first time.
  const { exitCode, stdout, stderr } = await runModule(
    `
      import { openReportFile } from "${REPORT_FILE}";
      const [path, precious] = Deno.args;
      const writeTextFile = Deno.writeTextFile;
      let temporary;
      Deno.writeTextFile = (path, ...rest) => writeTextFile(temporary = path, ...rest);
      const ln = (...args) => new Deno.Command("ln", { args }).outputSync();
      const file = await openReportFile(path);
      ln("-s", precious, temporary);
      console.log(await file.update("${NEW.trim()}\\n"));
      ln("-sf", precious, path);
      console.log(await file.update("${NEW.trim()}\\n"));
    `,
    [`${path}/report`, precious],
    { flags: "--allow-run=ln" },
  );
  assertEquals([exitCode, stdout], [0, "true\ntrue\n"], stderr);
  assertEquals(await Deno.readTextFile(precious), OLD);
  assertEquals(await namesIn(path), ["report"]);
  assertEquals((await Deno.lstat(`${path}/report`)).isFile, true);
  assertEquals(await Deno.readTextFile(`${path}/report`), NEW);
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
