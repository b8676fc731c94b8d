/**
 * The report file: written again and again, each time whole or not at all.
 *
 * The text goes to a temporary file beside the target, which is then renamed, so that a reader sees the
 * old report or the new one, never a part. A symbolic link stays, and its target is replaced. What
 * cannot be replaced, such as a bind mount or a file in a directory that is read-only, is overwritten
 * in place. A FIFO gets the last report only.
 *
 * In a directory that others can write to, such as /tmp, nothing of theirs is followed or written to:
 * neither a symbolic link, on the way to the file either, nor what stands at the name of the temporary
 * file. Linux has the same rules (`fs.protected_symlinks`, `protected_regular`, `protected_fifos`), but
 * not on every machine.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import { deadline } from "../async.ts";
import { fileError, fileProblem, keepFileAccess } from "./file_access.ts";
import { nonEmpty } from "./flags.ts";
import { printNote, printWarning } from "./output.ts";
import { userPath } from "./user_path.ts";

/** Errors of the operating system for a file that cannot be replaced, but perhaps overwritten. */
const IRREPLACEABLE = new Set(["EACCES", "EBUSY", "ENAMETOOLONG", "EPERM", "EROFS", "EXDEV"]);
const NO_FILES = "use --output - > FILE";
/** What stands for no file: the report goes to stdout at the end in any case. */
const STDOUT_ONLY = ["-", "none", "/dev/null", "/dev/stdout"];
/** How long the last report waits for a reader of a FIFO, in milliseconds. */
const READER_LIMIT_MS = 10_000;
/** As in the kernel: more links than this are taken for a circle. */
const MAX_LINKS = 40;

/** Bits of the mode of a directory: its group or all others can write to it; only owners can delete in it. */
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const PERMISSION_BITS = 0o777;

/** Parses the path of a report file; `undefined` for no file. */
export function reportPath(text: string): string | undefined {
  return STDOUT_ONLY.includes(text) ? undefined : nonEmpty("a file")(text);
}

/**
 * Prepares a file for reports, and gives up the access to all other files.
 *
 * @param typed The path as the user typed it; `undefined` for no file.
 * @throws {UsageError} When no report can be written there.
 */
export async function openReportFile(typed: string | undefined): Promise<ReportFile | undefined> {
  if (typed === undefined) {
    keepFileAccess({});
    return undefined;
  }
  try {
    const path = await realPath(resolve(userPath(typed)));
    const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
    const paths = [path, temporary];
    keepFileAccess({ read: paths, write: paths });
    const info = await existing(path);
    if (info?.isDirectory || typed.endsWith("/")) throw new Error("it is a directory");
    const isStream = info?.isFile === false;
    const file = new ReportFile(typed, { path, temporary, isStream });
    if (!isStream) await file.check();
    return file;
  } catch (error) {
    throw fileError(`--output "${typed}": cannot be written`, error, NO_FILES);
  }
}

/** A report file; use {@linkcode openReportFile}. */
export class ReportFile {
  #typed: string;
  #path: string;
  #temporary: string;
  #isStream: boolean;
  #isReplaceable = true;
  #failed = false;
  #last: string | undefined;

  constructor(
    typed: string,
    { path, temporary, isStream }: { path: string; temporary: string; isStream: boolean },
  ) {
    this.#typed = typed;
    this.#path = path;
    this.#temporary = temporary;
    this.#isStream = isStream;
  }

  /** Fails when a report cannot be written, without changing the file. */
  async check(): Promise<void> {
    const isThere = await existing(this.#path) !== undefined;
    if (isThere) (await Deno.open(this.#path, { write: true })).close();
    try {
      await this.#writeTemporary("");
    } catch (error) {
      if (!isThere || !isIrreplaceable(error)) throw error;
      this.#isReplaceable = false;
    } finally {
      await this.#removeTemporary();
    }
  }

  /**
   * Writes a report. A failure is a warning, once, and a report that can be written again a note: a
   * full disk must not stop the counting. Returns whether it is written.
   */
  async update(text: string): Promise<boolean> {
    this.#last = text;
    if (this.#isStream) return true;
    try {
      await this.#write(text);
    } catch (error) {
      if (!this.#failed) {
        printWarning(
          `cannot write ${this.#typed}: ${fileProblem(error)}; counting goes on, trying again`,
        );
      }
      this.#failed = true;
      return false;
    }
    if (this.#failed) printNote(`${this.#typed} is written again`);
    this.#failed = false;
    return true;
  }

  /**
   * Writes the last report to a stream.
   *
   * @throws {Error} When the last report is not written.
   */
  async close(): Promise<void> {
    if (this.#isStream && this.#last !== undefined) {
      try {
        const options = { create: false };
        await refuseLink(this.#path);
        await deadline(Deno.writeTextFile(this.#path, this.#last, options), READER_LIMIT_MS);
      } catch (error) {
        const isUnread = error instanceof DOMException && error.name === "TimeoutError";
        const problem = isUnread ? "no program reads it" : fileProblem(error);
        throw new Error(`cannot write ${this.#typed}: ${problem}`);
      }
    }
    if (this.#failed) throw new Error(`the last report could not be written to ${this.#typed}`);
  }

  async #write(text: string): Promise<void> {
    if (this.#isReplaceable) {
      try {
        return await this.#replace(text);
      } catch (error) {
        await this.#removeTemporary();
        if (!isIrreplaceable(error) || await existing(this.#path) === undefined) throw error;
        this.#isReplaceable = false;
      }
    }
    await refuseLink(this.#path);
    await Deno.writeTextFile(this.#path, text);
  }

  async #replace(text: string): Promise<void> {
    const info = await existing(this.#path);
    const mode = info?.isFile ? info.mode! & PERMISSION_BITS : undefined;
    await this.#writeTemporary(text, mode);
    // The mode above is narrowed by the umask.
    if (mode !== undefined) await Deno.chmod(this.#temporary, mode);
    await Deno.rename(this.#temporary, this.#path);
  }

  /** Creates the temporary file; somebody may have put something at its name. */
  async #writeTemporary(text: string, mode?: number): Promise<void> {
    const options = { createNew: true, ...(mode !== undefined && { mode }) };
    try {
      await Deno.writeTextFile(this.#temporary, text, options);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      await Deno.remove(this.#temporary);
      await Deno.writeTextFile(this.#temporary, text, options);
    }
  }

  async #removeTemporary(): Promise<void> {
    // There is none when it could not be created.
    await Deno.remove(this.#temporary).catch(() => {});
  }
}

/**
 * What an absolute path leads to through symbolic links, in its directories too; the last part may be
 * missing.
 *
 * @throws {Error} When a link or the file is one that others have put there.
 */
async function realPath(path: string): Promise<string> {
  const directory = dirname(path);
  // Mostly there is no link: then nothing above the directory is looked at.
  const isReal = await Deno.realPath(directory) === directory;
  let real = isReal ? directory : "/";
  const parts = isReal ? [basename(path)] : path.split("/");
  for (let links = 0; parts.length > 0;) {
    const part = parts.shift()!;
    const next = part === ".." ? dirname(real) : join(real, part);
    const info = next === real ? undefined : await unfollowed(next);
    if (info === undefined) {
      real = next;
      continue;
    }
    await refuseForeign(next, info, { directory: real, isLast: parts.length === 0 });
    if (!info.isSymlink) {
      real = next;
      continue;
    }
    if (++links > MAX_LINKS) throw new Error("too many symbolic links");
    const target = await Deno.readLink(next);
    if (target.startsWith("/")) real = "/";
    parts.unshift(...target.split("/"));
  }
  return real;
}

/** Refuses what others may have put into a directory in order to have something overwritten. */
async function refuseForeign(
  path: string,
  { isSymlink, isDirectory, uid }: Deno.FileInfo,
  { directory, isLast }: { directory: string; isLast: boolean },
): Promise<void> {
  const { mode, uid: owner } = await Deno.stat(directory);
  const isShared = (mode! & WRITABLE_BY_OTHERS) !== 0;
  // Colleagues share files in a directory without the sticky bit, and can replace each other's.
  const isFile = isLast && !isDirectory && (mode! & STICKY) !== 0;
  if (!isShared || !(isSymlink || isFile) || uid === owner) return;
  if (uid === await ownUid(directory)) return;
  throw new Error(
    `"${path}" is a ${isSymlink ? "symbolic link" : "file"} of another user, in a directory that ` +
      `others can write to; ${isSymlink ? "name its target" : "use another name"}, or remove it`,
  );
}

/**
 * The id of the user, from a file that is made for it: to ask the system takes a permission more.
 * `undefined` when none can be made.
 */
async function ownUid(directory: string): Promise<number | null | undefined> {
  const path = join(directory, `.${crypto.randomUUID()}.tmp`);
  try {
    await Deno.writeTextFile(path, "", { createNew: true });
    return (await Deno.lstat(path)).uid;
  } catch {
    return undefined;
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

/** Refuses to write to a file in whose place there is a link by now. */
async function refuseLink(path: string): Promise<void> {
  if ((await unfollowed(path))?.isSymlink) throw new Error("a symbolic link has taken its place");
}

async function unfollowed(path: string): Promise<Deno.FileInfo | undefined> {
  return await ifThere(Deno.lstat(path));
}

async function existing(path: string): Promise<Deno.FileInfo | undefined> {
  return await ifThere(Deno.stat(path));
}

async function ifThere(info: Promise<Deno.FileInfo>): Promise<Deno.FileInfo | undefined> {
  try {
    return await info;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isIrreplaceable(error: unknown): boolean {
  return IRREPLACEABLE.has((error as { code?: string }).code ?? "");
}
