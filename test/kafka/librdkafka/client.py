"""librdkafka's producer and consumer, for comparison: `partitions`, `read` and `written` (see client.ts)."""

import base64
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition


def encoded(value):
    return None if value is None else base64.b64encode(value).decode()


def partitions(brokers, topic, partitioner):
    """Sends a message with each of the keys and prints the partitions that they went to."""
    producer = Producer({"bootstrap.servers": brokers, "partitioner": partitioner})
    keys = [base64.b64decode(key) for key in json.load(sys.stdin)]
    found = {}

    def delivered(position):
        def note(error, message):
            if error is not None:
                raise RuntimeError(error.str())
            found[position] = message.partition()

        return note

    for position, key in enumerate(keys):
        producer.produce(topic, b"", key=key, on_delivery=delivered(position))
        producer.poll(0)
    producer.flush()
    print(json.dumps([found[position] for position in range(len(keys))]))


def read(brokers, topic, partition_count, count):
    """Prints the first messages that a read_committed consumer sees, a line for each."""
    settings = {"bootstrap.servers": brokers, "group.id": "unused", "enable.auto.commit": False, "isolation.level": "read_committed", "check.crcs": True}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(int(partition_count))])
    for _ in range(int(count)):
        message = consumer.poll(30)
        if message is None or message.error() is not None:
            raise RuntimeError("no message within 30 s" if message is None else message.error().str())
        headers = [[name, encoded(value)] for name, value in message.headers() or []]
        print(
            json.dumps(
                {
                    "partition": message.partition(),
                    "key": encoded(message.key()),
                    "value": encoded(message.value()),
                    "timestampMs": message.timestamp()[1],
                    "headers": headers,
                }
            )
        )
    consumer.close()


def written(brokers, topic, partition_count):
    """Prints how far the log of each partition goes, whatever is committed."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused", "isolation.level": "read_uncommitted"})
    partitions = [TopicPartition(topic, partition) for partition in range(int(partition_count))]
    print(json.dumps([consumer.get_watermark_offsets(one, timeout=30)[1] for one in partitions]))
    consumer.close()


globals()[sys.argv[1]](*sys.argv[2:])
