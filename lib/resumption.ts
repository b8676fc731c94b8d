/**
 * Where a service continues in a partition after a restart, and what becomes of its state.
 *
 * A service commits its progress with its state and its offset in one transaction, and puts a mark
 * into the metadata of the offset. So the two are equal, and when they are not, this says why:
 *
 * | committed offset | progress | meaning |
 * |---|---|---|
 * | equal to the progress | there | continue |
 * | none (expired, group deleted) | there | continue at the progress |
 * | without the mark | any other | a person moved the group: drop the counts, continue there |
 * | with the mark | none, or any other | the state was lost: count the records before it again |
 * | none | none | the first start |
 *
 * Offsets mean something only in the topic that they were read from. Topics have ids, so a topic that
 * was deleted and created again is recognised: the service refuses until a person moves the group.
 *
 * @module
 */
import type { Progress } from "./state_rows.ts";

/** An offset that a group has committed. */
export interface CommittedOffset {
  /** The offset; negative for "earliest", as kafkajs commits it. */
  offset: bigint;
  /** Free text that was committed with it. */
  metadata: string;
}

/** What is known of a partition when it is opened. */
export interface PartitionStanding {
  /** The consumer group. */
  group: string;
  /** The topic that it reads. */
  topic: string;
  /** The partition of the topic. */
  partition: number;
  /** The offsets that the topic still holds, end exclusive. */
  range: { start: bigint; end: bigint };
  /** The group's committed offset. */
  committed: CommittedOffset | undefined;
  /** The progress in the state topic. */
  progress: Progress | undefined;
  /** The id that the topic has now. */
  topicId: string | undefined;
  /** The id that the state topic has now. */
  stateTopicId: string | undefined;
}

/** How a service continues. */
export interface Resumption {
  /** Keep the stored counts, drop them, or replace them by a second count of the records before `start`. */
  counts: "keep" | "drop" | "recount";
  /** The offset of the next record to process. */
  start: bigint;
  /** What a person should know. */
  notes: string[];
}

/** The topic was deleted and created again. */
export class RecreatedTopicError extends Error {
  /** Its name in messages and logs. */
  override name = "RecreatedTopicError";
}

const MARK = "order-stream";

/** The metadata of the offsets that a service commits with its state. */
export function commitMark(topicId: string | undefined): string {
  return topicId === undefined ? MARK : `${MARK} topic-id=${topicId}`;
}

/** The topic's id in a mark; `null` when the offset was not committed by a service. */
function markedTopicId({ metadata }: CommittedOffset): string | undefined | null {
  const match = /^order-stream(?: topic-id=([0-9a-f]{32}))?$/.exec(metadata);
  return match === null ? null : match[1];
}

/**
 * Decides where a service continues.
 *
 * @throws {RecreatedTopicError} When the offsets belong to a topic that is no longer there.
 */
export function resume(standing: PartitionStanding): Resumption {
  const { committed } = standing;
  // Rows of a state topic that was deleted and created again while the service ran are incomplete.
  const isComplete = isSame(standing.progress?.stateTopicId, standing.stateTopicId);
  if (committed === undefined) return resumeUncommitted(standing, isComplete);

  const progress = isComplete ? standing.progress : undefined;
  const marked = markedTopicId(committed);
  const isCurrent = progress?.nextOffset === committed.offset &&
    isSame(progress.topicId, standing.topicId);
  if (marked === null) return isCurrent ? keep(standing, progress) : moved(standing, progress);
  if (!isSame(marked, standing.topicId)) throw recreated(standing, committed.offset);
  return isCurrent ? keep(standing, progress) : recount(standing, committed.offset);
}

function resumeUncommitted(standing: PartitionStanding, isComplete: boolean): Resumption {
  const { group, range, progress } = standing;
  if (progress === undefined) return { counts: "drop", start: range.start, notes: [] };
  const { nextOffset, topicId } = progress;
  if (!isSame(topicId, standing.topicId)) throw recreated(standing, nextOffset);
  const resumption = isComplete ? keep(standing, progress) : recount(standing, nextOffset);
  resumption.notes.unshift(
    `${place(standing)}: group ${group} has no committed offset, because it has expired or was ` +
      `deleted; continuing at the stored progress, offset ${nextOffset}`,
  );
  return resumption;
}

function recount(standing: PartitionStanding, nextOffset: bigint): Resumption {
  const { start, notes } = from(standing, nextOffset);
  const { range } = standing;
  notes.unshift(
    `${place(standing)}: the stored counts are gone or incomplete; offsets ${range.start} to ` +
      `${start - 1n} are counted again`,
  );
  return { counts: "recount", start, notes };
}

function keep(standing: PartitionStanding, { nextOffset }: Progress): Resumption {
  return { counts: "keep", ...from(standing, nextOffset) };
}

function moved(standing: PartitionStanding, progress: Progress | undefined): Resumption {
  const resumption: Resumption = { counts: "drop", ...from(standing, standing.committed!.offset) };
  const { group, range } = standing;
  const { start } = resumption;
  if (progress !== undefined) {
    resumption.notes.unshift(
      `${
        place(standing)
      }: group ${group} was moved from offset ${progress.nextOffset} to ${start}; ` +
        "its counts from before are dropped",
    );
  } else if (start > range.start) {
    resumption.notes.unshift(
      `${
        place(standing)
      }: there are no stored counts; counting starts at the committed offset ${start}`,
    );
  }
  return resumption;
}

/** Continues at an offset, or at the first one that is left after it. */
function from(
  standing: PartitionStanding,
  offset: bigint,
): { start: bigint; notes: string[] } {
  const { start } = standing.range;
  if (offset < 0n) return { start, notes: [] };
  if (offset >= start) return { start: offset, notes: [] };
  return {
    start,
    notes: [
      `${place(standing)}: offsets ${offset} to ${start - 1n} were deleted by the topic's ` +
      "retention before they were read",
    ],
  };
}

/** Whether two ids are those of one topic, as far as it is known. */
function isSame(one: string | undefined, other: string | undefined): boolean {
  return one === undefined || other === undefined || one === other;
}

function recreated({ group, topic, partition }: PartitionStanding, offset: bigint) {
  return new RecreatedTopicError(
    `topic ${topic} was deleted and created again after group ${group} had read partition ` +
      `${partition} up to offset ${offset}; choose where the group continues, for example at the ` +
      'beginning: "deno task replay --to earliest --execute" with its --group',
  );
}

function place({ partition }: PartitionStanding): string {
  return `partition ${partition}`;
}
