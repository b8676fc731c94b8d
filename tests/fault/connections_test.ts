/**
 * Connections that are cut, refused and slow, and responses that are lost, while the service works.
 *
 * @module
 */
import { testFaults } from "../support/short_faults.ts";

testFaults("faults of the network lose no order and repeat none", [
  "cut-connections",
  "refused-connections",
  "producer-gives-up",
  "slow-link",
  "lost-responses",
  "late-commit",
], 1);
