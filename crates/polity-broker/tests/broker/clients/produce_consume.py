"""Produces with librdkafka by every means it has, and consumes it all again with assign."""

import sys
import uuid

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

servers = sys.argv[1]
RECORDS = 2000


def produce(topic, expected, **config):
    failures = []
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, **config})

    def delivered(error, message):
        if error is not None:
            failures.append(str(error))

    for number in range(RECORDS):
        value = f"{config}-{number}".encode()
        key = str(number).encode()
        producer.produce(topic, value, key, partition=number % 3, headers=[("n", b"1"), ("n", b"2")],
                         on_delivery=delivered)
        expected.setdefault(number % 3, []).append((key, value))
        producer.poll(0)
    left = producer.flush(20)
    assert left == 0 and not failures, (left, failures[:3])


def consume(topic, count, **config):
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": str(uuid.uuid4()), "auto.offset.reset": "error",
        "enable.auto.commit": False, "enable.partition.eof": True, **config,
    })
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
    found, ended = {}, set()
    while len(ended) < 3:
        message = consumer.poll(20)
        assert message is not None, "nothing came"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
            continue
        ended.discard(message.partition())
        assert message.headers() == [("n", b"1"), ("n", b"2")], message.headers()
        found.setdefault(message.partition(), []).append((message.key(), message.value()))
    consumer.close()
    return found


admin = AdminClient({"bootstrap.servers": servers})
admin.create_topics([NewTopic("many", 3, 1, config={"retention.ms": "3600000"})])["many"].result(20)

expected = {}
for config in [
    {"acks": "all"},
    {"acks": "1"},
    {"enable.idempotence": True},
    {"compression.type": "gzip"},
    {"compression.type": "snappy"},
    {"compression.type": "lz4"},
    {"compression.type": "zstd"},
]:
    produce("many", expected, **config)

total = sum(map(len, expected.values()))
for config in [
    {},
    {"isolation.level": "read_uncommitted"},
    {"fetch.message.max.bytes": 2000, "fetch.min.bytes": 100},
]:
    found = consume("many", total, **config)
    assert found == expected, {p: (len(found.get(p, [])), len(expected[p])) for p in expected}

# What there is, and where.
metadata = admin.list_topics(timeout=20)
assert len(metadata.topics["many"].partitions) == 3
assert [broker.id for broker in metadata.brokers.values()] == [1]
partition = TopicPartition("many", 0)
for spec, offset in [(OffsetSpec.earliest(), 0), (OffsetSpec.latest(), len(expected[0]))]:
    found = admin.list_offsets({partition: spec})[partition].result(20)
    assert found.offset == offset, found.offset
resource = ConfigResource(ResourceType.TOPIC, "many")
config = admin.describe_configs([resource])[resource].result(20)
assert config["retention.ms"].value == "3600000"
cluster = admin.describe_cluster().result(20)
assert cluster.controller.id == 1 and cluster.cluster_id

# And then it is gone.
admin.delete_topics(["many"])["many"].result(20)
assert "many" not in admin.list_topics(timeout=20).topics
print("ok")
