/**
 * The record batches of a topic as the broker stores them, compression included: no client shows it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Compression, COMPRESSIONS } from "../../lib/compression.ts";
import { repaired } from "./kafkajs.ts";
import { CONTROL_FLAG, decodeFetched } from "./record_batches.ts";

/** A batch that is not a transaction marker. */
interface StoredBatch {
  compression: Compression;
  records: { key: Buffer | null; value: Buffer | null }[];
}

const PARTITION_BYTES = 4_000_000;
const ATTRIBUTES_AT = 21;
const COMPRESSION_MASK = 0x07;

/** Reads a topic of a broker that leads all of its partitions, of less than 4 MB each. */
export async function storedBatches(
  broker: string,
  { topic, partitions }: { topic: string; partitions: number },
): Promise<StoredBatch[]> {
  const batches: StoredBatch[] = [];
  for (const log of await fetchLogs(broker, { topic, partitions })) {
    for (let at = 0; at < log.length;) {
      const next = at + 12 + log.readInt32BE(at + 8);
      const batch = log.subarray(at, next);
      const attributes = batch.readInt16BE(ATTRIBUTES_AT);
      const compression = COMPRESSIONS[attributes & COMPRESSION_MASK]!;
      const { records } = await decodeFetched(repaired, batch);
      if ((attributes & CONTROL_FLAG) === 0) batches.push({ compression, records });
      at = next;
    }
  }
  return batches;
}

async function fetchLogs(
  broker: string,
  { topic, partitions }: { topic: string; partitions: number },
): Promise<Buffer[]> {
  // A broker gives Zstandard to version 10 and later only.
  const request = repaired("protocol/requests/fetch/v10/request")({
    ...{ replicaId: -1, maxWaitTime: 0, minBytes: 0, maxBytes: partitions * PARTITION_BYTES },
    topics: [{
      topic,
      partitions: Array.from({ length: partitions }, (_, partition) => ({
        ...{ partition, currentLeaderEpoch: -1, fetchOffset: "0", logStartOffset: -1 },
        maxBytes: PARTITION_BYTES,
      })),
    }],
  });
  const payload = await repaired("protocol/request")({ request, correlationId: 1, clientId: "t" });
  const Decoder = repaired("protocol/decoder");
  const decoder = new Decoder(await exchange(broker, payload.buffer));
  decoder.readInt32(); // correlation id
  decoder.readInt32(); // throttle time
  decoder.readInt16(); // error
  decoder.readInt32(); // session
  return decoder.readArray((topic: typeof decoder) => {
    topic.readString();
    return topic.readArray((partition: typeof decoder) => {
      partition.readInt32(); // partition
      partition.readInt16(); // error
      partition.readBytes(3 * 8); // the ends of the log, and its start
      partition.readArray((aborted: typeof decoder) => aborted.readBytes(2 * 8));
      return partition.readBytes();
    });
  }).flat();
}

/** Sends a request and returns the response, both without their lengths. */
async function exchange(broker: string, request: Buffer): Promise<Buffer> {
  const { hostname, port } = new URL(`tcp://${broker}`);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  for (let sent = 0; sent < request.length;) {
    sent += await connection.write(request.subarray(sent));
  }
  const chunks: Buffer[] = [];
  for await (const chunk of connection.readable) {
    chunks.push(Buffer.from(chunk));
    const received = Buffer.concat(chunks);
    if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      return received.subarray(4);
    }
  }
  throw new Error("the broker has closed the connection");
}
