/**
 * The newest dead letters, read at the end of their topic.
 *
 * @module
 */
import type { ClusterReader } from "./kafkajs/cluster.ts";
import { visible } from "../visible_text.ts";
import { originOf } from "./dead_letter.ts";

/** A dead letter, with the names that it has in JSON. */
export interface ShownDeadLetter {
  /** When it was written, ISO 8601. */
  time: string;
  reason: string;
  /** The group that could not read the record. */
  group: string;
  /** Where the record is. */
  topic: string;
  partition: number;
  offset: string;
  /** The beginning of its value. */
  value: string;
}

/** The newest dead letters. */
export interface LatestDeadLetters {
  /** How many the topic holds, markers of transactions included. */
  total: number;
  /** Newest first. */
  letters: ShownDeadLetter[];
}

const SHOWN_LETTERS = 8;
/** How much of a text is shown: anyone may write headers and values of a megabyte. */
const SHOWN_CHARACTERS = 200;
const READ_BYTES = 65_536;
const PARTITION = 0;

/** Nothing was read yet, or there is nothing. */
export const NO_DEAD_LETTERS: LatestDeadLetters = { total: 0, letters: [] };

/**
 * Reads the newest dead letters.
 *
 * @param last The former result, returned when nothing has come since.
 */
export async function latestDeadLetters(
  cluster: ClusterReader,
  topic: string,
  last: LatestDeadLetters,
): Promise<LatestDeadLetters> {
  if (!await cluster.hasTopic(topic)) return NO_DEAD_LETTERS;
  const bounds = (await cluster.logBounds(topic)).get(PARTITION);
  if (bounds === undefined) return last;
  const { start, stable } = bounds;
  const total = Number(stable - start);
  if (total === last.total) return last;
  // Markers of transactions take offsets, too.
  const from = stable - 2n * BigInt(SHOWN_LETTERS);
  const letters: ShownDeadLetter[] = [];
  for (let offset = from > start ? from : start; offset < stable;) {
    const { records, next } = await cluster.recordsAt(
      { topic, partition: PARTITION, offset },
      READ_BYTES,
    );
    for (const { timestamp, value, headers = {} } of records) {
      const origin = originOf({ offset: "", key: null, value, headers });
      letters.unshift({
        time: new Date(Number(timestamp)).toISOString(),
        reason: beginning(origin?.reason ?? "without the headers of a dead letter"),
        group: beginning(origin?.group ?? ""),
        topic: beginning(origin?.topic ?? ""),
        partition: origin?.partition ?? -1,
        offset: beginning(origin?.offset ?? ""),
        value: beginning(value?.subarray(0, 4 * SHOWN_CHARACTERS).toString() ?? ""),
      });
    }
    if (next === undefined || next <= offset) break;
    offset = next;
  }
  return { total, letters: letters.slice(0, SHOWN_LETTERS) };
}

function beginning(text: string): string {
  const isCut = text.length > SHOWN_CHARACTERS;
  return visible(text.slice(0, SHOWN_CHARACTERS)) + (isCut ? "…" : "");
}
