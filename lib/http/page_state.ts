/**
 * The state as it is sent to each viewer every second: without what no page has room for.
 *
 * @module
 */
import type { LiveState } from "./live_view.ts";

/** How many items a page shows. */
const SHOWN_ITEMS = 100;

/** What is sent. */
export interface PageState extends LiveState {
  /** How many items there are; `stock` has the first of them, oversold ones before the others. */
  stock_items: number;
}

/** The part of a state that a page shows. */
export function pageState(state: LiveState): PageState {
  const oversold = state.stock.filter(({ oversold }) => oversold);
  const others = state.stock.filter(({ oversold }) => !oversold);
  return {
    ...state,
    stock: [...oversold, ...others].slice(0, SHOWN_ITEMS),
    stock_items: state.stock.length,
  };
}
