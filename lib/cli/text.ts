/**
 * Numbers, durations and tables for people.
 *
 * @module
 */
import { eastAsianWidth } from "get-east-asian-width";
import { visible } from "../visible_text.ts";

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

// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[\d+m/g;
/** A colour, or a character with the marks and modifiers that are drawn into it. */
// deno-lint-ignore no-control-regex
const CLUSTER = /\x1b\[\d+m|.[\p{Mn}\p{Me}\p{Emoji_Modifier}\u1160-\u11ff]*/gsu;
const WITHOUT_WIDTH = /^[\p{Cc}\p{Mn}\p{Me}]/u;
const NARROW = /^[ -~]*$/;

/** The columns that a line takes on a terminal, colours left out. */
export function displayWidth(line: string): number {
  const text = line.replace(COLOUR, "");
  return NARROW.test(text) ? text.length : sumOfWidths(clusters(text));
}

function clusters(text: string): string[] {
  return text.match(CLUSTER) ?? [];
}

function sumOfWidths(list: readonly string[]): number {
  return list.reduce((sum, cluster) => sum + clusterWidth(cluster), 0);
}

function clusterWidth(cluster: string): number {
  return WITHOUT_WIDTH.test(cluster) ? 0 : eastAsianWidth(cluster.codePointAt(0)!);
}

/** The line in pieces of at most this many columns; colours go on in the next piece. */
export function folded(line: string, columns: number): string[] {
  if (displayWidth(line) <= columns) return [line];
  const pieces: string[] = [""];
  let used = 0;
  for (const cluster of clusters(line)) {
    const width = clusterWidth(cluster);
    if (used + width > columns && used > 0) {
      pieces.push("");
      used = 0;
    }
    pieces[pieces.length - 1] += cluster;
    used += width;
  }
  return pieces;
}

/** Cuts a text that takes too many columns in its middle: ids differ at the end. */
export function cutMiddle(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  const all = clusters(text);
  const tailColumns = Math.floor((columns - 1) / 2);
  const headColumns = columns - 1 - tailColumns;
  const headEnd = all.findIndex((_, index) => sumOfWidths(all.slice(0, index + 1)) > headColumns);
  const tailStart = all.findLastIndex((_, index) => sumOfWidths(all.slice(index)) > tailColumns);
  return `${all.slice(0, headEnd).join("")}…${all.slice(tailStart + 1).join("")}`;
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

/**
 * A table with two spaces between its columns, without a newline at the end. Cells may hold any text:
 * what has no glyph is written out.
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  { left = [], indent = 0, paint = (text) => text }: TableOptions = {},
): string {
  const all = [heading, ...rows].map((cells) => cells.map(visible));
  const widths = heading.map((_, column) =>
    Math.max(...all.map((cells) => displayWidth(cells[column]!)))
  );
  return all.map((cells, index) =>
    " ".repeat(indent) + cells.map((cell, column) => {
      const isLast = column === cells.length - 1;
      const padding = " ".repeat(widths[column]! - displayWidth(cell));
      const padded = !left.includes(column) ? padding + cell : isLast ? cell : cell + padding;
      return paint(padded, { row: index - 1, column });
    }).join("  ")
  ).join("\n");
}

/** The text in lines of at most this many columns; a longer word has its own line. */
export function wrapped(text: string, columns: number): string[] {
  return filled(text.split(" "), columns);
}

/** Joins parts into lines of at most this many columns; a longer part has its own line. */
export function filled(parts: readonly string[], columns: number, separator = " "): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = `${lines.at(-1)}${separator}${part}`;
    if (lines.length === 0 || displayWidth(longer) > columns) lines.push(part);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
