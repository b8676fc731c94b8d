/**
 * Draws a bar chart as SVG that is readable on light and dark screens.
 *
 * @module
 */
import type { Spread } from "./measure.ts";

/** Bars with a common scale. */
export interface ChartGroup {
  /** Heading above the bars. */
  title: string;
  /** The bars from top to bottom. */
  bars: ChartBar[];
}

/** A bar with its label and figure. */
export interface ChartBar {
  /** Text to the left of the bar. */
  label: string;
  /** The median is the length of the bar; the range is drawn as a thin line. */
  value: Pick<Spread, "median" | "min" | "max">;
  /** Whether the bar is highlighted. */
  ours: boolean;
  /** Text after the figure. */
  note?: string | undefined;
}

const WIDTH = 860;
const MARGIN = 24;
const LABEL_WIDTH = 236;
const BAR_LEFT = MARGIN + LABEL_WIDTH;
/** Leaves room on the right for the figure and the note of the longest bar. */
const BAR_MAX = 300;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 25;
const TITLE_HEIGHT = 34;
const HEAD_HEIGHT = 62;
const FOOT_HEIGHT = 16;

const STYLE = `
    text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
    .head { font-size: 17px; font-weight: 600; }
    .title { font-weight: 600; }
    .note { fill: #59636e; }
    .page { fill: #ffffff; }
    .bar { fill: #b6bec8; }
    .ours { fill: #0969da; }
    .range { stroke: #1f2328; stroke-opacity: 0.55; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .note { fill: #9198a1; }
      .page { fill: #0d1117; }
      .bar { fill: #4d5661; }
      .ours { fill: #4493f8; }
      .range { stroke: #e6edf3; }
    }`;

/**
 * Draws groups of horizontal bars; each group has its own scale, which starts at 0.
 *
 * @param subtitle Describes all figures, such as the machine and the date.
 */
export function chartSvg(
  groups: readonly ChartGroup[],
  { title, subtitle }: { title: string; subtitle: string },
): string {
  const parts: string[] = [];
  let top = HEAD_HEIGHT;
  for (const group of groups) {
    parts.push(text(MARGIN, top + 22, group.title, "title"));
    top += TITLE_HEIGHT;
    const longest = Math.max(...group.bars.map(({ value }) => value.max));
    for (const bar of group.bars) {
      parts.push(row(bar, { top, pixelsPerUnit: longest > 0 ? BAR_MAX / longest : 0 }));
      top += ROW_HEIGHT;
    }
  }
  const height = top + FOOT_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    text(MARGIN, 32, title, "head"),
    text(MARGIN, 52, subtitle, "note"),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function row(
  { label, value, ours, note }: ChartBar,
  { top, pixelsPerUnit }: { top: number; pixelsPerUnit: number },
): string {
  const length = (units: number) => Math.round(units * pixelsPerUnit * 10) / 10;
  const middle = top + BAR_HEIGHT / 2;
  const right = BAR_LEFT + length(value.max) + 8;
  const figure = escaped(Math.round(value.median).toLocaleString("en"));
  const remark = note === undefined ? "" : ` <tspan class="note">${escaped(note)}</tspan>`;
  const rows = [
    text(MARGIN, middle + 4.5, label, ours ? "title" : undefined),
    `  <rect class="${ours ? "ours" : "bar"}" x="${BAR_LEFT}" y="${top}" ` +
    `width="${length(value.median)}" height="${BAR_HEIGHT}" rx="2"/>`,
    `  <text x="${right}" y="${middle + 4.5}">${figure}${remark}</text>`,
  ];
  if (value.max > value.min) {
    rows.push(
      `  <line class="range" x1="${BAR_LEFT + length(value.min)}" ` +
        `x2="${BAR_LEFT + length(value.max)}" y1="${middle}" y2="${middle}"/>`,
    );
  }
  return rows.join("\n");
}

function text(x: number, y: number, content: string, style?: string): string {
  const styled = style === undefined ? "" : ` class="${style}"`;
  return `  <text${styled} x="${x}" y="${y}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
