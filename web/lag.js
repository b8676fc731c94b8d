/**
 * Lag: the chart over time, and the groups with their partitions.
 *
 * @module
 */
import { LagChart, LINE_LOOKS } from "./charts.js";
import { byId, number, setAttribute, setText, showRows } from "./dom.js";
import { clock, count, duration, rate, shortened, UNKNOWN } from "./format.js";
import { VERDICTS } from "./words.js";

const SHOWN_SECONDS = 1_800;

/** The section of the lag. */
export class Lag {
  #points = [];
  #chart = new LagChart(byId("lag-chart"));
  /** The bodies of the table, one for each group: a row, and one with its partitions. */
  #bodies = new Map();
  #opened = 0;

  /** Adds the point of a state to the chart. */
  add({ time, groups }) {
    const seconds = Date.parse(time) / 1_000;
    if (groups.length === 0 || seconds <= (this.#points.at(-1)?.time ?? 0)) return;
    this.#points.push({
      time: seconds,
      lag: Object.fromEntries(groups.map((group) => [group.group, behindOf(group)])),
    });
    while (this.#points[0].time < seconds - SHOWN_SECONDS) this.#points.shift();
  }

  /** Puts the history that the server has before and between what this page has seen. */
  async load() {
    try {
      const response = await fetch("/api/lag");
      if (!response.ok) return;
      const loaded = await response.json();
      if (loaded.length === 0) return;
      const first = loaded[0].time;
      const last = loaded.at(-1).time;
      this.#points = [
        ...this.#points.filter(({ time }) => time < first),
        ...loaded,
        ...this.#points.filter(({ time }) => time > last),
      ];
    } catch {
      // The connection is lost: it is loaded with the next one.
    }
  }

  /** Shows the groups and the chart. */
  show(groups) {
    this.#showChart();
    this.#showGroups(groups.toSorted((a, b) => a.group < b.group ? -1 : 1));
  }

  #showChart() {
    const groups = this.#drawn();
    byId("lag-empty").hidden = groups.length > 0;
    byId("lag-chart").hidden = groups.length === 0;
    if (groups.length === 0) return;
    this.#chart.show(this.#points, groups);
    setText(byId("lag-since"), `; since ${clock(this.#points[0].time * 1_000)} UTC`);
    const last = this.#points.at(-1).lag;
    const each = groups.map((group) => {
      const highest = this.#points.reduce((max, { lag }) => Math.max(max, lag[group] ?? 0), 0);
      return `${shortened(group, 40)}: ${count(last[group])} now, at most ${count(highest)}`;
    });
    setAttribute(
      byId("lag-chart"),
      "aria-label",
      `Line chart of the orders that each group is behind by, since ` +
        `${clock(this.#points[0].time * 1_000)} UTC. ${each.join(". ")}.`,
    );
  }

  /** The groups that have a line. */
  #drawn() {
    return [...new Set(this.#points.flatMap(({ lag }) => Object.keys(lag)))].sort();
  }

  #showGroups(groups) {
    byId("groups").hidden = groups.length === 0;
    for (const [name, body] of this.#bodies) {
      if (groups.some(({ group }) => group === name)) continue;
      body.remove();
      this.#bodies.delete(name);
    }
    const drawn = this.#drawn();
    groups.forEach((group, index) => {
      const body = this.#bodyOf(group.group);
      const inPlace = byId("groups").tBodies[index];
      if (inPlace !== body) byId("groups").insertBefore(body, inPlace ?? null);
      showGroup(body, group, drawn.indexOf(group.group));
    });
  }

  #bodyOf(group) {
    const known = this.#bodies.get(group);
    if (known !== undefined) return known;
    const body = byId("group-template").content.firstElementChild.cloneNode(true);
    const button = body.querySelector("button");
    const partitions = body.querySelector(".partitions");
    partitions.id = `partitions-${this.#opened++}`;
    setText(body.querySelector("bdi"), shortened(group, 40));
    setAttribute(button, "aria-controls", partitions.id);
    button.addEventListener("click", () => {
      partitions.hidden = !partitions.hidden;
      setAttribute(button, "aria-expanded", String(!partitions.hidden));
    });
    this.#bodies.set(group, body);
    return body;
  }
}

/** The records that a group has not processed, those of partitions without a commit included. */
function behindOf({ lag_records, unread_records }) {
  return lag_records === null && unread_records === 0 ? null : (lag_records ?? 0) + unread_records;
}

function showGroup(body, group, line) {
  const { verdict, members, consumed_per_second, drain_seconds, lag_seconds } = group;
  const { text, tone } = VERDICTS[verdict];
  const behind = behindOf(group);
  setAttribute(body.querySelector(".line"), "class", `line line-${line % LINE_LOOKS}`);
  const chip = body.querySelector(".chip");
  setText(chip, verdict);
  setAttribute(chip, "class", `chip ${tone}`);
  const consumers = members === null
    ? ""
    : `, ${members} ${members === 1 ? "consumer" : "consumers"}`;
  setText(body.querySelector(".verdict-text"), text + consumers);
  const values = [
    count(behind),
    duration(lag_seconds).join(" "),
    rate(consumed_per_second),
    behind === 0 ? "–" : drain_seconds === null ? UNKNOWN : duration(drain_seconds).join(" "),
  ];
  values.forEach((value, column) => setText(body.rows[0].cells[column + 1], value));
  const partitions = group.partitions.toSorted((a, b) => a.partition - b.partition);
  const rows = partitions.map((each) => [
    { text: String(each.partition) },
    ...[count(each.committed), count(each.end), count(each.lag_records)].map(number),
    number(duration(each.lag_seconds).join(" ")),
    { text: each.verdict, tone: `chip ${VERDICTS[each.verdict].tone}` },
    { text: each.host === null ? "nobody" : shortened(each.host, 40) },
  ]);
  showRows(body.querySelector("table").tBodies[0], rows);
}
