/**
 * Brokers that are killed, restarted and suspended while the service works.
 *
 * @module
 */
import { testFaults } from "../support/short_faults.ts";

testFaults("faults of the brokers lose no order and repeat none", [
  "bounce-brokers",
  "frozen-leader",
  "kill-brokers",
  "rolling-restarts",
  "mix",
], 3);
