/**
 * Batches that expand to far more than can be held in memory.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createZstdCompress } from "node:zlib";
import { kafkaClient } from "../../lib/kafka/client.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import type { KafkaSettings } from "../../lib/kafka/settings.ts";
import { repaired } from "./kafkajs.ts";

/** The number of Zstandard in Kafka's record batches. */
const ZSTD = 4;

/** Publishes values, given in chunks, in one batch that Zstandard has compressed; returns the first offset. */
export async function publishCompressed(
  settings: KafkaSettings,
  { topic, partition, values }: { topic: string; partition: number; values: Iterable<Buffer>[] },
): Promise<string> {
  const { Codecs } = repaired("protocol/message/compression");
  const codec = Codecs[ZSTD];
  const compressed = await compress(values);
  Codecs[ZSTD] = () => ({ compress: () => Promise.resolve(compressed) });
  const producer = kafkaClient(settings).producer({ createPartitioner: chosenPartition });
  await producer.connect();
  try {
    // As many records as the batch holds; what they hold is replaced.
    const messages = values.map(() => ({ partition, value: "" }));
    const [sent] = await producer.send({ topic, acks: -1, compression: ZSTD, messages });
    return sent!.baseOffset!;
  } finally {
    await producer.disconnect();
    Codecs[ZSTD] = codec;
  }
}

/** Compresses records with these values; see https://kafka.apache.org/documentation/#record. */
async function compress(values: Iterable<Buffer>[]): Promise<Buffer> {
  const stream = createZstdCompress();
  const output = Array.fromAsync(stream as AsyncIterable<Buffer>);
  const write = (bytes: Buffer) =>
    new Promise<void>((resolve) => stream.write(bytes, () => resolve()));
  for (const [index, chunks] of values.entries()) {
    const size = [...chunks].reduce((sum, { length }) => sum + length, 0);
    // Attributes, timestamp, offset, no key; then the value, and no headers.
    const head = Buffer.concat([Buffer.from([0, 0]), varInt(index), varInt(-1), varInt(size)]);
    await write(Buffer.concat([varInt(head.length + size + 1), head]));
    for (const chunk of chunks) await write(chunk);
    await write(varInt(0));
  }
  stream.end();
  return Buffer.concat(await output);
}

function varInt(value: number): Buffer {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push(rest & 0x7f | 0x80);
  return Buffer.from([...bytes, rest]);
}
