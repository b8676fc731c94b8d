/**
 * Orders by minute: the chart, its range, and the same as a table.
 *
 * @module
 */
import { OrdersChart } from "./charts.js";
import { byId, number, setAttribute, setText, showRows } from "./dom.js";
import { barLength, count, dayMinute, minute } from "./format.js";

const BARS_IN_TABLE = 120;
const SHORTEST_ZOOM_SECONDS = 300;

/** Whether orders may still come into the newest minute, going by the clock or by what arrives. */
export function isFilling({ metrics, time, orders_per_second }) {
  const { current_minute: current } = metrics;
  return current !== null &&
    (orders_per_second > 0 || Date.parse(time) / 1_000 < current + 60);
}

/** The section of the orders by minute. */
export class OrdersByMinute {
  /** `{ range }`, or `{ from, to }` in seconds when it was zoomed. */
  #query = { range: "15m" };
  #state;
  #series;
  #isLastFilling = false;
  #pointed = null;
  /** What the shown series was asked by, and its version. */
  #asked = "";
  #version;
  #isLoading = false;
  #chart = new OrdersChart(byId("orders-chart"), {
    zoom: (from, to) => this.#zoom(from, to),
    point: (index) => {
      this.#pointed = index;
      this.#showNote();
    },
  });

  constructor() {
    byId("ranges").addEventListener("change", ({ target }) => {
      this.#query = { range: target.value };
      this.#refresh();
    });
    byId("zoom").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button !== null) this.#move(button.dataset.zoom);
    });
    byId("bars").addEventListener("toggle", () => this.#showTable());
  }

  /** Shows what belongs to a state. */
  show(state) {
    this.#state = state;
    return this.#refresh();
  }

  /** Asks for the bars when they have changed, or others are wanted. */
  async #refresh() {
    if (this.#isLoading || this.#state === undefined || this.#chart.isDragged) return;
    const address = this.#address();
    const { version } = this.#state;
    if (this.#asked === address && this.#version === version) {
      if (this.#isLastFilling !== this.#isFillingNow()) this.#showSeries();
      return;
    }
    this.#isLoading = true;
    try {
      const response = await fetch(address);
      if (!response.ok) return;
      this.#series = await response.json();
      this.#asked = address;
      this.#version = version;
      this.#showSeries();
    } catch {
      // The connection is lost: the next state asks again.
      return;
    } finally {
      this.#isLoading = false;
    }
    if (this.#address() !== address) await this.#refresh();
  }

  #address() {
    const { range, from, to } = this.#query;
    const query = range === undefined ? { from, to } : { range };
    return `/api/minutes?${new URLSearchParams({ ...query, points: this.#chart.room })}`;
  }

  #showSeries() {
    const { start, placed, failed, bucket_minutes } = this.#series;
    this.#isLastFilling = this.#isFillingNow();
    this.#chart.show(this.#series, this.#isLastFilling);
    byId("orders-chart").hidden = this.#state.metrics.current_minute === null;
    byId("orders-empty").hidden = start.length > 0;
    const zoomed = this.#query.range === undefined ? ", zoomed" : "";
    setText(byId("bar-length"), `each bar is ${barLength(bucket_minutes)}${zoomed}`);
    this.#showNote();
    this.#showTable();
    const totals = placed.map((value, index) => value + failed[index]);
    const highest = totals.indexOf(Math.max(...totals));
    setAttribute(
      byId("orders-chart"),
      "aria-label",
      start.length === 0
        ? "Orders by minute: none in this range"
        : `Bar chart of orders, each bar ${barLength(bucket_minutes)}, from ` +
          `${this.#name(start[0])} to ${this.#name(start.at(-1))} UTC. Highest: ` +
          `${count(totals[highest])} at ${this.#name(start[highest])}. ` +
          "The table below the chart has the numbers.",
    );
  }

  /** Whether the last bar has the newest minute, and orders may still come into it. */
  #isFillingNow() {
    const { start, bucket_minutes } = this.#series;
    const { metrics: { current_minute: newest }, time } = this.#state;
    if (start.length === 0 || newest < start.at(-1)) return false;
    const end = start.at(-1) + bucket_minutes * 60;
    return newest < end && (isFilling(this.#state) || Date.parse(time) / 1_000 < end);
  }

  #showNote() {
    if (this.#series === undefined) return;
    const last = this.#series.start.length - 1;
    const index = this.#pointed === null ? last : Math.min(this.#pointed, last);
    setText(byId("bar-note"), index < 0 ? "" : this.#describe(index));
  }

  #describe(index) {
    const { start, placed, failed, bucket_minutes } = this.#series;
    const all = placed[index] + failed[index];
    const end = start[index] + bucket_minutes * 60;
    const until = bucket_minutes < 1_440 ? `–${minute(end)}` : ` – ${this.#name(end)}`;
    const filling = index === start.length - 1 && this.#isLastFilling ? ", still filling" : "";
    return `${this.#name(start[index])}${until} UTC${filling}: ${count(all)} ${
      all === 1 ? "order" : "orders"
    }, ` +
      `${count(placed[index])} placed, ${count(failed[index])} failed ` +
      `(${(failed[index] / all * 100).toFixed(1)}%)`;
  }

  #name(seconds) {
    return dayMinute(seconds, Date.parse(this.#state.time) / 1_000);
  }

  #showTable() {
    if (!byId("bars").open || this.#series === undefined) return;
    const { start, placed, failed } = this.#series;
    const rows = start.map((seconds, index) => {
      const all = placed[index] + failed[index];
      return [
        { text: this.#name(seconds) },
        ...[count(placed[index]), count(failed[index]), count(all)].map(number),
        number((failed[index] / all * 100).toFixed(1)),
      ];
    });
    showRows(byId("bar-rows"), rows.slice(-BARS_IN_TABLE).reverse());
  }

  /** Shows from one second to another. */
  #zoom(from, to) {
    const missing = Math.max(0, SHORTEST_ZOOM_SECONDS - (to - from)) / 2;
    this.#query = {
      from: Math.floor((from - missing) / 60) * 60,
      to: Math.ceil((to + missing) / 60) * 60 - 60,
    };
    for (const each of byId("ranges").elements) each.checked = false;
    this.#refresh();
  }

  /** Zooms by a button. */
  #move(how) {
    const [from, to] = this.#chart.range;
    const quarter = (to - from) / 4;
    const [left, right] = { in: [1, -1], out: [-2, 2], earlier: [-2, -2], later: [2, 2] }[how];
    this.#zoom(from + left * quarter, to + right * quarter);
  }
}
