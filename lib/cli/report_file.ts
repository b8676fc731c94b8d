/**
 * The report file: written again and again, each time whole or not at all.
 *
 * The text goes to a temporary file beside the target, which is then renamed, so that a reader sees the
 * old report or the new one, never a part. A symbolic link stays, and its target is replaced. What
 * cannot be replaced, such as a bind mount or a file in a directory that is read-only, is overwritten
 * in place. A FIFO gets the last report only.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import { deadline } from "../async.ts";
import { fileProblem, keepFileAccess } from "./file_access.ts";
import { nonEmpty, UsageError } from "./flags.ts";
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
    const path = await linkTarget(userPath(typed));
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
    throw new UsageError(`--output "${typed}": cannot be written: ${fileProblem(error, NO_FILES)}`);
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
      await Deno.writeTextFile(this.#temporary, "");
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
    await Deno.writeTextFile(this.#path, text);
  }

  async #replace(text: string): Promise<void> {
    const info = await existing(this.#path);
    const mode = info?.mode ?? undefined;
    await Deno.writeTextFile(this.#temporary, text, mode === undefined ? {} : { mode });
    // The mode above is narrowed by the umask.
    if (mode !== undefined) await Deno.chmod(this.#temporary, mode & 0o7777);
    await Deno.rename(this.#temporary, this.#path);
  }

  async #removeTemporary(): Promise<void> {
    // There is none when it could not be created.
    await Deno.remove(this.#temporary).catch(() => {});
  }
}

/** What a path leads to through symbolic links; the last one may be missing. */
async function linkTarget(path: string, links = 0): Promise<string> {
  if (links > MAX_LINKS) throw new Error("too many symbolic links");
  const real = join(await Deno.realPath(dirname(path)), basename(path));
  let link: string;
  try {
    link = await Deno.readLink(real);
  } catch {
    return real;
  }
  return await linkTarget(resolve(dirname(real), link), links + 1);
}

async function existing(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isIrreplaceable(error: unknown): boolean {
  return IRREPLACEABLE.has((error as { code?: string }).code ?? "");
}
