/**
 * The order desk: a menu, a basket, and the way of the order that was placed.
 *
 * An order that the desk has not answered with 202 or 400 is sent again with the same Idempotency-Key, as
 * long as the basket stays the same: so it cannot be stored twice. All text goes through text nodes.
 *
 * @module
 */

const MAX_QUANTITY = 999;
const PRICE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** The steps of an order's way, by the field that has their time. */
const STEPS = [
  ["accepted_ms", "Accepted: all in-sync replicas have it"],
  ["counted_ms", "Counted by analytics"],
  ["moved_ms", "Stock movements committed"],
];

const section = document.getElementById("desk");
/** What can be ordered, by `item_id`. */
const menu = new Map();
/** How many of each item are ordered. */
const basket = new Map();
let rowCount = 0;
/** The last order that was sent and is not accepted, with its key. */
let attempt;
let isPlacing = false;
let events;

const user = element("input", {
  id: "desk-user",
  name: "user_id",
  value: "user_1",
  required: true,
  maxLength: 256,
  autocomplete: "off",
  spellcheck: false,
});
const userError = element("p", { id: "desk-user-error", className: "desk-error" });
const menuList = element("ul", { className: "desk-menu" });
const rows = element("tbody");
const basketTable = element(
  "table",
  { className: "desk-basket", hidden: true },
  element("caption", { className: "unseen" }, "Basket"),
  element(
    "thead",
    {},
    element(
      "tr",
      {},
      ...["Item", "Quantity", "Sum"].map((name) => element("th", { scope: "col" }, name)),
      element("th", { scope: "col" }, element("span", { className: "unseen" }, "Remove")),
    ),
  ),
  rows,
);
const emptyText = element(
  "p",
  { className: "desk-muted" },
  "The basket is empty: choose something.",
);
const total = element("output", { id: "desk-total" });
const placeButton = element("button", { type: "submit", className: "desk-place" }, "Place order");
const problems = element("div", { role: "alert", className: "desk-problems" });
const said = element("p", { role: "status", className: "unseen" });
const result = element("div", { className: "desk-result", hidden: true });

const form = element(
  "form",
  { noValidate: true, onsubmit: place },
  element(
    "div",
    { className: "desk-columns" },
    element("div", {}, element("h3", {}, "Menu"), menuList),
    element(
      "div",
      {},
      element("h3", {}, "Basket"),
      emptyText,
      basketTable,
      element(
        "p",
        { className: "desk-sum" },
        element("label", { htmlFor: total.id }, "Total"),
        total,
      ),
      element("label", { htmlFor: user.id }, "Customer id, any text"),
      user,
      userError,
      problems,
      placeButton,
    ),
  ),
);
user.setAttribute("aria-describedby", userError.id);
user.addEventListener("input", () => showFieldErrors([]));

section.append(
  element("h2", { id: "desk-heading" }, "Order desk"),
  form,
  said,
  result,
);
loadMenu();

/** A new element; strings become text. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Text from elsewhere, which keeps its direction to itself. */
function foreign(text) {
  return element("bdi", {}, String(text));
}

async function loadMenu() {
  try {
    const response = await fetch("/api/menu");
    if (!response.ok) throw new Error(`status ${response.status}`);
    for (const item of await response.json()) menu.set(item.item_id, item);
    menuList.append(...[...menu.values()].map(menuEntry));
    showBasket();
  } catch (error) {
    problems.replaceChildren(`The menu cannot be loaded (${error.message}): reload the page.`);
  }
  section.hidden = false;
}

function menuEntry({ item_id, name, price }) {
  const button = element(
    "button",
    { type: "button", onclick: () => add(item_id) },
    foreign(name),
    " ",
    element("span", { className: "desk-price" }, PRICE.format(price)),
  );
  button.setAttribute("aria-label", `Add ${name}, ${PRICE.format(price)}`);
  return element("li", {}, button);
}

function add(itemId) {
  const quantity = Math.min((basket.get(itemId) ?? 0) + 1, MAX_QUANTITY);
  basket.set(itemId, quantity);
  showBasket();
  say(`${quantity} ${menu.get(itemId).name} in the basket`);
}

function showBasket() {
  const shown = new Map([...rows.rows].map((row) => [row.dataset.item, row]));
  for (const [itemId, row] of shown) if (!basket.has(itemId)) row.remove();
  for (const [itemId, quantity] of basket) {
    const row = shown.get(itemId) ?? basketRow(itemId);
    const input = row.querySelector("input");
    if (document.activeElement !== input) input.value = quantity;
    row.cells[2].textContent = PRICE.format(menu.get(itemId).price * quantity);
  }
  const cents = [...basket].reduce(
    (sum, [itemId, quantity]) => sum + Math.round(menu.get(itemId).price * 100) * quantity,
    0,
  );
  total.textContent = PRICE.format(cents / 100);
  basketTable.hidden = basket.size === 0;
  emptyText.hidden = basket.size > 0;
  showFieldErrors([]);
}

function basketRow(itemId) {
  const { name } = menu.get(itemId);
  const input = element("input", {
    type: "number",
    min: "1",
    max: String(MAX_QUANTITY),
    step: "1",
    inputMode: "numeric",
    oninput: () => setQuantity(itemId, input.value),
    onchange: () => input.value = basket.get(itemId),
  });
  input.setAttribute("aria-label", `Quantity of ${name}`);
  const error = element("p", { id: `desk-error-${rowCount++}`, className: "desk-error" });
  input.setAttribute("aria-describedby", error.id);
  const remove = element("button", { type: "button", onclick: () => removeItem(itemId) }, "×");
  remove.setAttribute("aria-label", `Remove ${name}`);
  const row = element(
    "tr",
    {},
    element("th", { scope: "row" }, foreign(name)),
    element("td", {}, input, error),
    element("td", { className: "desk-price" }),
    element("td", {}, remove),
  );
  row.dataset.item = itemId;
  rows.append(row);
  return row;
}

function setQuantity(itemId, text) {
  const quantity = Number(text);
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_QUANTITY) return;
  basket.set(itemId, quantity);
  showBasket();
}

function removeItem(itemId) {
  basket.delete(itemId);
  showBasket();
  say(`${menu.get(itemId).name} removed`);
  (rows.querySelector("input") ?? menuList.querySelector("button"))?.focus();
}

/** Says something to a screen reader. */
function say(text) {
  said.textContent = text;
}

async function place(event) {
  event.preventDefault();
  if (isPlacing) return;
  const body = JSON.stringify({
    user_id: user.value.trim(),
    items: [...basket].map(([item_id, quantity]) => ({ item_id, quantity })),
  });
  if (attempt?.body !== body) attempt = { body, key: newKey() };
  showFieldErrors([]);
  setPlacing(true);
  const clickedMs = performance.now();
  try {
    const response = await fetch("/orders", {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": attempt.key },
      body,
    });
    const answer = await response.json();
    if (response.status === 202) accepted(answer, performance.now() - clickedMs);
    else refused(response, answer);
  } catch {
    problems.replaceChildren(
      "The dashboard does not answer. Place the order again: it is not stored twice.",
    );
  }
  setPlacing(false);
}

/** Not `crypto.randomUUID`, which pages without TLS lack when they come from another machine. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function setPlacing(value) {
  isPlacing = value;
  // Not disabled: that would take the focus away.
  placeButton.setAttribute("aria-disabled", String(value));
  placeButton.textContent = value ? "Placing …" : "Place order";
}

function refused(response, { detail = `status ${response.status}`, errors = [] }) {
  if (response.status === 400) attempt = undefined;
  showFieldErrors(errors);
  if (errors.length > 0) return;
  const seconds = response.headers.get("retry-after");
  const isSafe = response.status === 504 ? " Placing it again does not store it twice." : "";
  const again = seconds === null ? "" : ` Try again in ${seconds} s.${isSafe}`;
  problems.replaceChildren(foreign(`${detail}.`), again);
}

/** Shows what is wrong beside the fields, and the rest above the button; the first wrong one is focused. */
function showFieldErrors(errors) {
  const itemIds = [...basket.keys()];
  const rest = [];
  for (const [input, error] of fields()) {
    input.removeAttribute("aria-invalid");
    error.textContent = "";
  }
  problems.replaceChildren();
  let first;
  for (const { field, message } of errors) {
    const index = /^items\[(\d+)\]/.exec(field)?.[1];
    const row = index === undefined ? undefined : rowOf(itemIds[Number(index)]);
    const [input, error] = field === "user_id"
      ? [user, userError]
      : row === undefined
      ? []
      : [row.querySelector("input"), row.querySelector(".desk-error")];
    if (input === undefined) {
      rest.push(element("p", {}, foreign(field === "" ? message : `${field}: ${message}`)));
      continue;
    }
    input.setAttribute("aria-invalid", "true");
    error.textContent = message;
    first ??= input;
  }
  problems.replaceChildren(...rest);
  first?.focus();
}

function fields() {
  return [
    [user, userError],
    ...[...rows.rows].map((row) => [
      row.querySelector("input"),
      row.querySelector(".desk-error"),
    ]),
  ];
}

function rowOf(itemId) {
  return [...rows.rows].find((row) => row.dataset.item === itemId);
}

/** The order is stored: its place, and its way from now on. */
function accepted(answer, tookMs) {
  attempt = undefined;
  basket.clear();
  showBasket();
  // The desk counts from the arrival of the order; the way there and back comes on top.
  const transportMs = Math.max(0, tookMs - answer.accepted_ms);
  const steps = STEPS.map(([, text]) => {
    const time = element("span", { className: "desk-time" }, "waiting");
    const step = element("li", { className: "desk-waiting" }, element("span", {}, text), " ", time);
    return { step, time };
  });
  const movements = element("ul", { className: "desk-movements" });
  steps[2].step.append(movements);
  const note = element("p", { className: "desk-muted" });
  const list = element("ol", { className: "desk-steps" }, ...steps.map(({ step }) => step));
  list.setAttribute("aria-live", "polite");
  list.setAttribute("aria-label", "The way of the order, with the time since the click");
  result.replaceChildren(
    element("h3", { tabIndex: -1 }, "Order placed"),
    element(
      "p",
      {},
      element("code", {}, foreign(answer.order_id)),
      ` is in ${answer.topic}, partition ${answer.partition}, offset ${answer.offset}.`,
    ),
    list,
    note,
  );
  result.hidden = false;
  result.querySelector("h3").focus();
  const show = (way) => showWay(way, { steps, movements, note, transportMs });
  show({ ...answer, counted_ms: null, moved_ms: null, movements: [], state: "following" });
  follow(answer.order_id, { show, note });
}

function follow(orderId, { show, note }) {
  events?.close();
  const source = events = new EventSource(`/orders/${encodeURIComponent(orderId)}/events`);
  source.addEventListener("way", ({ data }) => {
    const way = JSON.parse(data);
    show(way);
    if (way.state !== "following") source.close();
  });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return;
    note.textContent = "The dashboard does not follow this order any more.";
  });
}

function showWay(way, { steps, movements, note, transportMs }) {
  for (const [index, [field]] of STEPS.entries()) {
    const ms = way[field];
    if (ms === null) continue;
    const { step, time } = steps[index];
    step.className = "desk-done";
    setText(time, `after ${duration(ms + transportMs)}`);
  }
  const lines = way.movements.map(({ item_id, quantity, action }) =>
    `${action} ${quantity} × ${item_id}`
  );
  for (const line of lines.slice(movements.children.length)) {
    movements.append(element("li", {}, foreign(line)));
  }
  if (way.state === "given up") {
    setText(
      note,
      "Not followed any further after two minutes. Are inventory and analytics running?",
    );
  }
}

/** An element that already shows what it should is not touched: a screen reader would say it again. */
function setText(shown, text) {
  if (shown.textContent !== text) shown.textContent = text;
}

function duration(ms) {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
