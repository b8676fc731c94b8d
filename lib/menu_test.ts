import { assert, assertEquals, assertThrows } from "@std/assert";
import { MENU, parseMenu } from "./menu.ts";

Deno.test("MENU is a menu that parseMenu accepts", () => {
  assert(MENU.length >= 12);
  assertEquals(parseMenu(JSON.stringify(MENU)), MENU);
});

Deno.test("parseMenu takes prices from 0 and leaves out other fields", () => {
  const text = '[{"item_id":"water","name":"Water","price":0,"vegan":true}]';
  assertEquals(parseMenu(text), [{ "item_id": "water", name: "Water", price: 0 }]);
});

Deno.test("parseMenu says which item and field is wrong", () => {
  const soup = '{"item_id":"soup","name":"Soup","price":5.6}';
  const cases: [string, string][] = [
    ["", "expected a JSON array of items: "],
    ["{", "expected a JSON array of items: "],
    ["{}", "expected a JSON array of at least one item"],
    ["[]", "expected a JSON array of at least one item"],
    [`[${soup},null]`, "item 1: expected an object"],
    [`[${soup},[]]`, "item 1: expected an object"],
    ['[{"name":"Soup","price":1}]', "item 0: item_id: expected a text that is not empty"],
    [
      '[{"item_id":"","name":"Soup","price":1}]',
      "item 0: item_id: expected a text that is not empty",
    ],
    ['[{"item_id":"soup","price":1}]', "item 0: name: expected a text that is not empty"],
    ['[{"item_id":"a","name":"A"}]', "item 0: price: expected a number from 0"],
    ['[{"item_id":"a","name":"A","price":"5"}]', 'at most two decimals, got "5"'],
    ['[{"item_id":"a","name":"A","price":-1}]', "at most two decimals, got -1"],
    ['[{"item_id":"a","name":"A","price":1.005}]', "at most two decimals, got 1.005"],
    ['[{"item_id":"a","name":"A","price":1e300}]', "at most two decimals, got 1e+300"],
    [`[${soup},${soup}]`, 'item 1: item_id: "soup" is that of item 0 already'],
  ];
  for (const [text, message] of cases) assertThrows(() => parseMenu(text), Error, message);
});

Deno.test("parseMenu takes every price of two decimals", () => {
  for (let cents = 0; cents <= 20_000; cents++) {
    const text = `[{"item_id":"a","name":"A","price":${(cents / 100).toFixed(2)}}]`;
    assertEquals(parseMenu(text)[0]!.price, cents / 100);
  }
});
