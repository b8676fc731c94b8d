"""The three jobs with confluent-kafka-python (librdkafka)."""

import json

from confluent_kafka import Consumer, KafkaException, Producer

from orders import Metrics, arguments, encode, movements, orders

BATCH = 10_000  # records per consume() and, for inventory, per transaction
# Throughput settings as librdkafka's manual advises: let batches fill, and allow them to be large.
BATCHING = {
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 100_000,
    "queue.buffering.max.messages": 500_000,
    # The partition of a key as Kafka's Java client and producer.ts choose it.
    "partitioner": "murmur2_random",
}


def produce(args):
    delivered = 0

    def on_delivery(error, _message):
        nonlocal delivered
        if error is not None:
            raise KafkaException(error)
        delivered += 1

    producer = Producer({
        "bootstrap.servers": args.brokers,
        "acks": "all",
        "enable.idempotence": True,
        **BATCHING,
    })
    # Brings the connection up: without one at its first try, librdkafka asks for the id of the
    # idempotent producer half a second later. It still loses this race now and then.
    producer.list_topics(args.topic)
    for number, order in enumerate(orders(args.orders, args.seed), 1):
        value = encode(order)
        while True:
            try:
                producer.produce(
                    args.topic, value, key=order["order_id"], on_delivery=on_delivery
                )
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1_000 == 0:
            producer.poll(0)
    producer.flush()
    return {"orders": delivered}


def open_consumer(args):
    consumer = Consumer({
        "bootstrap.servers": args.brokers,
        "group.id": args.group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
    })
    consumer.subscribe([args.topic])
    return consumer


def batches(consumer, count):
    """Batches of records until `count` of them have come."""
    left = count
    while left > 0:
        batch = consumer.consume(num_messages=min(BATCH, left), timeout=1.0)
        for message in batch:
            if message.error() is not None:
                raise KafkaException(message.error())
        if batch:
            left -= len(batch)
            yield batch


def analytics(args):
    consumer = open_consumer(args)
    metrics = Metrics()
    for batch in batches(consumer, args.orders):
        for message in batch:
            metrics.count(message.value())
        consumer.commit(asynchronous=True)
    consumer.commit(offsets=consumer.position(consumer.assignment()), asynchronous=False)
    consumer.close()
    return metrics.result()


def inventory(args):
    producer = Producer({
        "bootstrap.servers": args.brokers,
        "transactional.id": args.group,
        **BATCHING,
    })
    producer.init_transactions()
    consumer = open_consumer(args)
    done = 0
    for batch in batches(consumer, args.orders):
        producer.begin_transaction()
        for message in batch:
            order = json.loads(message.value())
            for event in movements(order):
                producer.produce(args.output, encode(event), key=event["item_id"])
            producer.poll(0)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
        done += len(batch)
    consumer.close()
    return {"orders": done}


if __name__ == "__main__":
    args = arguments()
    job = {"produce": produce, "analytics": analytics, "inventory": inventory}[args.job]
    print(json.dumps(job(args)))
