import { assertEquals } from "@std/assert";
import type { LiveState } from "./live_view.ts";
import { pageState } from "./page_state.ts";

Deno.test("pageState keeps 100 items, oversold ones first, and says how many there are", () => {
  const stock = Array.from({ length: 1_000 }, (_, index) => ({
    item_id: `item_${String(index).padStart(3, "0")}`,
    reserved_units: index,
    released_units: 0,
    available_units: 998 - index,
    oversold: index > 998,
  }));
  const state = { version: 7, stock } as unknown as LiveState;
  const sent = pageState(state);
  assertEquals(sent.stock.length, 100);
  assertEquals(sent.stock.slice(0, 3).map(({ item_id }) => item_id), [
    ...["item_999", "item_000", "item_001"],
  ]);
  assertEquals(sent.stock_items, 1_000);
  assertEquals(sent.version, 7);
  assertEquals(state.stock.length, 1_000);
});
