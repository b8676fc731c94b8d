import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The three jobs with Kafka's Java client and Jackson. */
public final class Peer {
    private static final Duration POLL = Duration.ofSeconds(1);
    /** The most orders of a poll and, for inventory, of a transaction. */
    private static final int BATCH = 20_000;

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ObjectReader READ_ORDER = JSON.readerFor(Orders.Order.class);
    private static final ObjectWriter WRITE_ORDER = JSON.writerFor(Orders.Order.class);
    private static final ObjectWriter WRITE_MOVEMENT = JSON.writerFor(Orders.Movement.class);

    private final Map<String, String> flags = new HashMap<>();
    private final int orders;

    private Peer(String[] args) {
        for (int i = 1; i + 1 < args.length; i += 2) flags.put(args[i], args[i + 1]);
        orders = Integer.parseInt(flags.get("--orders"));
    }

    public static void main(String[] args) throws Exception {
        Peer peer = new Peer(args);
        Map<String, Integer> report = switch (args[0]) {
            case "produce" -> peer.produce();
            case "analytics" -> peer.analytics();
            case "inventory" -> peer.inventory();
            default -> throw new IllegalArgumentException("expected produce, analytics or inventory");
        };
        System.out.println(JSON.writeValueAsString(report));
    }

    private Map<String, Integer> produce() throws JsonProcessingException {
        Orders generator = new Orders(Long.parseLong(flags.getOrDefault("--seed", "1")));
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (KafkaProducer<String, byte[]> producer = openProducer(Map.of())) {
            for (int i = 0; i < orders; i++) {
                Orders.Order order = generator.next();
                byte[] value = WRITE_ORDER.writeValueAsBytes(order);
                producer.send(
                        new ProducerRecord<>(flags.get("--topic"), order.order_id(), value),
                        (metadata, error) -> {
                            if (error != null) failure.compareAndSet(null, error);
                        });
            }
            producer.flush();
        }
        if (failure.get() != null) throw new IllegalStateException(failure.get());
        return Map.of("orders", orders);
    }

    private Map<String, Integer> analytics() throws IOException {
        Map<String, int[]> minutes = new TreeMap<>();
        int counted = 0;
        try (KafkaConsumer<String, byte[]> consumer = openConsumer()) {
            while (counted < orders) {
                ConsumerRecords<String, byte[]> records = consumer.poll(POLL);
                for (ConsumerRecord<String, byte[]> record : records) {
                    Orders.Order order = READ_ORDER.readValue(record.value());
                    counted++;
                    if (!order.event_type().equals("OrderPlaced")) continue;
                    String minute = order.timestamp().substring(0, 16);
                    int[] counts = minutes.computeIfAbsent(minute, (key) -> new int[2]);
                    counts[0]++;
                    if (order.status().equals("failed")) counts[1]++;
                }
                consumer.commitAsync();
            }
            consumer.commitSync();
        }
        return Map.of(
                "orders", minutes.values().stream().mapToInt((counts) -> counts[0]).sum(),
                "failed", minutes.values().stream().mapToInt((counts) -> counts[1]).sum(),
                "minutes", minutes.size());
    }

    private Map<String, Integer> inventory() throws IOException {
        String output = flags.get("--output");
        int done = 0;
        try (KafkaProducer<String, byte[]> producer =
                        openProducer(Map.of(ProducerConfig.TRANSACTIONAL_ID_CONFIG, flags.get("--group")));
                KafkaConsumer<String, byte[]> consumer = openConsumer()) {
            producer.initTransactions();
            while (done < orders) {
                ConsumerRecords<String, byte[]> records = consumer.poll(POLL);
                if (records.isEmpty()) continue;
                producer.beginTransaction();
                for (ConsumerRecord<String, byte[]> record : records) {
                    Orders.Order order = READ_ORDER.readValue(record.value());
                    for (Orders.Movement event : Orders.movements(order)) {
                        byte[] value = WRITE_MOVEMENT.writeValueAsBytes(event);
                        producer.send(new ProducerRecord<>(output, event.item_id(), value));
                    }
                }
                producer.sendOffsetsToTransaction(records.nextOffsets(), consumer.groupMetadata());
                // Throws if a send has failed.
                producer.commitTransaction();
                done += records.count();
            }
        }
        return Map.of("orders", done);
    }

    private KafkaProducer<String, byte[]> openProducer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, flags.get("--brokers"));
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 10);
        settings.put(ProducerConfig.BATCH_SIZE_CONFIG, 262_144);
        return new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
    }

    private KafkaConsumer<String, byte[]> openConsumer() {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, flags.get("--brokers"));
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, flags.get("--group"));
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, BATCH);
        KafkaConsumer<String, byte[]> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(flags.get("--topic")));
        return consumer;
    }
}
