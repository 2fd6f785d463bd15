// Topics, records, a group and a transaction with kafkajs, which speaks versions that others have left behind.

const { Kafka, logLevel, CompressionTypes } = require("kafkajs");
const assert = require("node:assert");

const kafka = new Kafka({
  clientId: "test",
  brokers: [process.argv[2]],
  logLevel: logLevel.ERROR,
  retry: { retries: 3 },
});

const RECORDS = 300;

async function consumeAll(consumer, count, each = async () => {}) {
  const found = [];
  let done;
  const all = new Promise((resolve) => (done = resolve));
  await consumer.run({
    autoCommitThreshold: 50,
    eachMessage: async ({ partition, message }) => {
      found.push({ partition, offset: message.offset, value: message.value.toString() });
      await each(message);
      if (found.length === count) done();
    },
  });
  const timer = setTimeout(() => { console.error(`only ${found.length} of ${count}`); process.exit(1); }, 40000);
  await all;
  clearTimeout(timer);
  return found;
}

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  const made = await admin.createTopics({
    topics: [{ topic: "js", numPartitions: 3, configEntries: [{ name: "retention.ms", value: "3600000" }] }],
  });
  assert.equal(made, true);
  assert.equal((await admin.fetchTopicMetadata({ topics: ["js"] })).topics[0].partitions.length, 3);
  await admin.createPartitions({ topicPartitions: [{ topic: "js", count: 4 }] });

  const producer = kafka.producer();
  await producer.connect();
  for (let batch = 0; batch < 3; batch++) {
    const messages = Array.from({ length: RECORDS / 3 }, (_, n) => ({
      key: `${n}`, value: `${batch}-${n}`, headers: { a: "b" },
    }));
    const compression = batch === 1 ? CompressionTypes.GZIP : CompressionTypes.None;
    await producer.send({ topic: "js", messages, compression, acks: batch === 2 ? 1 : -1 });
  }

  const consumer = kafka.consumer({ groupId: "js-group", sessionTimeout: 6000 });
  await consumer.connect();
  await consumer.subscribe({ topics: ["js"], fromBeginning: true });
  const found = await consumeAll(consumer, RECORDS);
  assert.equal(new Set(found.map((it) => it.value)).size, RECORDS);
  const group = (await admin.describeGroups(["js-group"])).groups[0];
  assert.equal(group.state, "Stable");
  assert.equal(group.members.length, 1);
  await consumer.disconnect();
  const offsets = await admin.fetchOffsets({ groupId: "js-group", topics: ["js"] });
  const committed = offsets[0].partitions.reduce((sum, it) => sum + Math.max(0, Number(it.offset)), 0);
  assert.equal(committed, RECORDS);

  const transactional = kafka.producer({ transactionalId: "js-tx", maxInFlightRequests: 1, idempotent: true });
  await transactional.connect();
  const aborted = await transactional.transaction();
  await aborted.send({ topic: "js", messages: [{ key: "x", value: "aborted" }] });
  await aborted.abort();
  const transaction = await transactional.transaction();
  await transaction.send({ topic: "js", messages: [{ key: "x", value: "committed" }] });
  await transaction.commit();
  const reader = kafka.consumer({ groupId: "js-reader", readUncommitted: false });
  await reader.connect();
  await reader.subscribe({ topics: ["js"], fromBeginning: true });
  const read = await consumeAll(reader, RECORDS + 1);
  assert(read.some((it) => it.value === "committed") && !read.some((it) => it.value === "aborted"));
  await reader.disconnect();

  await admin.deleteGroups(["js-group"]);
  await admin.deleteTopics({ topics: ["js"] });
  assert.deepEqual((await admin.listTopics()).filter((name) => !name.startsWith("__")), []);
  await Promise.all([transactional.disconnect(), producer.disconnect(), admin.disconnect()]);
  console.log("ok");
}

main().catch((error) => { console.error(error); process.exit(1); });
