"""The three jobs with kafka-python."""

import json

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata

from orders import Metrics, arguments, encode, movements, orders

BATCH = 10_000  # records per poll() and, for inventory, per transaction
BATCHING = {"linger_ms": 50, "batch_size": 900_000}


def produce(args):
    delivered = 0
    failures = []

    def on_delivery(_metadata):
        nonlocal delivered
        delivered += 1

    producer = KafkaProducer(
        bootstrap_servers=args.brokers,
        acks="all",
        enable_idempotence=True,
        **BATCHING,
    )
    for order in orders(args.orders, args.seed):
        producer.send(
            args.topic, encode(order).encode(), key=order["order_id"].encode()
        ).add_callback(on_delivery).add_errback(failures.append)
    producer.flush()
    producer.close()
    if failures:
        raise failures[0]
    return {"orders": delivered}


def open_consumer(args):
    return KafkaConsumer(
        args.topic,
        bootstrap_servers=args.brokers,
        group_id=args.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_poll_records=BATCH,
    )


def batches(consumer, count):
    """Batches of records until `count` of them have come."""
    left = count
    while left > 0:
        polled = consumer.poll(timeout_ms=1_000)
        if polled:
            left -= sum(map(len, polled.values()))
            yield polled


def analytics(args):
    consumer = open_consumer(args)
    metrics = Metrics()
    for polled in batches(consumer, args.orders):
        for records in polled.values():
            for record in records:
                metrics.count(record.value)
        consumer.commit_async()
    consumer.commit()
    consumer.close()
    return metrics.result()


def inventory(args):
    producer = KafkaProducer(
        bootstrap_servers=args.brokers, transactional_id=args.group, **BATCHING
    )
    producer.init_transactions()
    consumer = open_consumer(args)
    done = 0
    for polled in batches(consumer, args.orders):
        producer.begin_transaction()
        for records in polled.values():
            for record in records:
                for event in movements(json.loads(record.value)):
                    producer.send(
                        args.output, encode(event).encode(), key=event["item_id"].encode()
                    )
            done += len(records)
        offsets = {
            partition: OffsetAndMetadata(records[-1].offset + 1, "", -1)
            for partition, records in polled.items()
        }
        producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
        producer.commit_transaction()
    consumer.close()
    producer.close()
    return {"orders": done}


if __name__ == "__main__":
    args = arguments()
    job = {"produce": produce, "analytics": analytics, "inventory": inventory}[args.job]
    print(json.dumps(job(args)))
