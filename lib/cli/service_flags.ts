/**
 * What the two services, inventory and analytics, have in common outside of Kafka, with each other and
 * in part with the producer.
 *
 * @module
 */
import { COMPRESSIONS, DEFAULT_COMPRESSION } from "../compression.ts";
import { durationMs } from "../duration.ts";
import { listenAddress } from "../listen_address.ts";
import { flag, nonEmpty, oneOf, repeatable, toggle } from "./flags.ts";

/** A consumer that waits longer for one order would be taken for dead. */
const MAX_THROTTLE_MS = 60_000;

/** The flag of the programs that write to Kafka. */
export const COMPRESSION_FLAG = flag({
  value: "KIND",
  default: DEFAULT_COMPRESSION,
  help: "how what is written is compressed: none, gzip, snappy, lz4 or zstd",
}, oneOf(...COMPRESSIONS));

/** The flag of the programs that answer requests. */
export const ALLOW_HOST_FLAG = repeatable({
  value: "NAME,…",
  example: "orders.example.com",
  help: "a name under which it may be reached, besides localhost and addresses",
}, nonEmpty("the name of a host"));

/** The flags of both services. */
export function serviceFlags(defaultGroup: string) {
  return {
    group: flag({ value: "NAME", default: defaultGroup, help: "the consumer group" }, groupName),
    untilEnd: toggle("stop when all that was in the topic at startup is processed and committed"),
    throttle: flag({
      value: "DURATION",
      default: "0",
      help: "pause per order, e.g. 10ms, to see lag build up; at most 60s",
    }, throttleMs),
    compression: COMPRESSION_FLAG,
    listen: flag({
      value: "HOST:PORT",
      example: "127.0.0.1:9464",
      help: "where /livez, /readyz and /metrics are; without it the service does not listen",
    }, listenAddress),
    allowHost: ALLOW_HOST_FLAG,
  };
}

/** Parses the name of a group; the topic of its state is named after it. */
export function groupName(text: string): string {
  // With the longest prefix it is still legal in the name of a topic.
  if (!/^[A-Za-z0-9._-]{1,80}$/.test(text)) {
    throw new Error(
      "expected 1 to 80 letters, digits, dots, dashes or underscores: the topic of its state is " +
        "named after it",
    );
  }
  return text;
}

/** Parses a throttle; a number without a unit is in milliseconds. */
function throttleMs(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : durationMs(text);
  if (ms > MAX_THROTTLE_MS) throw new Error("expected at most 60s");
  return ms;
}

/** Returns a function that takes a growing count and calls `report` at each multiple of `step`. */
export function atEach(step: number, report: (count: number) => void): (count: number) => void {
  let reported = 0;
  return (count) => {
    for (; reported + step <= count; reported += step) report(reported + step);
  };
}
