/**
 * Reading a topic once: from its beginning to where it ends now, or a range of each partition.
 *
 * @module
 */
import { delayOrAbort } from "../async.ts";
import { adminPool } from "./client_pool.ts";
import { consume } from "./consume.ts";
import { clusterReader } from "./kafkajs/cluster.ts";
import { retryWhileRetriable } from "./errors.ts";
import { type LogRange, logRanges } from "./offsets.ts";
import type { SourceRecord } from "./records.ts";
import { type KafkaSettings, readerSettings } from "./settings.ts";

/** How long to wait for transactions that are under way, in milliseconds. */
const SETTLING_LIMIT_MS = 5_000;
const SETTLING_POLL_MS = 20;

/**
 * Reads all committed records that the topic holds now, or those in the given ranges.
 *
 * The end is recognised by the offsets of whole batches: the last offset of a partition may belong to a
 * transaction marker, which is never shown as a record.
 *
 * @param group A consumer group for the reading; nothing is committed to it.
 * @param ranges The offsets to read, end exclusive; partitions without a range are not read.
 * @param others The offsets to read of partitions without a range, such as those added meanwhile.
 */
export async function readTopic(
  settings: KafkaSettings,
  { topic, group, ranges: given, others, onRecord }: {
    topic: string;
    group: string;
    ranges?: ReadonlyMap<number, LogRange>;
    others?: LogRange;
    onRecord: (record: SourceRecord, partition: number) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const ranges = given ??
    await retryWhileRetriable(() => settledRanges(settings, topic, signal), settings, { signal });
  const open = new Map([...ranges].filter(([, { start, end }]) => start < end));
  if (open.size === 0) return;

  const finished = new AbortController();
  const reached = (partition: number, next: bigint) => {
    const range = open.get(partition);
    if (range !== undefined && next >= range.end) open.delete(partition);
    if (open.size === 0) finished.abort();
  };
  const positions = new Map<number, bigint>();
  await consume({
    settings: readerSettings(settings),
    topic,
    group,
    // After a rejoin the reading starts over: `positions` keeps a record from being passed on twice.
    onAssigned: (consumer, assigned) => {
      const unread = others ? [] : assigned.filter((partition) => !ranges.has(partition));
      consumer.pause([{ topic, partitions: unread }]);
      for (const [partition, { start }] of given ?? []) {
        consumer.seek({ topic, partition, offset: start.toString() });
      }
    },
    onLost: () => {},
    async onBatch({ batch, resolveOffset, heartbeat }) {
      const { partition } = batch;
      for (const record of batch.messages) {
        const offset = BigInt(record.offset);
        const range = ranges.get(partition) ?? others;
        if (range === undefined || offset >= range.end) continue;
        if (offset < (positions.get(partition) ?? range.start)) continue;
        onRecord(record as SourceRecord, partition);
        positions.set(partition, offset + 1n);
      }
      resolveOffset(batch.lastOffset());
      reached(partition, BigInt(batch.lastOffset()) + 1n);
      await heartbeat().catch(() => {});
    },
  }, AbortSignal.any([signal, finished.signal]));
  signal.throwIfAborted();
}

/**
 * What the topic holds, once the transactions that are in it now are decided: brokers confirm a commit
 * before they write its markers, so the last transaction of a program that has ended may show a moment
 * later.
 */
async function settledRanges(
  settings: KafkaSettings,
  topic: string,
  signal: AbortSignal,
): Promise<Map<number, LogRange>> {
  const admin = adminPool(settings);
  const cluster = clusterReader(settings);
  try {
    const ends = await cluster.endOffsets(topic);
    const limitMs = performance.now() + SETTLING_LIMIT_MS;
    for (;;) {
      const ranges = await admin.use((client) => logRanges(client, topic));
      const isSettled = [...ends].every(([partition, end]) => ranges.get(partition)!.end >= end);
      if (isSettled || performance.now() > limitMs) return ranges;
      await delayOrAbort(SETTLING_POLL_MS, signal);
      signal.throwIfAborted();
    }
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}
