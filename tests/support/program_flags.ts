/**
 * The flags of all programs.
 *
 * @module
 */
import * as analytics from "../../analytics.ts";
import * as bench from "../../bench/bench.ts";
import * as broker from "../../broker.ts";
import * as demo from "../../demo.ts";
import * as inventory from "../../inventory.ts";
import * as lag from "../../lag.ts";
import type { Flags } from "../../lib/cli/flags.ts";
import * as producer from "../../producer.ts";
import * as replay from "../../replay.ts";
import * as show from "../../show.ts";
import * as soak from "../fault/soak.ts";

/** The flags behind each task. */
export const FLAGS: Record<string, Flags> = {
  analytics: analytics.flags,
  bench: bench.flags,
  demo: demo.flags,
  down: broker.flags,
  inventory: inventory.flags,
  lag: lag.flags,
  logs: broker.flags,
  produce: producer.flags,
  ps: broker.flags,
  replay: replay.flags,
  restart: broker.flags,
  show: show.flags,
  soak: soak.flags,
  up: broker.flags,
};
