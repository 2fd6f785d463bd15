// Streams' word count with exactly-once, closed and begun anew in the middle, against the broker that
// is named: `java WordCount.java HOST:PORT`. Ends with 1, and says why, when a word is lost or counted twice.

import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

public final class WordCount {
    private static final String LINES = "words.lines";
    private static final String COUNTS = "words.counts";
    private static final List<String> WORDS = List.of("order", "placed", "shipped", "paid", "returned");
    private static final int PARTITIONS = 3;
    private static final int LINES_PER_LIFE = 400;
    private static final int LIVES = 4;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final String brokers;
    private final Map<String, Long> expected = new HashMap<>();

    private WordCount(String brokers) {
        this.brokers = brokers;
    }

    public static void main(String[] arguments) throws Exception {
        WordCount count = new WordCount(arguments[0]);
        try (Admin admin = Admin.create(count.settings())) {
            admin.createTopics(List.of(
                new NewTopic(LINES, PARTITIONS, (short) 1),
                new NewTopic(COUNTS, PARTITIONS, (short) 1))).all().get();
        }
        Random random = new Random(7);
        for (int life = 0; life < LIVES; life++) {
            count.live(random, life);
        }
        System.out.println("java: Streams' word count, exactly once over " + LIVES + " lives");
    }

    /** Counts for one life; closed before it is through, except for the last. */
    private void live(Random random, int life) throws Exception {
        try (KafkaStreams streams = new KafkaStreams(topology(), streamsSettings())) {
            streams.start();
            try (KafkaProducer<String, String> producer =
                    new KafkaProducer<>(settings(), new StringSerializer(), new StringSerializer())) {
                for (int line = 0; line < LINES_PER_LIFE; line++) {
                    StringBuilder text = new StringBuilder();
                    for (int word = 0; word < 5; word++) {
                        String chosen = WORDS.get(random.nextInt(WORDS.size()));
                        text.append(chosen).append(' ');
                        expected.merge(chosen, 1L, Long::sum);
                    }
                    producer.send(new ProducerRecord<>(LINES, text.toString()));
                }
            }
            if (life + 1 == LIVES) {
                untilCounted();
            } else {
                untilSomeAreCounted(life);
            }
        }
    }

    private void untilSomeAreCounted(int life) {
        long lines = (long) life * LINES_PER_LIFE * 5;
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (counted().values().stream().mapToLong(it -> it).sum() <= lines) {
            check(deadline, "nothing is counted in life " + life);
        }
    }

    private void untilCounted() {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        Map<String, Long> found = counted();
        while (!found.equals(expected)) {
            for (String word : WORDS) {
                if (found.getOrDefault(word, 0L) > expected.get(word)) {
                    throw new AssertionError(word + " is counted " + found.get(word) + " times, and came " + expected.get(word));
                }
            }
            check(deadline, found + " is counted of " + expected);
            found = counted();
        }
    }

    private static void check(long deadline, String what) {
        if (System.nanoTime() > deadline) {
            throw new AssertionError("not within " + PATIENCE.toSeconds() + " s: " + what);
        }
    }

    /** The last count of each word that is committed, each of which must be more than the one before. */
    private Map<String, Long> counted() {
        Map<String, Long> counts = new HashMap<>();
        Properties settings = settings();
        settings.put("isolation.level", "read_committed");
        try (KafkaConsumer<String, Long> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = List.of(
                new TopicPartition(COUNTS, 0), new TopicPartition(COUNTS, 1), new TopicPartition(COUNTS, 2));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                for (ConsumerRecord<String, Long> record : consumer.poll(Duration.ofMillis(200))) {
                    Long before = counts.put(record.key(), record.value());
                    if (before != null && before >= record.value()) {
                        throw new AssertionError(record.key() + " is counted " + record.value() + " after " + before);
                    }
                }
            }
        }
        return counts;
    }

    private static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> lines = builder.stream(LINES, Consumed.with(Serdes.String(), Serdes.String()));
        lines.flatMapValues(line -> Arrays.asList(line.trim().split(" ")))
            .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts"))
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .to(COUNTS, Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    private Properties streamsSettings() {
        Properties settings = settings();
        settings.put("application.id", "words");
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("commit.interval.ms", "50");
        settings.put("num.stream.threads", "2");
        settings.put("auto.offset.reset", "earliest");
        settings.put("state.dir", System.getProperty("java.io.tmpdir") + "/polity-compat-streams-" + ProcessHandle.current().pid());
        return settings;
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        return settings;
    }
}
