/**
 * Reading newline-delimited JSON: one line after the other, however large the file.
 *
 * @module
 */

/** A line of a file. */
export interface Line {
  /** Its number, from 1. */
  number: number;
  /** Its text without the line end; `undefined` when it is not UTF-8 or too long. */
  text: string | undefined;
  /** Why there is no text. */
  problem?: string;
}

const LINE_FEED = 10;

/**
 * Splits bytes into lines at `\n` or `\r\n`; the last line may lack its end. A byte order mark is
 * passed over. At most one line is held in memory, and nothing of a line of more than `maxBytes`.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let parts: Uint8Array[] = [];
  let size = 0;
  let number = 0;

  const take = (): Line => {
    number++;
    const lineBytes = size;
    const bytes = size > maxBytes ? undefined : joined(parts, size);
    parts = [];
    size = 0;
    if (bytes === undefined) {
      const problem = `too large: ${lineBytes} bytes, and at most ${maxBytes} are accepted`;
      return { number, text: undefined, problem };
    }
    try {
      return { number, text: decoder.decode(bytes).replace(/\r$/, "") };
    } catch {
      return { number, text: undefined, problem: "not UTF-8" };
    }
  };
  const keep = (part: Uint8Array) => {
    size += part.length;
    if (size <= maxBytes) parts.push(part);
    else parts = [];
  };

  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      keep(chunk.subarray(from, end));
      yield take();
      from = end + 1;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  if (size > 0) yield take();
}

function joined(parts: Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
