/**
 * The three jobs with `@platformatic/kafka`, on orders from the same generator as producer.ts.
 *
 * ```sh
 * deno run --config bench/peers/deno.json … platformatic.ts produce --brokers … --orders 10000
 * ```
 *
 * @module
 */
import {
  Consumer,
  FetchIsolationLevels,
  type Message,
  ProduceAcks,
  Producer,
  stringSerializers,
} from "@platformatic/kafka";
import { parseArgs } from "node:util";
import { orderGenerator } from "../../lib/order_generator.ts";
import type { OrderPlaced } from "../../lib/order.ts";

/** Orders per send of the producer. */
const BATCH = 10_000;
/** Orders per transaction of inventory. */
const TRANSACTION = 20_000;
/** Movements per send of inventory. */
const SEND = 8_000;
/** Sends that may be unacknowledged at once: generating goes on while the brokers write. */
const IN_FLIGHT = 2;

interface Arguments {
  brokers: string[];
  topic: string;
  orders: number;
  seed: number;
  group: string;
  output: string;
}

async function produce({ brokers, topic, orders, seed }: Arguments) {
  const producer = new Producer({
    clientId: "platformatic",
    bootstrapBrokers: brokers,
    idempotent: true,
    acks: ProduceAcks.ALL,
    serializers: stringSerializers,
  });
  const nextOrder = orderGenerator({ seed, failureRate: 0.05, eventTimeMs: Date.now });
  const sends = new Set<Promise<void>>();
  let acknowledged = 0;
  for (let from = 0; from < orders; from += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, orders - from) }, () => {
      const event = nextOrder();
      return { topic, key: event.order_id, value: JSON.stringify(event) };
    });
    const send = producer.send({ messages }).then(() => {
      acknowledged += messages.length;
      sends.delete(send);
    });
    sends.add(send);
    if (sends.size >= IN_FLIGHT) await Promise.race(sends);
  }
  await Promise.all(sends);
  await producer.close();
  return { orders: acknowledged };
}

function openConsumer({ brokers, group }: Arguments): Consumer {
  return new Consumer({
    clientId: "platformatic",
    groupId: group,
    bootstrapBrokers: brokers,
    isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    // Fetches of many records instead of the default buffer of 1,024.
    highWaterMark: BATCH,
    maxWaitTime: 200,
  });
}

async function analytics(args: Arguments) {
  const consumer = openConsumer(args);
  const stream = await consumer.consume({
    topics: [args.topic],
    mode: "committed",
    fallbackMode: "earliest",
    autocommit: 1_000,
  });
  const minutes = new Map<string, { total: number; failed: number }>();
  let counted = 0;
  const done = Promise.withResolvers<void>();
  stream.on("error", done.reject);
  stream.on("data", ({ value }: Message) => {
    const order: OrderPlaced = JSON.parse(value.toString());
    if (order.event_type === "OrderPlaced") {
      const minute = order.timestamp.slice(0, 16);
      let count = minutes.get(minute);
      if (count === undefined) minutes.set(minute, count = { total: 0, failed: 0 });
      count.total++;
      if (order.status === "failed") count.failed++;
    }
    if (++counted === args.orders) done.resolve();
  });
  await done.promise;
  await stream.close();
  await consumer.close();
  let orders = 0;
  let failed = 0;
  for (const count of minutes.values()) {
    orders += count.total;
    failed += count.failed;
  }
  return { orders, failed, minutes: minutes.size };
}

async function inventory(args: Arguments) {
  const producer = new Producer({
    clientId: "platformatic",
    bootstrapBrokers: args.brokers,
    idempotent: true,
    transactionalId: args.group,
    serializers: stringSerializers,
  });
  const consumer = openConsumer(args);
  const stream = await consumer.consume({
    topics: [args.topic],
    mode: "committed",
    fallbackMode: "earliest",
    autocommit: false,
  });

  async function commit(batch: Message[]): Promise<void> {
    const transaction = await producer.beginTransaction();
    try {
      await transaction.addConsumer(consumer);
      const last = new Map<number, Message>();
      const messages = batch.flatMap((message) => {
        last.set(message.partition, message);
        const order: OrderPlaced = JSON.parse(message.value.toString());
        return order.items.map(({ item_id, quantity }) => ({
          topic: args.output,
          key: item_id,
          value: JSON.stringify({
            event_type: "InventoryEvent",
            order_id: order.order_id,
            item_id,
            quantity,
            action: order.status === "placed" ? "reserve" : "release",
            timestamp: order.timestamp,
          }),
        }));
      });
      // A send makes one record batch per partition, and brokers refuse batches above 1 MiB.
      for (let from = 0; from < messages.length; from += SEND) {
        await transaction.send({ messages: messages.slice(from, from + SEND) });
      }
      for (const message of last.values()) await transaction.addOffset(message);
      await transaction.commit();
    } catch (error) {
      await transaction.abort();
      throw error;
    }
  }

  let batch: Message[] = [];
  let done = 0;
  for await (const message of stream) {
    batch.push(message);
    if (batch.length < TRANSACTION && done + batch.length < args.orders) continue;
    await commit(batch);
    done += batch.length;
    batch = [];
    if (done >= args.orders) break;
  }
  await consumer.close(true);
  await producer.close();
  return { orders: done };
}

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      brokers: { type: "string" },
      topic: { type: "string" },
      orders: { type: "string" },
      seed: { type: "string", default: "1" },
      group: { type: "string", default: "" },
      output: { type: "string", default: "" },
    },
  });
  const job = { produce, analytics, inventory }[positionals[0]!];
  if (job === undefined) throw new Error("expected produce, analytics or inventory");
  const result = await job({
    brokers: values.brokers!.split(","),
    topic: values.topic!,
    orders: Number(values.orders),
    seed: Number(values.seed),
    group: values.group,
    output: values.output,
  });
  console.log(JSON.stringify(result));
  Deno.exit(0);
}

if (import.meta.main) run();
