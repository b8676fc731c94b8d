/**
 * From a target, such as a time, to the offsets of each partition of a topic.
 *
 * @module
 */
import { type OffsetTarget, type PartitionExtent, targetOffset } from "../offset_target.ts";
import { type AdminPool, adminPool } from "./client_pool.ts";
import { retryWhileRetriable } from "./errors.ts";
import { type ClusterReader, clusterReader } from "./kafkajs/cluster.ts";
import { type LogRange, logRanges } from "./offsets.ts";
import type { KafkaSettings } from "./settings.ts";

/** Reads what the partitions hold, and where the target is if it is a time. */
export async function partitionExtents(
  { admin, cluster }: { admin: AdminPool; cluster: ClusterReader },
  topic: string,
  target: OffsetTarget,
): Promise<Map<number, PartitionExtent>> {
  const since = target.kind === "time"
    ? await cluster.offsetsSince(topic, target.timeMs)
    : new Map<number, bigint>();
  const ranges = await admin.use((client) => logRanges(client, topic));
  const ends = await cluster.endOffsets(topic);
  return new Map([...ranges].map(([partition, { start, end: stable }]) => {
    const end = ends.get(partition) ?? stable;
    return [partition, { start, stable, end, since: since.get(partition) }];
  }));
}

/**
 * The range from the target to the end of each partition. An offset that a partition does not have is
 * moved to its nearest one.
 */
export async function rangesFrom(
  settings: KafkaSettings,
  topic: string,
  target: OffsetTarget,
  signal: AbortSignal,
): Promise<Map<number, LogRange>> {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    const extents = await retryWhileRetriable(
      () => partitionExtents({ admin, cluster }, topic, target),
      settings,
      { signal },
    );
    return new Map([...extents].map(([partition, extent]) => {
      const { start, stable: end } = extent;
      const wanted = target.kind === "offset" ? target.offset : targetOffset(target, extent);
      return [partition, { start: wanted < start ? start : wanted > end ? end : wanted, end }];
    }));
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}
