/**
 * The end of `--until-end`: everything that was in the topic at the start has been processed and
 * committed, by this instance or by others of the group.
 *
 * @module
 */
import { delayOrAbort, type Pulse } from "../async.ts";
import type { AdminPool } from "./client_pool.ts";
import { isRetriable } from "./errors.ts";
import { committedOffsets, type LogRange, logRanges } from "./offsets.ts";

/** How often the group's committed offsets are read, in milliseconds. */
const POLL_MS = 100;

/** What this instance has processed. */
export interface Progress {
  /** The next offset of each assigned partition; `undefined` while it is being opened. */
  positions(): ReadonlyMap<number, bigint | undefined>;
  /** Whether the group has ever assigned partitions to this instance, even if none. */
  wasAssigned(): boolean;
  /** Fires when a partition has advanced. */
  advanced: Pulse;
}

/**
 * Resolves when the group has committed all that the topic holds now, or the signal is aborted.
 *
 * @throws An error of the brokers that is final.
 */
export async function whenEndReached(
  { admin, group, topic, progress }: {
    admin: AdminPool;
    group: string;
    topic: string;
    progress: Progress;
  },
  signal: AbortSignal,
): Promise<void> {
  let targets: ReadonlyMap<number, LogRange> | undefined;
  while (!signal.aborted) {
    const advanced = progress.advanced.next();
    try {
      targets ??= await admin.use((client) => logRanges(client, topic));
      const reached = isDoneHere(targets, progress) ||
        isShared(targets, progress) &&
          isCommitted(targets, await admin.use((client) => committedOffsets(client, group, topic)));
      if (reached) return;
    } catch (error) {
      // Leaders may be moving; the consumer notices when no broker answers at all.
      if (!isRetriable(error)) throw error;
    }
    await Promise.race([delayOrAbort(POLL_MS, signal), advanced]);
  }
}

/** Whether this instance has all partitions and has processed each to its end. */
export function isDoneHere(targets: ReadonlyMap<number, LogRange>, progress: Progress): boolean {
  const positions = progress.positions();
  return [...targets].every(([partition, { end }]) => {
    const position = positions.get(partition);
    return position !== undefined && position >= end;
  });
}

/** Whether the group has committed each partition to its end; an empty one needs no commit. */
export function isCommitted(
  targets: ReadonlyMap<number, LogRange>,
  committed: ReadonlyMap<number, bigint>,
): boolean {
  return [...targets].every(([partition, { start, end }]) =>
    (committed.get(partition) ?? start) >= end
  );
}

/**
 * Whether others may have processed the partitions that this instance does not have, and it has
 * opened all of its own: until then their committed offsets say nothing about pending work.
 */
export function isShared(targets: ReadonlyMap<number, LogRange>, progress: Progress): boolean {
  const positions = progress.positions();
  return progress.wasAssigned() &&
    [...targets.keys()].some((partition) => !positions.has(partition)) &&
    [...positions.values()].every((position) => position !== undefined);
}
