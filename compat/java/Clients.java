// Kafka's own producer, consumer and administration, against the broker that is named: `java
// Clients.java HOST:PORT`. Ends with 1, and says why, when something is not as it would be with Kafka.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Clients {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration POLL = Duration.ofMillis(200);

    private final String brokers;

    private Clients(String brokers) {
        this.brokers = brokers;
    }

    public static void main(String[] arguments) throws Exception {
        Clients clients = new Clients(arguments[0]);
        clients.everyCompressionAndAcknowledgement();
        clients.transactionsAreWholeOrNothing();
        clients.anOlderProducerIsFenced();
        for (String protocol : List.of("classic", "consumer")) {
            clients.aGroupSharesAndGoesOnWhereItWas(protocol);
        }
        clients.topicsAreAdministered();
    }

    private void everyCompressionAndAcknowledgement() throws Exception {
        String topic = "java.compressed";
        create(topic, 1);
        Set<String> sent = new HashSet<>();
        for (String compression : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            for (String acks : List.of("0", "1", "all")) {
                Map<String, String> settings = Map.of(
                    "compression.type", compression,
                    "acks", acks,
                    "enable.idempotence", String.valueOf(acks.equals("all")),
                    "linger.ms", "5");
                try (KafkaProducer<String, String> producer = producer(settings)) {
                    for (int number = 0; number < 50; number++) {
                        String value = compression + " " + acks + " " + number + " " + "x".repeat(200);
                        producer.send(new ProducerRecord<>(topic, "key", value));
                        sent.add(value);
                    }
                }
            }
        }
        expect("records of every compression", sent, new HashSet<>(read(topic, sent.size(), "read_uncommitted")));
        done("every compression and acknowledgement");
    }

    private void transactionsAreWholeOrNothing() throws Exception {
        String topic = "java.transactions";
        create(topic, 2);
        List<String> committed = new ArrayList<>();
        TopicPartition source = new TopicPartition("java.compressed", 0);
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "java"));
                KafkaConsumer<String, String> consumer = consumer(Map.of("group.id", "java.transactional"))) {
            producer.initTransactions();
            consumer.assign(List.of(source));
            for (int round = 0; round < 6; round++) {
                boolean commits = round % 2 == 0;
                producer.beginTransaction();
                for (int partition = 0; partition < 2; partition++) {
                    String value = round + "/" + partition;
                    producer.send(new ProducerRecord<>(topic, partition, null, value)).get();
                    if (commits) {
                        committed.add(value);
                    }
                }
                Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(source, new OffsetAndMetadata(round));
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (commits) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
            long offset = consumer.committed(Set.of(source)).get(source).offset();
            expect("the offset of the last transaction that was committed", 4L, offset);
        }
        expect("committed records", new HashSet<>(committed), new HashSet<>(read(topic, committed.size(), "read_committed")));
        expect("all records", 12, read(topic, 12, "read_uncommitted").size());
        done("transactions");
    }

    private void anOlderProducerIsFenced() {
        Map<String, String> settings = Map.of("transactional.id", "java.fenced");
        try (KafkaProducer<String, String> older = producer(settings);
                KafkaProducer<String, String> newer = producer(settings)) {
            older.initTransactions();
            older.beginTransaction();
            older.send(new ProducerRecord<>("java.transactions", 0, null, "fenced"));
            older.flush();
            newer.initTransactions();
            try {
                older.commitTransaction();
                throw new AssertionError("an older producer could commit");
            } catch (ProducerFencedException expected) {
                // It is told so.
            } catch (KafkaException other) {
                expect("what an older producer is told", ProducerFencedException.class, other.getCause().getClass());
            }
        }
        done("fencing");
    }

    private void aGroupSharesAndGoesOnWhereItWas(String protocol) throws Exception {
        String topic = "java.group." + protocol;
        create(topic, 6);
        Map<String, String> settings = new HashMap<>(Map.of("group.id", topic, "group.protocol", protocol));
        if (protocol.equals("classic")) {
            settings.put("partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        }
        try (KafkaConsumer<String, String> one = consumer(settings);
                KafkaConsumer<String, String> other = consumer(settings)) {
            Set<TopicPartition> lost = new HashSet<>();
            one.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                    lost.addAll(revoked);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
                }
            });
            until("one member has all", () -> {
                one.poll(POLL);
                return one.assignment().size() == 6;
            });
            other.subscribe(List.of(topic));
            until("two members share evenly", () -> {
                one.poll(POLL);
                other.poll(POLL);
                return one.assignment().size() == 3 && other.assignment().size() == 3;
            });
            expect("partitions that the first member gave up", 3, lost.size());
            try (KafkaProducer<String, String> producer = producer(Map.of())) {
                for (int number = 0; number < 60; number++) {
                    producer.send(new ProducerRecord<>(topic, number % 6, null, String.valueOf(number)));
                }
            }
            Set<String> seen = new HashSet<>();
            until("both have had all records", () -> {
                one.poll(POLL).forEach(record -> seen.add(record.value()));
                other.poll(POLL).forEach(record -> seen.add(record.value()));
                return seen.size() == 60;
            });
            one.commitSync();
            other.commitSync();
        }
        try (KafkaConsumer<String, String> later = consumer(settings);
                KafkaProducer<String, String> producer = producer(Map.of())) {
            producer.send(new ProducerRecord<>(topic, 0, null, "after")).get();
            later.subscribe(List.of(topic));
            List<String> values = new ArrayList<>();
            until("who comes later goes on where the group was", () -> {
                later.poll(POLL).forEach(record -> values.add(record.value()));
                return !values.isEmpty();
            });
            expect("what is read after what was committed", List.of("after"), values);
        }
        done("groups, " + protocol);
    }

    private void topicsAreAdministered() throws Exception {
        String topic = "java.administered";
        create(topic, 1);
        try (Admin admin = Admin.create(settings(Map.of()))) {
            try {
                admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
                throw new AssertionError("a topic was made twice");
            } catch (ExecutionException refused) {
                expect("why a topic is not made twice", TopicExistsException.class, refused.getCause().getClass());
            }
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            AlterConfigOp shorter = new AlterConfigOp(new ConfigEntry("retention.ms", "1000"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(shorter))).all().get();
            String retention = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value();
            expect("a setting that was changed", "1000", retention);
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
            expect("partitions", 3, partitions);
            try (KafkaProducer<String, String> producer = producer(Map.of())) {
                for (int number = 0; number < 10; number++) {
                    producer.send(new ProducerRecord<>(topic, 0, 1_000L * number, null, String.valueOf(number)));
                }
            }
            TopicPartition first = new TopicPartition(topic, 0);
            admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(4))).all().get();
            expect("the first offset", 4L, offset(admin, first, OffsetSpec.earliest()));
            expect("the offset at a time", 7L, offset(admin, first, OffsetSpec.forTimestamp(6_500)));
            expect("the end", 10L, offset(admin, first, OffsetSpec.latest()));
            expect("brokers", 1, admin.describeCluster().nodes().get().size());
            admin.deleteTopics(List.of(topic)).all().get();
            expect("whether a topic that was deleted is there", false, admin.listTopics().names().get().contains(topic));
        }
        done("administration");
    }

    private static long offset(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private void create(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(settings(Map.of()))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    /** The values of a topic's records, as many as are told; then waits whether there are more. */
    private List<String> read(String topic, int count, String isolation) {
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("isolation.level", isolation))) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(it -> partitions.add(new TopicPartition(topic, it.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            until(count + " records of " + topic, () -> {
                consumer.poll(POLL).forEach(record -> values.add(record.value()));
                return values.size() >= count;
            });
            ConsumerRecords<String, String> more = consumer.poll(POLL);
            for (ConsumerRecord<String, String> record : more) {
                values.add(record.value());
            }
        }
        return values;
    }

    private KafkaProducer<String, String> producer(Map<String, String> more) {
        return new KafkaProducer<>(settings(more), new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer(Map<String, String> more) {
        Properties settings = settings(Map.of("auto.offset.reset", "earliest", "enable.auto.commit", "false"));
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private Properties settings(Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.putAll(more);
        return settings;
    }

    private interface Condition {
        boolean holds();
    }

    private static void until(String what, Condition condition) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not within " + PATIENCE.toSeconds() + " s: " + what);
            }
        }
    }

    private static void expect(String what, Object expected, Object found) {
        if (!expected.equals(found)) {
            throw new AssertionError(what + ": " + expected + " expected, and " + found + " found");
        }
    }

    private static void done(String what) {
        System.out.println("java: " + what);
    }
}
