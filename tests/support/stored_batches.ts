/**
 * The record batches of a topic as the broker stores them, compression included: no client shows it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Compression, COMPRESSIONS } from "../../lib/compression.ts";
import type { LogBatch } from "./checker.ts";
import { repaired } from "./kafkajs.ts";
import { CONTROL_FLAG, decodeFetched } from "./record_batches.ts";

/** A batch that is not a transaction marker. */
interface StoredBatch {
  compression: Compression;
  records: { key: Buffer | null; value: Buffer | null }[];
}

const FETCH_BYTES = 4_000_000;
/** The offset and the length of a batch, before its other fields. */
const BATCH_HEAD_BYTES = 12;
// Where fields are, https://kafka.apache.org/documentation/#recordbatch.
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const PRODUCER_ID_AT = 43;
/** In a marker: after the header, five fields of one byte and the version of the key. */
const CONTROL_TYPE_AT = 68;
const COMPRESSION_MASK = 0x07;
const TRANSACTIONAL_FLAG = 0x10;

/** Reads a topic of a broker that leads all of its partitions. */
export async function storedBatches(
  broker: string,
  { topic, partitions }: { topic: string; partitions: number },
): Promise<StoredBatch[]> {
  const found: StoredBatch[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    for (const batch of await readBatches(broker, { topic, partition })) {
      const attributes = batch.readInt16BE(ATTRIBUTES_AT);
      const compression = COMPRESSIONS[attributes & COMPRESSION_MASK]!;
      const { records } = await decodeFetched(repaired, batch);
      if ((attributes & CONTROL_FLAG) === 0) found.push({ compression, records });
    }
  }
  return found;
}

/** The batches of a partition and the transactions that they belong to; the broker must lead it. */
export async function logBatches(
  broker: string,
  { topic, partition }: { topic: string; partition: number },
): Promise<LogBatch[]> {
  return (await readBatches(broker, { topic, partition })).map((batch) => {
    const first = batch.readBigInt64BE(0);
    const attributes = batch.readInt16BE(ATTRIBUTES_AT);
    const isControl = (attributes & CONTROL_FLAG) !== 0;
    const isTransactional = (attributes & TRANSACTIONAL_FLAG) !== 0;
    const control = isControl && (batch.readInt16BE(CONTROL_TYPE_AT) === 1 ? "commit" : "abort");
    return {
      partition,
      producerId: batch.readBigInt64BE(PRODUCER_ID_AT),
      first,
      last: first + BigInt(batch.readInt32BE(LAST_OFFSET_DELTA_AT)),
      kind: control || (isTransactional ? "transactional" : "plain"),
    };
  });
}

async function readBatches(
  broker: string,
  { topic, partition }: { topic: string; partition: number },
): Promise<Buffer[]> {
  const batches: Buffer[] = [];
  for (let offset = 0n;;) {
    const log = await fetchLog(broker, { topic, partition, offset });
    const before = batches.length;
    for (let at = 0; at + BATCH_HEAD_BYTES <= log.length;) {
      const next = at + BATCH_HEAD_BYTES + log.readInt32BE(at + 8);
      // The last one may be cut off.
      if (next > log.length) break;
      const batch = log.subarray(at, next);
      // A fetch begins with the batch that holds the offset.
      if (batch.readBigInt64BE(0) >= offset) batches.push(batch);
      at = next;
    }
    const last = batches.at(-1);
    if (batches.length === before || last === undefined) return batches;
    offset = last.readBigInt64BE(0) + BigInt(last.readInt32BE(LAST_OFFSET_DELTA_AT)) + 1n;
  }
}

async function fetchLog(
  broker: string,
  { topic, partition, offset }: { topic: string; partition: number; offset: bigint },
): Promise<Buffer> {
  // A broker gives Zstandard to version 10 and later only.
  const request = repaired("protocol/requests/fetch/v10/request")({
    ...{ replicaId: -1, maxWaitTime: 0, minBytes: 0, maxBytes: FETCH_BYTES },
    topics: [{
      topic,
      partitions: [{
        ...{ partition, currentLeaderEpoch: -1, fetchOffset: String(offset), logStartOffset: -1 },
        maxBytes: FETCH_BYTES,
      }],
    }],
  });
  const payload = await repaired("protocol/request")({ request, correlationId: 1, clientId: "t" });
  const Decoder = repaired("protocol/decoder");
  const decoder = new Decoder(await exchange(broker, payload.buffer));
  decoder.readInt32(); // correlation id
  decoder.readInt32(); // throttle time
  decoder.readInt16(); // error
  decoder.readInt32(); // session
  const [[log]] = decoder.readArray((topic: typeof decoder) => {
    topic.readString();
    return topic.readArray((partition: typeof decoder) => {
      partition.readInt32(); // partition
      const error = partition.readInt16();
      if (error !== 0) throw new Error(`fetching "${topic}": error code ${error}`);
      partition.readBytes(3 * 8); // the ends of the log, and its start
      partition.readArray((aborted: typeof decoder) => aborted.readBytes(2 * 8));
      return partition.readBytes();
    });
  });
  return log ?? Buffer.alloc(0);
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
