"""aiokafka's producer, consumer and groups, against the broker that is named: HOST:PORT."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced

BROKERS = sys.argv[1]
PATIENCE = 30


def done(what):
    print(f"aiokafka: {what}", flush=True)


async def create(topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKERS)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


def consumer(*topics, **settings):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **settings}
    return AIOKafkaConsumer(*topics, bootstrap_servers=BROKERS, **settings)


async def read(topic, count, **settings):
    """The values of a topic's records, as many as are told and what comes right after them."""
    values = []
    async with consumer(topic, **settings) as records:
        while len(values) < count:
            batches = await records.getmany(timeout_ms=500)
            values += [record.value for batch in batches.values() for record in batch]
        batches = await records.getmany(timeout_ms=500)
        values += [record.value for batch in batches.values() for record in batch]
    return values


async def every_acknowledgement():
    topic = "aio.acknowledged"
    await create(topic, 2)
    sent = []
    for acks, idempotent in [(0, False), (1, False), ("all", False), ("all", True)]:
        for compression in [None, "gzip"]:
            settings = {"acks": acks, "enable_idempotence": idempotent, "compression_type": compression}
            async with AIOKafkaProducer(bootstrap_servers=BROKERS, **settings) as producer:
                for number in range(50):
                    value = f"{acks} {idempotent} {compression} {number}".encode()
                    await producer.send(topic, value, partition=number % 2)
                    sent.append(value)
    assert sorted(await read(topic, len(sent))) == sorted(sent)
    done("every acknowledgement")


async def transactions():
    topic = "aio.transactions"
    await create(topic, 1)
    async with AIOKafkaProducer(bootstrap_servers=BROKERS, transactional_id="aio") as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
            await producer.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, "aio.group")
        try:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"aborted")
                raise KeyError
        except KeyError:
            pass
        async with AIOKafkaProducer(bootstrap_servers=BROKERS, transactional_id="aio"):
            try:
                async with producer.transaction():
                    await producer.send_and_wait(topic, b"fenced")
                raise AssertionError("an older producer could commit")
            except ProducerFenced:
                pass
    assert await read(topic, 1, isolation_level="read_committed") == [b"committed"]
    async with consumer(group_id="aio.group") as records:
        assert await records.committed(TopicPartition(topic, 0)) == 1
    done("transactions")


async def groups():
    topic = "aio.group"
    await create(topic, 4)
    async with consumer(topic, group_id=topic) as one:
        while len(one.assignment()) < 4:
            await one.getmany(timeout_ms=100)
        async with consumer(topic, group_id=topic) as other:
            while not len(one.assignment()) == len(other.assignment()) == 2:
                await one.getmany(timeout_ms=100)
                await other.getmany(timeout_ms=100)
            async with AIOKafkaProducer(bootstrap_servers=BROKERS, acks="all") as producer:
                for number in range(40):
                    await producer.send(topic, str(number).encode(), partition=number % 4)
            seen = set()
            while len(seen) < 40:
                for member in (one, other):
                    batches = await member.getmany(timeout_ms=100)
                    seen.update(record.value for batch in batches.values() for record in batch)
            await one.commit()
            await other.commit()
    async with consumer(topic, group_id=topic) as later:
        async with AIOKafkaProducer(bootstrap_servers=BROKERS, acks="all") as producer:
            await producer.send_and_wait(topic, b"after", partition=0)
        assert (await later.getone()).value == b"after"
    done("groups")


async def times_and_places():
    topic = "aio.times"
    await create(topic, 1)
    place = TopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=BROKERS, acks="all") as producer:
        for number in range(10):
            await producer.send_and_wait(topic, str(number).encode(), timestamp_ms=1_000 * (number + 1))
    async with consumer(topic) as records:
        found = await records.offsets_for_times({place: 4_500})
        assert found[place].offset == 4, found
        assert await records.beginning_offsets([place]) == {place: 0}
        assert await records.end_offsets([place]) == {place: 10}
        records.seek(place, 7)
        assert (await records.getone()).value == b"7"
    done("times and places")


async def main():
    for what in (every_acknowledgement, transactions, groups, times_and_places):
        await asyncio.wait_for(what(), PATIENCE)


asyncio.run(main())
