"""Two consumers share a topic; one dies; their offsets are kept. `first` runs before the broker is restarted,
`second` after it."""

import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers, phase = sys.argv[1:]
PATIENCE = 40


def consumer(**config):
    return Consumer({
        "bootstrap.servers": servers, "group.id": "sharers", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **config,
    })


def produce(count):
    producer = Producer({"bootstrap.servers": servers})
    for number in range(count):
        producer.produce("shared", str(number).encode(), partition=number % 4)
    assert producer.flush(20) == 0


def poll_until(consumers, done):
    """Polls all of them until `done`; gives what they got."""
    messages, end = [], time.monotonic() + PATIENCE
    while not done(messages):
        assert time.monotonic() < end, f"not in {PATIENCE} s: {[c.assignment() for c in consumers]}"
        for one in consumers:
            message = one.poll(0.1)
            if message is not None:
                assert not message.error(), message.error()
                messages.append(message)
    return messages


def partitions(one):
    return {p.partition for p in one.assignment()}


admin = AdminClient({"bootstrap.servers": servers})

if phase == "first":
    admin.create_topics([NewTopic("shared", 4, 1)])["shared"].result(20)
    produce(100)
    for strategy in ["range", "cooperative-sticky"]:
        group = {"group.id": f"sharers-{strategy}", "partition.assignment.strategy": strategy}
        one, two = consumer(**group), consumer(**group)
        one.subscribe(["shared"])
        got = poll_until([one], lambda messages: len(messages) == 100)
        assert partitions(one) == {0, 1, 2, 3}
        two.subscribe(["shared"])
        poll_until([one, two], lambda _: len(partitions(one)) == 2 and len(partitions(two)) == 2)
        assert partitions(one) | partitions(two) == {0, 1, 2, 3}
        two.close()
        poll_until([one], lambda _: len(partitions(one)) == 4)
        one.close()

    # One that dies without a word: its share goes to the other when its session is over.
    one, two = consumer(), consumer(**{"group.instance.id": "static"})
    one.subscribe(["shared"])
    two.subscribe(["shared"])
    got = poll_until([one, two], lambda messages: len(messages) >= 100 and len(partitions(one)) == 2)
    description = admin.describe_consumer_groups(["sharers"])["sharers"].result(20)
    assert len(description.members) == 2, description.members
    # A static member says nothing when it closes.
    two.close()
    poll_until([one], lambda _: len(partitions(one)) == 4)
    offsets = [TopicPartition("shared", partition, 10 + partition) for partition in range(4)]
    one.commit(offsets=offsets, asynchronous=False)
    listed = [group.group_id for group in admin.list_consumer_groups().result(20).valid]
    assert {"sharers", "sharers-range", "sharers-cooperative-sticky"} <= set(listed), listed
    one.close()
    admin.delete_consumer_groups(["sharers-range"])["sharers-range"].result(20)
else:
    request = ConsumerGroupTopicPartitions("sharers")
    found = admin.list_consumer_group_offsets([request])["sharers"].result(20)
    offsets = {p.partition: p.offset for p in found.topic_partitions}
    assert offsets == {0: 10, 1: 11, 2: 12, 3: 13}, offsets
    listed = [group.group_id for group in admin.list_consumer_groups().result(20).valid]
    assert "sharers-range" not in listed, listed
    one = consumer()
    one.subscribe(["shared"])
    got = poll_until([one], lambda messages: len(messages) == 100 - sum(range(10, 14)))
    first = {}
    for message in got:
        first.setdefault(message.partition(), message.offset())
    assert first == offsets, first
    one.close()
print("ok")
