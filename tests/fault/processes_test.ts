/**
 * Services, and the only broker, that are killed, stopped and suspended at work.
 *
 * @module
 */
import { testFaults } from "../support/short_faults.ts";

testFaults("faults of the processes lose no order and repeat none", [
  "kill-services",
  "bounce-consumers",
  "six-instances",
  "zombies",
  "wrong-clock",
  "only-broker",
], 1);
