/**
 * The tables: latest orders, stock, dead letters.
 *
 * @module
 */
import { byId, number, setText, showRows } from "./dom.js";
import { amount, clock, count, dayMinute, shortened, UNKNOWN } from "./format.js";

/** What is longer ago than this is shown with its day, in seconds. */
const SAME_DAY_SECONDS = 43_200;

/** Shows the newest orders. */
export function showLatest({ latest_orders: { orders, sampled }, time }) {
  showTable("latest", orders);
  setText(
    byId("latest-note"),
    sampled ? "a sample, newest first: they come too fast to show each" : "newest first",
  );
  showRows(
    byId("latest-rows"),
    orders.map((order) => [
      cut(order.order_id, 24),
      { text: timeOf(order.timestamp, time), of: "time" },
      { text: itemsOf(order), title: itemsOf(order), of: "items" },
      { text: amount(order.total_amount), of: "number total" },
      { text: order.status, tone: order.status === "failed" ? "chip bad" : "chip", of: "status" },
      { text: `${order.partition} / ${count(order.offset)}`, of: "number wide" },
    ]),
  );
}

function itemsOf({ items, item_count }) {
  const shown = items.map(({ item_id, quantity }) =>
    `${count(quantity)} × ${shortened(item_id, 24)}`
  );
  const left = item_count - items.length;
  return shortened(shown.join(", "), 90) + (left > 0 ? ` and ${count(left)} more` : "");
}

/** Shows the stock of each item. */
export function showStock({ stock, stock_items }) {
  showTable("stock", stock);
  const hasOpening = stock.some(({ available_units }) => available_units !== undefined);
  byId("stock").querySelector(".available").hidden = !hasOpening;
  const left = stock_items - stock.length;
  setText(
    byId("stock-note"),
    (hasOpening || stock.length === 0
      ? "units per item, moved by inventory"
      : "units per item; --stock FILE shows what is available") +
      (left > 0 ? `; ${count(left)} more items are not shown` : ""),
  );
  showRows(
    byId("stock-rows"),
    stock.map((each) => [
      {
        ...cut(each.item_id, 28),
        ...(each.oversold && { also: { text: "oversold", tone: "chip bad" } }),
      },
      number(count(each.reserved_units)),
      number(count(each.released_units)),
      ...(hasOpening ? [availableOf(each)] : []),
    ]),
  );
}

function availableOf({ available_units, oversold }) {
  return { ...number(count(available_units)), ...(oversold && { tone: "negative" }) };
}

/** Shows the newest dead letters. */
export function showLetters({ dead_letters: { letters }, metrics, time }) {
  showTable("letters", letters);
  setText(
    byId("letters-note"),
    "records that could not be read as an order, kept with the reason" +
      (metrics.malformed_events > 0
        ? `; analytics counted ${count(metrics.malformed_events)}`
        : ""),
  );
  showRows(
    byId("letter-rows"),
    letters.map((letter) => {
      const { topic, partition, offset } = letter;
      return [
        {
          ...cut(letter.reason, 100),
          of: "reason",
          also: { text: shortened(letter.value, 100), tone: "value" },
        },
        { text: timeOf(letter.time, time), of: "time" },
        cut(letter.group, 40),
        cut(topic === "" ? UNKNOWN : `${topic} ${partition} / ${offset}`, 48),
      ];
    }),
  );
}

function showTable(name, rows) {
  byId(name).hidden = rows.length === 0;
  byId(`${name}-empty`).hidden = rows.length > 0;
}

/** A text that may be long: what is cut off is in its title. */
function cut(text, characters) {
  const short = shortened(text, characters);
  return { text: short, title: short.endsWith("…") ? shortened(text, 300) : undefined };
}

function timeOf(iso, nowIso) {
  const seconds = Date.parse(iso) / 1_000;
  const now = Date.parse(nowIso) / 1_000;
  return Math.abs(now - seconds) < SAME_DAY_SECONDS
    ? clock(seconds * 1_000)
    : dayMinute(seconds, now);
}
