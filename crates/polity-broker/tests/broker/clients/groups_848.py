"""Two consumers of a group of the new protocol (KIP-848) share a topic, and one takes over from the other."""

import sys
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers = sys.argv[1]
PATIENCE = 40


def consumer(**config):
    return Consumer({
        "bootstrap.servers": servers, "group.id": "new", "group.protocol": "consumer",
        "auto.offset.reset": "earliest", "enable.auto.commit": False, **config,
    })


def poll_until(consumers, done):
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
admin.create_topics([NewTopic("shared", 4, 1)])["shared"].result(20)
producer = Producer({"bootstrap.servers": servers})
for number in range(100):
    producer.produce("shared", str(number).encode(), partition=number % 4)
assert producer.flush(20) == 0

one, two = consumer(), consumer()
one.subscribe(["shared"])
poll_until([one], lambda messages: len(messages) == 100)
one.commit(asynchronous=False)
two.subscribe(["shared"])
poll_until([one, two], lambda _: len(partitions(one)) == 2 and len(partitions(two)) == 2)
assert partitions(one) | partitions(two) == {0, 1, 2, 3}
description = admin.describe_consumer_groups(["new"])["new"].result(20)
assert len(description.members) == 2, description.members
one.close()
poll_until([two], lambda _: partitions(two) == {0, 1, 2, 3})
# What the first has committed is not read again.
for number in range(8):
    producer.produce("shared", b"later", partition=number % 4)
assert producer.flush(20) == 0
later = poll_until([two], lambda messages: len(messages) >= 8)
assert [message.value() for message in later] == [b"later"] * 8, later
two.close()
print("ok")
