/**
 * What the two services, inventory and analytics, have in common outside of Kafka.
 *
 * @module
 */
import { flag, nonEmpty, toggle, wholeNumber } from "./flags.ts";

/** The flags of both services. */
export function serviceFlags(defaultGroup: string) {
  return {
    group: flag({ value: "NAME", default: defaultGroup, help: "the consumer group" }, nonEmpty),
    untilEnd: toggle("stop when all that is in the topic now is processed and committed"),
    throttle: flag({
      value: "MS",
      default: "0",
      help: "wait for each order, in milliseconds, to see lag build up",
    }, wholeNumber({ min: 0, max: 60_000 })),
  };
}

/** Returns a function that takes a growing count and calls `report` at each multiple of `step`. */
export function atEach(step: number, report: (count: number) => void): (count: number) => void {
  let reported = 0;
  return (count) => {
    for (; reported + step <= count; reported += step) report(reported + step);
  };
}
