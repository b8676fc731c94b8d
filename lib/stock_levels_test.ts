import { assertEquals, assertThrows } from "@std/assert";
import { countsRow, StateRows } from "./state_rows.ts";
import {
  countMovement,
  parseOpeningStock,
  type StockCounts,
  stockLevels,
  stockTable,
} from "./stock_levels.ts";

/** The rows that movements lead to, written and read back. */
function rowsOf(movements: [item: string, action: "reserve" | "release", quantity: number][]) {
  const counts = new Map<string, StockCounts>();
  for (const [item_id, action, quantity] of movements) {
    countMovement(counts, { item_id, action, quantity });
  }
  const rows = new StateRows(stockTable);
  for (const [key, count] of counts) rows.apply(countsRow(stockTable, 0, { key, counts: count }));
  return rows;
}

Deno.test("stockLevels adds up what was reserved and released, by item", () => {
  const rows = rowsOf([["soup", "reserve", 2], ["burger", "reserve", 3], ["soup", "release", 1]]);
  rows.apply({ key: "1/soup", value: '{"reserved":5,"released":0}' });
  assertEquals(stockLevels(rows), [
    { item_id: "burger", reserved_units: 3, released_units: 0 },
    { item_id: "soup", reserved_units: 7, released_units: 1 },
  ]);
});

Deno.test("stockLevels with an opening stock says what is available and marks what is oversold", () => {
  const rows = rowsOf([["soup", "reserve", 3], ["soup", "release", 1], ["burger", "reserve", 1]]);
  assertEquals(stockLevels(rows, new Map([["soup", 2], ["tea", 4]])), [
    {
      ...{ item_id: "burger", reserved_units: 1, released_units: 0 },
      ...{ available_units: -1, oversold: true },
    },
    {
      ...{ item_id: "soup", reserved_units: 3, released_units: 1 },
      ...{ available_units: 0, oversold: false },
    },
    {
      ...{ item_id: "tea", reserved_units: 0, released_units: 0 },
      ...{ available_units: 4, oversold: false },
    },
  ]);
});

Deno.test("stockTable keeps items that are called like other rows, and what UTF-8 cannot hold", () => {
  const items = ["progress", "barrier", "\\progress", "\\\\barrier", "a/b", "\\", "\ud800"];
  const rows = rowsOf(items.map((item) => [item, "reserve", 1]));
  assertEquals(rows.partition(0).progress, undefined);
  const read = stockLevels(rows).map(({ item_id }) => item_id).toSorted();
  assertEquals(read, items.map((item) => item.toWellFormed()).toSorted());
});

Deno.test("stockLevels stays at the largest exact number, in whatever order units are added", () => {
  const huge = Number.MAX_SAFE_INTEGER;
  const rows = rowsOf([["a", "reserve", huge], ["a", "reserve", 5], ["a", "reserve", huge]]);
  assertEquals(stockLevels(rows)[0]!.reserved_units, huge);
});

Deno.test("parseOpeningStock reads items and units, and says which one is wrong", () => {
  assertEquals(
    parseOpeningStock('[{"item_id":"soup","units":5},{"item_id":"tea","units":0}]'),
    new Map([["soup", 5], ["tea", 0]]),
  );
  const cases = [
    ["{", "expected a JSON array of items: "],
    ['{"soup":5}', 'expected a JSON array of objects such as {"item_id":"burger","units":500}'],
    ['[{"item_id":"soup"}]', "item 0: units: missing"],
    ['[{"item_id":"soup","units":-1}]', "item 0: units: expected a whole number of at least 0"],
    [
      '[{"item_id":"a","units":1},{"item_id":"a","units":1}]',
      'item 1: item_id: "a" is there twice',
    ],
  ];
  for (const [text, message] of cases) assertThrows(() => parseOpeningStock(text!), Error, message);
});
