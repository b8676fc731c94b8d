/**
 * Noticing that a topic is deleted, or deleted and created again, while a service uses it.
 *
 * Nothing else shows it: requests name topics by their names, and a new topic has offsets, too.
 *
 * @module
 */
import { awakeMs, delayOrAbort } from "../async.ts";
import { FinalError, isRetriable } from "./errors.ts";
import type { ClusterReader } from "./kafkajs/cluster.ts";

/** How often the brokers are asked, in milliseconds. */
const INTERVAL_MS = 1_000;
/** How long a topic may be missing, in milliseconds: a broker that has just started knows none. */
const MISSING_LIMIT_MS = 5_000;

/**
 * Watches topics until the signal is aborted.
 *
 * @throws {FinalError} When one of them is another than at the start, or missing for five seconds.
 */
export async function watchTopics(
  cluster: Pick<ClusterReader, "topicIds">,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, string>();
  const missingSinceMs = new Map<string, number>();
  for (; !signal.aborted; await delayOrAbort(INTERVAL_MS, signal)) {
    const ids = await cluster.topicIds(topics).catch((error) => {
      if (!isRetriable(error)) throw error;
    });
    // Nothing to compare; the consumer notices when no broker answers at all.
    if (ids === undefined) continue;
    for (const topic of topics) {
      const id = ids.get(topic);
      if (id === undefined) {
        const sinceMs = missingSinceMs.getOrInsertComputed(topic, () => awakeMs());
        if (awakeMs() - sinceMs < MISSING_LIMIT_MS) continue;
        throw new FinalError(`topic ${topic} was deleted while it was in use`);
      }
      missingSinceMs.delete(topic);
      if (known.getOrInsert(topic, id) === id) continue;
      throw new FinalError(
        `topic ${topic} was deleted and created again while it was in use; start the program again: ` +
          "it checks what that means for its state",
      );
    }
  }
}
