/**
 * Numbers, durations and tables for people.
 *
 * @module
 */

/** `1234567` as `1,234,567`. */
export function grouped(number: number | bigint): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `0.4 s`, `12 s`, `3 min`, `2.5 h`, `4 d`; `never` for infinity and `–` when it is not known. */
export function durationText(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds === Infinity) return "never";
  const short = (value: number) =>
    value < 9.95 ? String(Number(value.toFixed(1))) : value.toFixed(0);
  if (seconds < 90) return `${short(seconds)} s`;
  if (seconds < 90 * 60) return `${short(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${short(seconds / 3600)} h`;
  return `${short(seconds / 86_400)} d`;
}

/** Cuts a text that is too long in its middle: ids differ at the end. */
export function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}…${tail === 0 ? "" : text.slice(-tail)}`;
}

/** How a table looks. */
export interface TableOptions {
  /**
   * The columns that are aligned to the left; the others are aligned to the right.
   *
   * @default {[]}
   */
  left?: readonly number[];
  /**
   * The spaces before each line.
   *
   * @default {0}
   */
  indent?: number;
  /** Colours a cell; it gets the padded text, and -1 as the row of the heading. */
  paint?: (text: string, cell: { row: number; column: number }) => string;
}

/** A table with two spaces between its columns, without a newline at the end. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  { left = [], indent = 0, paint = (text) => text }: TableOptions = {},
): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((cells, index) =>
    " ".repeat(indent) + cells.map((cell, column) => {
      const width = left.includes(column) && column === cells.length - 1 ? 0 : widths[column]!;
      const padded = left.includes(column) ? cell.padEnd(width) : cell.padStart(width);
      return paint(padded, { row: index - 1, column });
    }).join("  ")
  ).join("\n");
}

/** The text in lines of at most this many characters; a longer word has its own line. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
