/**
 * The table of topics: names, partitions and settings, in one place.
 *
 * The programs create what is missing and never change what exists. `--topic-prefix` stands before
 * every topic, group and transactional id, so that runs with different prefixes never meet.
 *
 * @module
 */

/** A topic as it is created when it is missing. */
export interface TopicSpec {
  /** The full name, prefix included. */
  name: string;
  /** How many partitions it is created with. */
  partitions: number;
  /** Topic settings, by their names in https://kafka.apache.org/documentation/#topicconfigs. */
  settings: Record<string, string>;
}

/** The groups of `show` begin with this. */
export const SHOW_GROUP = "show";
/** The groups with which the dashboard follows state begin with this. */
export const DASHBOARD_GROUP = "dashboard";
/** The group whose offset says which dead letters were sent back. */
export const RESEND_GROUP = "dead-letter-resend";

/** Partitions of a topic that is worked on in parallel. */
const PARTITIONS = 6;

/** Orders, keyed by `order_id`. */
export function orderEvents(prefix: string): TopicSpec {
  return {
    name: `${prefix}order-events`,
    partitions: PARTITIONS,
    settings: { "cleanup.policy": "delete" },
  };
}

/** Stock movements, keyed by `item_id`. */
export function inventoryEvents(prefix: string): TopicSpec {
  return {
    name: `${prefix}inventory-events`,
    partitions: PARTITIONS,
    settings: { "cleanup.policy": "delete" },
  };
}

/** What could not be read as an order, with the record's own key, value and headers. */
export function deadLetters(prefix: string): TopicSpec {
  return {
    name: `${prefix}order-events-dlq`,
    partitions: 1,
    // A dead letter is the record as it came plus headers: it needs more room than its original.
    settings: { "cleanup.policy": "delete", "max.message.bytes": "2097152" },
  };
}

/**
 * The durable state of one analytics group: the counts of each minute and the progress, in
 * partition p for partition p of the orders.
 *
 * @param group The consumer group, prefix included.
 * @param partitions How many partitions the topic of orders has.
 */
export function orderMetrics(group: string, partitions: number = PARTITIONS): TopicSpec {
  return stateTopic(`${group}-order-metrics`, partitions);
}

/**
 * The durable state of one inventory group: the units of each item and the progress, in partition p
 * for partition p of the orders.
 *
 * @param group The consumer group, prefix included.
 * @param partitions How many partitions the topic of orders has.
 */
export function stockLevels(group: string, partitions: number = PARTITIONS): TopicSpec {
  return stateTopic(`${group}-stock-levels`, partitions);
}

/** The topics in which services of each kind keep the state of a group; a group has one kind. */
export const STATE_TOPICS: Record<string, (group: string) => TopicSpec> = {
  analytics: orderMetrics,
  inventory: stockLevels,
};

/**
 * How far a group has sent dead letters back.
 *
 * @param group The consumer group, prefix included.
 */
export function resendProgress(group: string): TopicSpec {
  return stateTopic(`${group}-progress`, 1);
}

function stateTopic(name: string, partitions: number): TopicSpec {
  return {
    name,
    partitions,
    // Rows are overwritten all the time: small segments, so that compaction keeps a restore short.
    settings: {
      "cleanup.policy": "compact",
      "segment.bytes": "16777216",
      "min.cleanable.dirty.ratio": "0.1",
    },
  };
}

/**
 * The transactional id of a group's work on one partition of a topic: every owner of the partition
 * uses the same, so that a new one shuts out the former one.
 *
 * @param group The consumer group, prefix included.
 * @param topic The topic, prefix included.
 */
export function transactionalId(group: string, topic: string, partition: number): string {
  return `${group}-${topic}-${partition}`;
}
