/**
 * All faults, by the names that `deno task soak` takes.
 *
 * @module
 */
import {
  bouncedBrokers,
  frozenLeader,
  killedBrokers,
  onlyBroker,
  rollingRestarts,
} from "./brokers.ts";
import { changedTopics, forgottenByKafka, poison, replayedTwice } from "./data.ts";
import type { Fault } from "./fault.ts";
import { mix } from "./mix.ts";
import {
  cutConnections,
  lateCommit,
  lostResponses,
  producerGivesUp,
  refusedConnections,
  slowLink,
} from "./network.ts";
import {
  bouncedConsumers,
  killedServices,
  sixInstances,
  wrongClock,
  zombies,
} from "./processes.ts";
import { lostReport } from "./report.ts";

export const FAULTS: Record<string, Fault> = {
  "kill-services": killedServices,
  "bounce-brokers": bouncedBrokers,
  "bounce-consumers": bouncedConsumers,
  "six-instances": sixInstances,
  "frozen-leader": frozenLeader,
  "zombies": zombies,
  "kill-brokers": killedBrokers,
  "only-broker": onlyBroker,
  "rolling-restarts": rollingRestarts,
  "cut-connections": cutConnections,
  "refused-connections": refusedConnections,
  "producer-gives-up": producerGivesUp,
  "slow-link": slowLink,
  "lost-responses": lostResponses,
  "late-commit": lateCommit,
  "poison": poison,
  "wrong-clock": wrongClock,
  "forgotten": forgottenByKafka,
  "changed-topics": changedTopics,
  "lost-report": lostReport,
  "mix": mix,
  "replay-twice": replayedTwice,
};
