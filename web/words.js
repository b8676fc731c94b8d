/**
 * What the page says about states and verdicts.
 *
 * @module
 */

/** What a verdict means, and how bad it is. */
export const VERDICTS = {
  OK: { text: "keeping up", tone: "good" },
  NO_COMMIT: { text: "nothing committed yet", tone: "" },
  WARN: { text: "falling behind", tone: "warn" },
  STALL: { text: "its consumer does not move", tone: "bad" },
  STOP: { text: "no consumer is running", tone: "bad" },
  REWIND: { text: "sent back, reads again", tone: "warn" },
  OFFLINE: { text: "a partition has no leader", tone: "bad" },
};

/** What the page is doing: a word for the top, and for all but `live` a notice. */
export const STATES = {
  loading: {
    word: "Connecting",
    tone: "",
    title: "Connecting",
    text: "Waiting for the first numbers.",
  },
  connecting: {
    word: "Connecting",
    tone: "",
    title: "Connecting to Kafka",
    text: "Waiting for the first numbers.",
  },
  live: { word: "Live", tone: "good" },
  "no-broker": {
    word: "No broker",
    tone: "bad",
    title: "No Kafka broker answers",
    text:
      "The numbers are the last ones that were read. Trying again every second. To start one here:",
    command: "deno task up",
  },
  "no-topics": {
    word: "No topics",
    tone: "warn",
    title: "There are no topics yet",
    text: "Kafka answers, but nothing has been written. The first order creates the topics:",
    command: "deno task produce",
  },
  "no-orders": {
    word: "No orders",
    tone: "warn",
    title: "There are no orders yet",
    text: "The topics are there and empty. Place some orders:",
    command: "deno task produce",
  },
  "not-counted": {
    word: "Not counted",
    tone: "warn",
    title: "Orders have come, but none is counted yet",
    text: "Analytics counts them. Start it:",
    command: "deno task analytics",
  },
  "catching-up": {
    word: "Catching up",
    tone: "warn",
    title: "Catching up",
    text: "Reading what the services have stored: totals and stock are too low until that is done.",
  },
  lost: {
    word: "Connection lost",
    tone: "bad",
    title: "The connection to the dashboard is lost",
    text: "The numbers stand still. Trying again every two seconds; the page goes on by itself.",
  },
  silent: {
    word: "Waiting",
    tone: "warn",
    title: "The dashboard has sent nothing for some seconds",
    text: "It may be waiting for a broker. The numbers stand still until it goes on.",
  },
  paused: {
    word: "Paused",
    tone: "warn",
    title: "Paused",
    text: "The page stands still; the services go on. Resume to see the present again.",
  },
};
