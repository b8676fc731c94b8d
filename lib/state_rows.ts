/**
 * The rows of a state topic: what a service keeps of each input partition.
 *
 * Partition p of the state topic holds, for partition p of the orders, one row per key
 * (`<p>/<name>`: its counts), one row `<p>/progress` (the offset of the first order that was counted,
 * that of the next, how many records were not orders, and the ids of both topics) and one row
 * `<p>/barrier` (its writer has seen everything that was written before it once it has read up to its
 * offset). The progress comes last in each transaction.
 *
 * @module
 */
import * as v from "valibot";
import { conform, expected, parseObject, reasonOf, wholeNumber } from "./event_fields.ts";

/** A kind of state: the counts of each key, how keys are named and how counts are checked. */
export interface StateTable<K, C extends object> {
  /** The service that writes the rows. */
  writer: string;
  /** The name of a key in the key of its row; not `progress` and not `barrier`. */
  nameOf(key: K): string;
  /** The key of a name; `undefined` when this version does not know such names. */
  keyOf(name: string): K | undefined;
  /** The schema of the counts in a row. */
  schema: v.GenericSchema<C>;
  /** The counts of a key that has been counted twice, in parts. */
  add(a: C, b: C): C;
  /**
   * Makes an empty table of counts.
   *
   * @default A `Map`
   */
  newCounts?(): Counts<K, C>;
}

/** Counts by key; a `Map`, or something that takes less memory. */
export interface Counts<K, C> extends Iterable<[K, C]> {
  /** How many keys there are. */
  readonly size: number;
  /** The counts of a key, which must not be changed. */
  get(key: K): C | undefined;
  /** Replaces the counts of a key. */
  set(key: K, counts: C): unknown;
  /** Forgets a key. */
  delete(key: K): unknown;
  /** All keys. */
  keys(): Iterable<K>;
}

/** A table of counts for a kind of state: empty, or with the counts of another one. */
export function newCounts<K, C extends object>(
  table: StateTable<K, C>,
  from: Iterable<[K, C]> = [],
): Counts<K, C> {
  const counts = table.newCounts?.() ?? new Map<K, C>();
  for (const [key, count] of from) counts.set(key, count);
  return counts;
}

/** How much of a row a message quotes, in UTF-16 units. */
const MAX_QUOTED = 200;

const OFFSET = expected("digits");

const offset = (description: string) =>
  v.pipe(v.string(OFFSET), v.digits(OFFSET), v.description(description));

const TOPIC_ID = expected("32 hex digits");

const topicId = (description: string) =>
  v.optional(
    v.pipe(v.string(TOPIC_ID), v.regex(/^[0-9a-f]{32}$/, TOPIC_ID), v.description(description)),
  );

const progressRowSchema = v.object({
  start_offset: v.optional(offset("The offset of the first record that was counted.")),
  next_offset: offset("The offset of the next record to count."),
  malformed: wholeNumber(0, "Records so far that were not valid."),
  skipped: wholeNumber(0, "Valid records so far that were not orders."),
  topic_id: topicId("The id of the topic of orders that the offsets belong to."),
  state_topic_id: topicId("The id of the state topic that holds all rows of this progress."),
});

/** The schema of a progress row. */
export const progressSchema: v.GenericSchema<v.InferOutput<typeof progressRowSchema>> =
  progressRowSchema;

/** How far the counting of a partition has come. */
export interface Progress {
  /**
   * The offset of the first record that was counted; `undefined` in rows that were written before
   * this was kept.
   */
  startOffset: bigint | undefined;
  /** The offset of the next record to count. */
  nextOffset: bigint;
  /** Records so far that were not valid. */
  malformed: number;
  /** Valid records so far that were not orders. */
  skipped: number;
  /** The id of the topic of orders; `undefined` where brokers have none, and in older rows. */
  topicId: string | undefined;
  /** The id of the state topic; `undefined` where brokers have none, and in older rows. */
  stateTopicId: string | undefined;
}

/** What is known of one input partition. */
export interface PartitionRows<K, C> {
  /** The counts of each key. */
  counts: Counts<K, C>;
  /** The progress; `undefined` before the first transaction. */
  progress: Progress | undefined;
}

/** A row as it is written; a `null` value is a tombstone. */
export interface Row {
  /** `<partition>/<name>`, `<partition>/progress` or `<partition>/barrier`. */
  key: string;
  /** JSON. */
  value: string | null;
}

/** The row of a key; a tombstone when there are no counts. */
export function countsRow<K, C extends object>(
  { nameOf }: StateTable<K, C>,
  partition: number,
  { key, counts }: { key: K; counts: C | null },
): Row {
  return {
    key: `${partition}/${nameOf(key)}`,
    value: counts === null ? null : JSON.stringify(counts),
  };
}

/** The row that says how far a partition is counted. */
export function progressRow(partition: number, progress: Progress): Row {
  const { startOffset, nextOffset, malformed, skipped, topicId, stateTopicId } = progress;
  return {
    key: `${partition}/progress`,
    value: JSON.stringify({
      start_offset: startOffset?.toString(),
      next_offset: nextOffset.toString(),
      malformed,
      skipped,
      topic_id: topicId,
      state_topic_id: stateTopicId,
    }),
  };
}

/** The row that marks a moment in a partition; its offset is all that it says. */
export function barrierRow(partition: number): Row {
  return { key: `${partition}/barrier`, value: "{}" };
}

/** The rows of all partitions, as a reader of the state topic builds them up. */
export class StateRows<K, C extends object> {
  #table: StateTable<K, C>;
  #partitions = new Map<number, PartitionRows<K, C>>();
  /** Counts up with each change of a count or of the progress. */
  version = 0;

  /**
   * No rows.
   *
   * @param table The kind of state.
   */
  constructor(table: StateTable<K, C>) {
    this.#table = table;
  }

  /** Forgets everything. */
  clear(): void {
    this.#partitions.clear();
    this.version++;
  }

  /**
   * Takes in a row. Rows with keys that this version does not know are passed over.
   *
   * @throws {Error} When a row does not hold what its service writes.
   */
  apply({ key, value }: Row): void {
    const slash = key.indexOf("/");
    const partition = partitionOf(key.slice(0, slash));
    const name = key.slice(slash + 1);
    if (slash < 1 || partition === undefined || name === "barrier") return;
    const rows = this.partition(partition);
    if (name === "progress") {
      rows.progress = value === null
        ? undefined
        : progressOf(this.#parse({ key, value }, progressRowSchema));
    } else {
      const countsKey = this.#table.keyOf(name);
      if (countsKey === undefined) return;
      if (value === null) rows.counts.delete(countsKey);
      else rows.counts.set(countsKey, this.#parse({ key, value }, this.#table.schema));
    }
    this.version++;
  }

  /** What is known of a partition. */
  partition(partition: number): PartitionRows<K, C> {
    return this.#partitions.getOrInsertComputed(
      partition,
      () => ({ counts: newCounts(this.#table), progress: undefined }),
    );
  }

  /** What is known of all partitions. */
  partitions(): PartitionRows<K, C>[] {
    return [...this.#partitions.values()];
  }

  #parse<T>({ key, value }: { key: string; value: string }, schema: v.GenericSchema<T>): T {
    try {
      return conform(schema, parseObject(value));
    } catch (error) {
      const { writer } = this.#table;
      throw new Error(
        `the state row ${quoted(key)} holds ${quoted(value)}, which is not what ${writer} writes ` +
          `(${reasonOf(error)}); only its own group may write to a state topic`,
      );
    }
  }
}

/** The partition as it is written; `undefined` for anything else, such as `01` or `1e3`. */
function partitionOf(text: string): number | undefined {
  const partition = Number(text);
  return Number.isSafeInteger(partition) && partition >= 0 && String(partition) === text
    ? partition
    : undefined;
}

/** A text for a message; others may have written megabytes. */
function quoted(text: string): string {
  return JSON.stringify(text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED)}…`);
}

function progressOf(row: v.InferOutput<typeof progressRowSchema>): Progress {
  return {
    startOffset: row.start_offset === undefined ? undefined : BigInt(row.start_offset),
    nextOffset: BigInt(row.next_offset),
    malformed: row.malformed,
    skipped: row.skipped,
    topicId: row.topic_id,
    stateTopicId: row.state_topic_id,
  };
}
