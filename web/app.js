/**
 * The page: takes a state a second from the server and shows it.
 *
 * @module
 */
import { byId, setAttribute, setText } from "./dom.js";
import { clock, count, dayMinute, duration, rate, reported, shortened, UNKNOWN } from "./format.js";
import { Lag } from "./lag.js";
import { isFilling, OrdersByMinute } from "./orders.js";
import { showLatest, showLetters, showStock } from "./tables.js";
import { STATES } from "./words.js";

/** When the server has sent nothing for this long, the page says so. */
const SILENT_MS = 5_000;
const RETRY_MS = 2_000;

const orders = new OrdersByMinute();
const lag = new Lag();
/** The newest state, and the one that is shown: they differ while the page is paused or hidden. */
let newest;
let shown;
let newestMs = 0;
let isConnected = false;
let isPaused = false;

connect();
setInterval(showCondition, 1_000);
document.addEventListener("visibilitychange", show);
byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  setAttribute(byId("pause"), "aria-pressed", String(isPaused));
  show();
});

function connect() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => {
    isConnected = true;
    newestMs = performance.now();
    lag.load();
  });
  events.addEventListener("state", ({ data }) => {
    newest = JSON.parse(data);
    newestMs = performance.now();
    lag.add(newest);
    show();
  });
  events.addEventListener("error", () => {
    isConnected = false;
    showCondition();
    // The browser connects again by itself, unless it was refused.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
}

function show() {
  showCondition();
  if (newest === undefined || isPaused || document.hidden) return;
  // While no broker answers, the groups of the last reading stay.
  const groups = newest.status === "no-broker" ? shown?.groups ?? [] : newest.groups;
  shown = { ...newest, groups };
  showFigures(shown);
  lag.show(groups);
  showLatest(shown);
  showStock(shown);
  showLetters(shown);
  orders.show(shown);
  if (newest.status !== "no-broker") setText(byId("updated"), clock(Date.parse(shown.time)));
}

function showCondition() {
  const name = condition();
  const { word, tone, title = "", text = "", command = "" } = STATES[name];
  setText(byId("state"), word);
  setAttribute(byId("state"), "class", `state ${tone}`);
  setText(byId("pause"), isPaused ? "Resume page" : "Pause page");
  byId("notice").hidden = title === "";
  setAttribute(byId("notice"), "class", tone);
  setText(byId("notice-title"), title);
  setText(byId("notice-text"), text);
  setText(byId("notice-reason"), name === "no-broker" ? shortened(newest.message, 300) : "");
  byId("notice-command").hidden = command === "";
  setText(byId("notice-command"), command);
}

/** The name of the page's state in `STATES`. */
function condition() {
  if (isPaused) return "paused";
  if (!isConnected) return performance.now() < RETRY_MS ? "connecting" : "lost";
  if (newest === undefined) return "connecting";
  if (performance.now() - newestMs > SILENT_MS) return "silent";
  const { status, metrics } = newest;
  return status === "live" && metrics.total_orders + metrics.malformed_events === 0
    ? "not-counted"
    : status;
}

function showFigures({ metrics, groups, status, time, orders_per_second }) {
  const isAnswered = status !== "no-broker";
  const placed = metrics.total_orders - metrics.failed_orders;
  setText(byId("total"), count(metrics.total_orders));
  setText(byId("total-note"), `${count(placed)} placed, ${count(metrics.failed_orders)} failed`);
  setText(byId("failure-rate"), reported(metrics.failure_rate_percent));
  setText(byId("average"), reported(metrics.average_orders_per_minute));
  setText(byId("current"), count(metrics.current_orders_per_minute));
  setText(byId("current-note"), currentNote());
  setText(byId("arriving"), isAnswered ? rate(orders_per_second) : UNKNOWN);
  const last = groups.filter(({ lag_seconds }) => lag_seconds !== null)
    .toSorted((a, b) => b.lag_seconds - a.lag_seconds)[0];
  const [value, unit] = duration(isAnswered ? last?.lag_seconds : undefined);
  setText(byId("behind"), value);
  setText(byId("behind-unit"), unit);
  setText(
    byId("behind-note"),
    last === undefined || last.lag_seconds === 0
      ? "age of the oldest order that waits, in any group"
      : `age of the oldest order that waits, in ${shortened(last.group, 40)}`,
  );

  function currentNote() {
    const { current_minute: minute } = metrics;
    if (minute === null) return "newest minute with orders";
    const name = `${dayMinute(minute, Date.parse(time) / 1_000)} UTC`;
    return isFilling(shown) ? `${name}, still filling` : `${name}, the newest`;
  }
}

// A table that is larger than its place can be scrolled with the keyboard.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const place = target.closest(".scroll");
    const isCut = place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight;
    setAttribute(place, "tabindex", isCut ? "0" : undefined);
  }
});
for (const each of document.querySelectorAll(".scroll > table")) widths.observe(each);
