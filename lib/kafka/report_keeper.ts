/**
 * Keeping a report in step with the state topic, which all instances of a group write.
 *
 * A report is only made from a complete view: after each reset of the view, it waits until the view
 * has caught up with all that is committed. So a reader never sees a report of less than the whole.
 *
 * A report that cannot be written (the disk is full, the directory was deleted) is no reason to stop
 * counting: it is tried again until it can.
 *
 * @module
 */
import { delayOrAbort } from "../async.ts";
import type { StateView } from "./state_view.ts";

/** The view that the report is made from. */
export interface ReportSource
  extends Pick<StateView<unknown, object>, "generation" | "allPartitions" | "readUpToBarrier"> {
  /** Their version counts up with each change. */
  rows: { readonly version: number };
}

/** How often the report is written at most, in milliseconds. */
const INTERVAL_MS = 1_000;
/** Writing takes at most this share of the time: the larger the report, the rarer it is written. */
const WRITING_SHARE = 0.1;

/** Keeps one report. */
export class ReportKeeper {
  #view: ReportSource;
  #write: () => Promise<boolean>;
  /** The view generation that was last complete. */
  #completeGeneration = -1;
  /** The version of the rows that was last written. */
  #writtenVersion = -1;

  /**
   * @param write Writes a report and returns whether it is written: if not, it is written again. An
   * error of it ends {@linkcode keep}.
   */
  constructor(view: ReportSource, write: () => Promise<boolean>) {
    this.#view = view;
    this.#write = write;
  }

  /** Whether the view is complete, so that a report may be made of it. */
  get isComplete(): boolean {
    return this.#completeGeneration === this.#view.generation;
  }

  /**
   * Waits until the view holds all that is committed now.
   *
   * @throws The signal's reason, once it is aborted.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    const view = this.#view;
    await view.readUpToBarrier(view.allPartitions, signal, () => {
      this.#completeGeneration = view.generation;
    });
  }

  /** Writes the report at each change, until the signal is aborted. */
  async keep(signal: AbortSignal, wait: typeof delayOrAbort = delayOrAbort): Promise<void> {
    for (let tookMs = 0; !signal.aborted;) {
      await wait(Math.max(INTERVAL_MS, tookMs / WRITING_SHARE), signal);
      if (signal.aborted) return;
      tookMs = 0;
      try {
        if (!this.isComplete) await this.catchUp(signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      if (!this.isComplete || this.#view.rows.version === this.#writtenVersion) continue;
      const startedMs = performance.now();
      await this.write();
      tookMs = performance.now() - startedMs;
    }
  }

  /** Writes the report. */
  async write(): Promise<void> {
    const { version } = this.#view.rows;
    if (await this.#write()) this.#writtenVersion = version;
  }
}
