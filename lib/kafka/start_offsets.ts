/**
 * Where to start reading each partition of a topic.
 *
 * @module
 */
import type { OffsetTarget } from "../offset_target.ts";
import { adminPool } from "./client_pool.ts";
import { clusterReader } from "./kafkajs/cluster.ts";
import { type LogRange, logRanges } from "./offsets.ts";
import type { KafkaSettings } from "./settings.ts";

/**
 * The range from the target to the end of each partition. An offset that a partition does not have is
 * moved to its nearest one.
 */
export async function rangesFrom(
  settings: KafkaSettings,
  topic: string,
  target: OffsetTarget,
): Promise<Map<number, LogRange>> {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    const since = target.kind === "time"
      ? await cluster.offsetsSince(topic, target.timeMs)
      : new Map<number, bigint>();
    const ranges = await admin.use((client) => logRanges(client, topic));
    return new Map([...ranges].map(([partition, { start, end }]) => {
      const wanted = target.kind === "earliest"
        ? start
        : target.kind === "offset"
        ? target.offset
        : since.get(partition) ?? end;
      return [partition, { start: wanted < start ? start : wanted > end ? end : wanted, end }];
    }));
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}
