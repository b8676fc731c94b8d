/**
 * The curve of a lag over time, as an SVG picture.
 *
 * The picture carries its own colours for light and dark, and needs nothing but a browser.
 *
 * @module
 */

/** The lag at a moment. */
export interface LagPoint {
  /** Milliseconds since the beginning. */
  ms: number;
  /** Records. */
  lag: number;
}

/** A moment that is named in the picture. */
export interface Mark {
  /** Milliseconds since the beginning. */
  ms: number;
  /** Its name, in a few words. */
  label: string;
}

/** From its rise to its end: what a curve says. */
export interface LagArc {
  /** The highest lag. */
  peak: number;
  /** When it was reached, in milliseconds since the beginning. */
  peakMs: number;
  /** When the lag was back at 0 for good; `undefined` when it never was. */
  caughtUpMs: number | undefined;
  /** From the peak to 0, in milliseconds. */
  drainMs: number | undefined;
  /** Records per second, from the peak to 0. */
  drainPerSecond: number | undefined;
}

/** The arc of a curve of at least one point, oldest first. */
export function lagArc(points: readonly LagPoint[]): LagArc {
  const peak = points.reduce((highest, point) => point.lag > highest.lag ? point : highest);
  const lastBehind = points.findLastIndex(({ lag }) => lag > 0);
  const caughtUpMs = points[lastBehind + 1]?.ms;
  const drainMs = caughtUpMs === undefined || peak.lag === 0 ? undefined : caughtUpMs - peak.ms;
  return {
    peak: peak.lag,
    peakMs: peak.ms,
    caughtUpMs,
    drainMs,
    drainPerSecond: drainMs === undefined ? undefined : peak.lag / drainMs * 1_000,
  };
}

const WIDTH = 860;
const HEIGHT = 440;
const PLOT = { left: 76, right: 836, top: 100, bottom: 372 };

const STYLE = `
  svg { font: 13px system-ui, sans-serif; color: #1c2733; }
  .back { fill: #ffffff; }
  .grid { stroke: #dfe4ea; }
  .axis { stroke: #7a8694; }
  .area { fill: #1f6feb; fill-opacity: .14; }
  .line { fill: none; stroke: #1f6feb; stroke-width: 2; stroke-linejoin: round; }
  .mark { stroke: #7a8694; stroke-dasharray: 4 4; }
  .peak { fill: #c9510c; }
  text { fill: currentColor; }
  .soft { fill: #5b6773; }
  .title { font-size: 16px; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    svg { color: #e6edf3; }
    .back { fill: #0d1117; }
    .grid { stroke: #262d36; }
    .area { fill: #58a6ff; fill-opacity: .2; }
    .line { stroke: #58a6ff; }
    .peak { fill: #f0883e; }
    .soft { fill: #9aa5b1; }
  }`;

/** Draws a curve of at least one point, oldest first. */
export function lagPlot(
  points: readonly LagPoint[],
  { title, marks = [] }: { title: string; marks?: readonly Mark[] },
): string {
  const { peak, peakMs } = lagArc(points);
  const xTicks = ticks(Math.max(...points.map(({ ms }) => ms), ...marks.map(({ ms }) => ms)) / 1e3);
  const yTicks = ticks(peak);
  const x = (ms: number) => scaled(ms / 1e3 / xTicks.at(-1)!, PLOT.left, PLOT.right);
  const y = (lag: number) => scaled(lag / yTicks.at(-1)!, PLOT.bottom, PLOT.top);
  const path = points.map(({ ms, lag }) => `${x(ms)},${y(lag)}`).join(" ");
  const middle = (PLOT.left + PLOT.right) / 2;

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${PLOT.left}" y="30">${escaped(title)}</text>`,
    ...yTicks.flatMap((tick) => [
      line("grid", [PLOT.left, y(tick)], [PLOT.right, y(tick)]),
      text("soft", [PLOT.left - 10, y(tick) + 4], tickText(tick), "end"),
    ]),
    ...xTicks.flatMap((tick) => [
      line("axis", [x(tick * 1e3), PLOT.bottom], [x(tick * 1e3), PLOT.bottom + 5]),
      text("soft", [x(tick * 1e3), PLOT.bottom + 21], tickText(tick), "middle"),
    ]),
    line("axis", [PLOT.left, PLOT.bottom], [PLOT.right, PLOT.bottom]),
    text("soft", [middle, PLOT.bottom + 48], "seconds since the start", "middle"),
    `<text class="soft" text-anchor="middle" transform="translate(20 ${
      (PLOT.top + PLOT.bottom) / 2
    }) rotate(-90)">lag, in records</text>`,
    `<polygon class="area" points="${x(points[0]!.ms)},${PLOT.bottom} ${path} ` +
    `${x(points.at(-1)!.ms)},${PLOT.bottom}"/>`,
    `<polyline class="line" points="${path}"/>`,
    ...marks.flatMap(({ ms, label }, index) => {
      // Names of moments that are close would cover each other: each has its own height.
      const height = PLOT.top - 44 + index * 18;
      const atEnd = x(ms) > middle;
      return [
        line("mark", [x(ms), PLOT.top - 56 + index * 18], [x(ms), PLOT.bottom]),
        text("soft", [x(ms) + (atEnd ? -6 : 6), height], label, atEnd ? "end" : "start"),
      ];
    }),
    `<circle class="peak" cx="${x(peakMs)}" cy="${y(peak)}" r="4"/>`,
    text("peak", [x(peakMs) + 9, y(peak) - 7], `peak ${tickText(peak)}`, "start"),
    `</svg>`,
    "",
  ].join("\n");
}

function line(kind: string, [x1, y1]: [number, number], [x2, y2]: [number, number]): string {
  return `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

function text(kind: string, [x, y]: [number, number], content: string, anchor: string): string {
  return `<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${
    escaped(content)
  }</text>`;
}

function scaled(share: number, from: number, to: number): number {
  return Number((from + share * (to - from)).toFixed(1));
}

/** Round numbers from 0 on, the last one not below the maximum. */
export function ticks(max: number): number[] {
  const rough = Math.max(max, 1e-3) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * unit >= rough)! * unit;
  const count = Math.max(1, Math.ceil(max / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function tickText(tick: number): string {
  return tick.toLocaleString("en-US");
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
