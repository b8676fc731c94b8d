/**
 * Writing to the page. All text goes through `textContent`, and an element that already shows what it
 * should is not touched: a selection stays, and a screen reader hears nothing.
 *
 * @module
 */

/** The element with an id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Sets an element's text. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute, or removes it with `undefined`. */
export function setAttribute(element, name, value) {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A cell with a number. */
export function number(text) {
  return { text, of: "number" };
}

/**
 * Shows rows of cells `{ text, tone, title, of, also }` in the body of a table. The first cell is the
 * row's header. `tone` is a class of the text, `of` one of the cell; `also` is a second text with its
 * tone. Text from elsewhere keeps its direction to itself. The roles are there because on a phone some
 * rows are laid out as grids, which are not tables to all browsers.
 */
export function showRows(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, index) => {
    const row = body.rows[index] ?? newRow(body);
    while (row.cells.length > cells.length) row.deleteCell(-1);
    cells.forEach((cell, column) => showCell(row.cells[column] ?? newCell(row), cell));
  });
}

function newRow(body) {
  const row = body.insertRow();
  row.role = "row";
  return row;
}

function newCell(row) {
  const isHeader = row.cells.length === 0;
  const cell = document.createElement(isHeader ? "th" : "td");
  cell.role = isHeader ? "rowheader" : "cell";
  cell.append(document.createElement("bdi"));
  row.append(cell);
  return cell;
}

function showCell(cell, { text, tone, title, of, also }) {
  const shown = cell.firstElementChild;
  setText(shown, text);
  setAttribute(shown, "class", tone);
  setAttribute(shown, "title", title);
  setAttribute(cell, "class", of);
  if (also === undefined) return shown.nextElementSibling?.remove();
  if (shown.nextElementSibling === null) cell.append(" ", document.createElement("bdi"));
  setText(shown.nextElementSibling, also.text);
  setAttribute(shown.nextElementSibling, "class", also.tone);
}
