"""Transactions: what is committed counts, what is aborted does not, and of two producers with one id only the
later one writes. `first` runs before the broker is restarted, `second` after it."""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers, phase = sys.argv[1:]


def producer(transactional_id):
    made = Producer({"bootstrap.servers": servers, "transactional.id": transactional_id,
                     "transaction.timeout.ms": 60000, "linger.ms": 0})
    made.init_transactions(30)
    return made


def consume(topic, isolation):
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", "enable.partition.eof": True,
                         "isolation.level": isolation, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    found, ended = [], set()
    while len(ended) < 2:
        message = consumer.poll(20)
        assert message is not None, "nothing came"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            found.append(message.value().decode())
    consumer.close()
    return sorted(found)


def write(one, values):
    for number, value in enumerate(values):
        one.produce("out", value.encode(), partition=number % 2)
    assert one.flush(20) == 0


admin = AdminClient({"bootstrap.servers": servers})

if phase == "first":
    for future in admin.create_topics([NewTopic("in", 1, 1), NewTopic("out", 2, 1)]).values():
        future.result(20)
    one = producer("one")
    for number in range(20):
        one.begin_transaction()
        write(one, [f"c{number}a", f"c{number}b"])
        one.commit_transaction(20)
        one.begin_transaction()
        write(one, [f"a{number}a", f"a{number}b"])
        one.abort_transaction(20)
    committed = sorted(f"c{number}{letter}" for number in range(20) for letter in "ab")
    aborted = sorted(f"a{number}{letter}" for number in range(20) for letter in "ab")
    assert consume("out", "read_committed") == committed, consume("out", "read_committed")
    assert consume("out", "read_uncommitted") == sorted(aborted + committed)

    # What is open is not read, and a second producer of that id ends it.
    one.begin_transaction()
    write(one, ["open"])
    assert "open" not in consume("out", "read_committed")
    two = producer("one")
    two.begin_transaction()
    write(two, ["two"])
    two.commit_transaction(20)
    assert consume("out", "read_committed") == sorted(committed + ["two"])
    try:
        one.commit_transaction(20)
        raise AssertionError("a fenced producer committed")
    except KafkaException as error:
        assert error.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH), error

    # Consume, produce and commit in one step; and once more, aborted.
    plain = Producer({"bootstrap.servers": servers})
    for number in range(10):
        plain.produce("in", str(number).encode())
    assert plain.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "step", "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe(["in"])
    step = producer("step")
    for is_committed in [False, True]:
        step.begin_transaction()
        messages = []
        while len(messages) < 5:
            message = consumer.poll(20)
            assert message is not None and not message.error(), message
            messages.append(message)
            step.produce("out", b"step" + message.value(), partition=0)
        step.send_offsets_to_transaction(consumer.position(consumer.assignment()),
                                         consumer.consumer_group_metadata(), 20)
        if is_committed:
            step.commit_transaction(20)
        else:
            step.abort_transaction(20)
            consumer.seek(TopicPartition("in", 0, 0))
    consumer.close()
    # Left open: the next start of its producer, or its timeout, ends it.
    left = producer("left")
    left.begin_transaction()
    write(left, ["left"])
else:
    found = consume("out", "read_committed")
    assert "left" not in found and "two" in found
    assert [value for value in found if value.startswith("step")] == [f"step{n}" for n in range(5)], found
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "step", "enable.auto.commit": False})
    offsets = consumer.committed([TopicPartition("in", 0)], 20)
    assert offsets[0].offset == 5, offsets
    consumer.close()
    left = producer("left")
    left.begin_transaction()
    write(left, ["right"])
    left.commit_transaction(20)
    again = consume("out", "read_committed")
    assert again == sorted(found + ["right"]), again
print("ok")
