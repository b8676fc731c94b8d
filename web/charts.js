/**
 * The two charts: orders by minute, and lag over time. Times are UTC.
 *
 * @module
 */
import uPlot from "./uplot.js";
import { clock, compact, day, minute } from "./format.js";

const MIN_HEIGHT = 216;
const FONT = "12px Inter, system-ui, sans-serif";
/** Orders and records are whole: no line of the grid between two of them. */
const WHOLE_STEPS = [...Array(16).keys()].flatMap((power) =>
  [1, 2, 5].map((digit) => digit * 10 ** power)
);
/** The lines of the lag chart differ in their dashes too. */
const DASHES = [undefined, [6, 4], [2, 3], [9, 3, 2, 3]];

/** How many looks a line can have. */
export const LINE_LOOKS = DASHES.length;

/** A colour of the style sheet, as it is now: light or dark. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axes(yLabel) {
  const common = {
    stroke: () => colour("--muted"),
    grid: { stroke: () => colour("--grid"), width: 1 },
    ticks: { show: false },
    font: FONT,
  };
  return [
    { ...common, grid: { show: false }, size: 42, space: 64, gap: 4, values: timeLabels },
    {
      ...common,
      size: 46,
      gap: 6,
      space: 36,
      incrs: WHOLE_STEPS,
      values: (_, splits) => splits.map(compact),
      label: yLabel,
      labelSize: 18,
      labelFont: FONT,
    },
  ];
}

/** The minute of each split; below the first one and where a day begins, the day. */
function timeLabels(_, splits, _axis, _space, step) {
  let last;
  return splits.map((seconds) => {
    const name = day(seconds);
    const isNew = name !== last;
    last = name;
    if (step >= 86_400) return name;
    const time = step < 60 ? clock(seconds * 1_000) : minute(seconds);
    return isNew ? `${time}\n${name}` : time;
  });
}

function fromZero(_, _min, max) {
  return [0, Math.max(1, max * 1.08)];
}

/** A plot that is as large as its element and follows the colour scheme. */
function plot(element, options) {
  const size = () => ({
    width: Math.max(240, element.clientWidth),
    height: Math.max(MIN_HEIGHT, element.clientHeight),
  });
  const chart = new uPlot(
    {
      ...size(),
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
      padding: [8, 26, 0, 0],
      ...options,
    },
    options.empty,
    element,
  );
  const sizes = new ResizeObserver(() => element.hidden || chart.setSize(size()));
  sizes.observe(element);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => chart.redraw();
  scheme.addEventListener("change", redraw);
  chart.hooks.destroy = [() => {
    sizes.disconnect();
    scheme.removeEventListener("change", redraw);
  }];
  return chart;
}

/** Orders by minute: bars of placed orders, failed ones on top. */
export class OrdersChart {
  #element;
  #chart;
  #shown = { from: 0, to: 60, bucket_minutes: 1, start: [], placed: [], failed: [] };
  #isFilling = false;

  /**
   * @param on.zoom Called with the seconds between which was dragged.
   * @param on.point Called with the index of the bar under the pointer, or `null`.
   */
  constructor(element, on) {
    this.#element = element;
    this.#chart = plot(element, {
      empty: [[], [], []],
      scales: { x: { range: () => this.range }, y: { range: fromZero } },
      axes: axes("orders per bar"),
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
      },
      series: [
        {},
        this.#bars("--failed", 1),
        this.#bars("--placed", 2),
      ],
      hooks: {
        draw: [() => this.#hatchLast()],
        setCursor: [({ cursor }) => on.point(cursor.left < 0 ? null : cursor.idx)],
        setSelect: [(chart) => {
          const { left, width } = chart.select;
          if (width < 4) return;
          on.zoom(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
      },
    });
  }

  /** How many bars there is room for. */
  get room() {
    return Math.max(24, Math.floor((this.#element.clientWidth - 90) / 4));
  }

  /** Whether a range is being dragged. */
  get isDragged() {
    return this.#chart.select.width > 0;
  }

  /** The first and the last second that are shown. */
  get range() {
    const { from, to, start, bucket_minutes } = this.#shown;
    const end = start.length === 0 ? to : start.at(-1) + bucket_minutes * 60;
    return [Math.min(from, start[0] ?? from), Math.max(to, end)];
  }

  /** Shows the answer of /api/minutes; `isFilling` hatches the last bar. */
  show(series, isFilling) {
    this.#shown = series;
    this.#isFilling = isFilling;
    const { start, placed, failed, bucket_minutes } = series;
    // A bar belongs to its middle: the pointer is on the bar to whose middle it is nearest.
    this.#chart.setData([
      start.map((seconds) => seconds + bucket_minutes * 30),
      placed.map((value, index) => value + failed[index]),
      placed,
    ]);
  }

  #bars(name, series) {
    return {
      fill: () => colour(name),
      points: { show: false },
      paths: (chart) => {
        const fill = new Path2D();
        const zero = chart.valToPos(0, "y", true);
        chart.data[0].forEach((_, index) => {
          const { left, width } = this.#place(index);
          const top = chart.valToPos(chart.data[series][index], "y", true);
          fill.rect(left, top, width, zero - top);
        });
        return { stroke: null, fill, flags: 0 };
      },
    };
  }

  /** Where a bar is, in pixels of the canvas, with a gap to the next. */
  #place(index) {
    const { start, bucket_minutes } = this.#shown;
    const left = this.#chart.valToPos(start[index], "x", true);
    const right = this.#chart.valToPos(start[index] + bucket_minutes * 60, "x", true);
    const gap = Math.min(2 * devicePixelRatio, (right - left) / 4);
    return { left: left + gap / 2, width: Math.min(right - left - gap, 64 * devicePixelRatio) };
  }

  #hatchLast() {
    const { ctx, data, bbox } = this.#chart;
    const index = data[0].length - 1;
    if (!this.#isFilling || index < 0) return;
    const { left, width } = this.#place(index);
    const top = this.#chart.valToPos(data[1][index], "y", true);
    const bottom = bbox.top + bbox.height;
    const step = 6 * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, bottom - top);
    ctx.clip();
    ctx.beginPath();
    for (let y = top - width; y < bottom + width; y += step) {
      ctx.moveTo(left, y + width);
      ctx.lineTo(left + width, y);
    }
    ctx.strokeStyle = colour("--panel");
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.stroke();
    ctx.restore();
  }
}

/** The lag of each group over time. */
export class LagChart {
  #chart;
  #element;
  #groups = [];

  constructor(element) {
    this.#element = element;
  }

  /** Shows points `{ time, lag }`, oldest first, with a line for each group. */
  show(points, groups) {
    if (this.#chart === undefined || groups.join("\n") !== this.#groups.join("\n")) {
      this.#groups = groups;
      this.#chart?.destroy();
      this.#element.replaceChildren();
      this.#chart = plot(this.#element, this.#options());
    }
    this.#chart.setData([
      points.map(({ time }) => time),
      ...groups.map((group) => points.map(({ lag }) => lag[group] ?? null)),
    ]);
  }

  #options() {
    return {
      empty: [[], ...this.#groups.map(() => [])],
      scales: {
        x: { range: (_, min, max) => max === null ? [0, 120] : [Math.min(min, max - 120), max] },
        y: { range: fromZero },
      },
      axes: axes("orders behind"),
      cursor: { show: false },
      series: [
        {},
        ...this.#groups.map((_, index) => ({
          stroke: () => colour(`--line-${index % LINE_LOOKS}`),
          width: 2,
          dash: DASHES[index % LINE_LOOKS],
          points: { show: false },
        })),
      ],
    };
  }
}
