/**
 * What a fault is.
 *
 * @module
 */
import type { Outcome, Scene } from "../../support/scene.ts";

/** Something that goes wrong while the service works. */
export interface Fault {
  /** What is done, as a row of a table says it. */
  summary: string;
  /**
   * How many brokers there are.
   *
   * @default {3}
   */
  nodes?: 1 | 3;
  /** Settings of the brokers that differ from the usual ones. */
  settings?: Record<string, string>;
  /** The `--timeout` of all programs in the long form and in the short one. */
  timeout?: { long: string; short: string };
  /** Orders per second, where they differ from the usual ones. */
  ordersPerSecond?: number;
  /** Why it cannot be done on this machine, if so. */
  missing?: () => string | undefined;
  /** Does it. Returns the outcome if it has settled the scene, which then has ended. */
  run(scene: Scene, form: Form): Promise<Outcome | void>;
  /** Whether it settles the scene; otherwise other faults can follow in the same scene. */
  settles?: true;
}

/** How often and for how long things are done: the short form is for each run of the tests. */
export interface Form {
  isLong: boolean;
  /** How long the mix of faults goes on, in milliseconds. */
  mixMs: number;
}
