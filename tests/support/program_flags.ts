/**
 * The flags of all programs.
 *
 * @module
 */
import * as acls from "../../acls.ts";
import * as analytics from "../../analytics.ts";
import * as bench from "../../bench/bench.ts";
import * as pageLoad from "../../bench/page_load.ts";
import * as broker from "../../broker.ts";
import * as dashboard from "../../dashboard.ts";
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
  acls: acls.flags,
  analytics: analytics.flags,
  bench: bench.flags,
  dashboard: dashboard.flags,
  demo: demo.flags,
  down: broker.flags,
  inventory: inventory.flags,
  lag: lag.flags,
  logs: broker.flags,
  "page-load": pageLoad.flags,
  produce: producer.flags,
  ps: broker.flags,
  replay: replay.flags,
  restart: broker.flags,
  show: show.flags,
  soak: soak.flags,
  up: broker.flags,
};
