/**
 * Records that are not orders, and what Kafka forgets, while the service works.
 *
 * @module
 */
import { testFaults } from "../support/short_faults.ts";

testFaults("faults of the data and of the disk lose no order and repeat none", [
  "poison",
  "changed-topics",
  "replay-twice",
  "forgotten",
  "lost-report",
], 1);
