/**
 * Reading newline-delimited JSON: one line after the other, however large the file.
 *
 * @module
 */
import { joinedBytes } from "./joined_bytes.ts";

/** A line of a file. */
export interface Line {
  /** Its number, from 1. */
  number: number;
  /** What stands in it, without the white space around; `undefined` when it is too long. */
  bytes: Uint8Array | undefined;
  /** Why there is nothing. */
  problem?: string;
}

const LINE_FEED = 10;
/** Tab, carriage return and blank: beside line ends they are all the white space of JSON. */
const WHITE_SPACE = [9, 13, 32];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * Splits bytes into lines at `\n` or `\r\n`; the last line may lack its end. White space around a line
 * and a byte order mark before it are left out. At most one line is held in memory, and nothing of a line of more than `maxBytes`.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let number = 0;

  const take = (): Line => {
    number++;
    const lineBytes = size;
    const bytes = size > maxBytes ? undefined : trimmed(joinedBytes(parts, size));
    parts = [];
    size = 0;
    if (bytes !== undefined) return { number, bytes };
    const problem = `too large: ${lineBytes} bytes, and at most ${maxBytes} are accepted`;
    return { number, bytes, problem };
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

function trimmed(line: Uint8Array): Uint8Array {
  let start = BYTE_ORDER_MARK.every((byte, index) => line[index] === byte) ? 3 : 0;
  let end = line.length;
  while (start < end && WHITE_SPACE.includes(line[start]!)) start++;
  while (end > start && WHITE_SPACE.includes(line[end - 1]!)) end--;
  return line.subarray(start, end);
}
