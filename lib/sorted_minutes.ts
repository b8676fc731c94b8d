/**
 * The orders by minute of a view that changes all the time, sorted again and again.
 *
 * @module
 */
import { allMetrics } from "./metrics_table.ts";
import type { Minute, MinuteCount } from "./minute_window.ts";
import { type MinuteSeries, minuteSeries } from "./minute_series.ts";
import type { StateRows } from "./state_rows.ts";

/** Sorting takes at most this share of the time. */
const SORTING_SHARE = 0.05;

/** A year has half a million minutes: the longer sorting takes, the rarer it is done. */
export class SortedMinutes {
  /** The minutes when they were last sorted. */
  series: MinuteSeries = minuteSeries({ minutes: new Map() });
  /** Records that were not orders, at that time. */
  malformed: number = 0;
  /** Valid records that were not orders, at that time. */
  skipped: number = 0;
  /** The version of the rows at that time. */
  version: number = -1;
  /** Whether the rows held all that was stored, at that time. */
  isComplete: boolean = false;
  #againMs = 0;

  /**
   * Sorts the rows when they have changed and it is time, and at once when they have become complete.
   *
   * @param isComplete Whether the rows hold all that was stored.
   * @param clock The time in milliseconds.
   */
  update(
    rows: StateRows<Minute, MinuteCount>,
    { isComplete, clock }: { isComplete: boolean; clock: () => number },
  ): void {
    const hasChanged = rows.version !== this.version;
    const startMs = clock();
    const isDue = startMs >= this.#againMs || (isComplete && !this.isComplete);
    if (hasChanged && !isDue) return;
    this.isComplete = isComplete;
    if (!hasChanged) return;
    const { malformed, skipped, minutes } = allMetrics(rows);
    this.series = minuteSeries({ minutes });
    this.malformed = malformed;
    this.skipped = skipped;
    this.version = rows.version;
    this.#againMs = startMs + (clock() - startMs) / SORTING_SHARE;
  }
}
