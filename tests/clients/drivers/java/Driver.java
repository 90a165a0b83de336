import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Drives Kafka's own Java clients: requests and answers are lines of JSON, as drivers/lines.py has them. */
public class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private final String bootstrap;
    private Admin admin;

    Driver(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] arguments) throws Exception {
        Driver driver = new Driver(arguments[1]);
        if (arguments[0].equals("member")) {
            driver.member(JSON.readTree(arguments[2]));
        } else {
            driver.serve();
        }
    }

    private void serve() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            Map<String, Object> answer = new HashMap<>();
            try {
                answer.put("ok", Driver.class.getMethod(request.get("op").asText(), JsonNode.class).invoke(this, request));
            } catch (InvocationTargetException wrapped) {
                Throwable cause = wrapped.getCause();
                if (cause instanceof ExecutionException) cause = cause.getCause();
                answer.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
            }
            emit(answer);
        }
        System.exit(0);
    }

    private static synchronized void emit(Map<String, Object> message) throws Exception {
        System.out.println(JSON.writeValueAsString(message));
    }

    private Admin admin() {
        if (admin == null) admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        return admin;
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static byte[] unpack(JsonNode text) {
        return text == null || text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    private static String pack(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }

    private static TopicPartition partition(JsonNode request) {
        return new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
    }

    public Object versions(JsonNode request) {
        return Map.of("library", org.apache.kafka.common.utils.AppInfoParser.getVersion(), "java", System.getProperty("java.version"));
    }

    public Object produce(JsonNode request) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("acks", request.get("acks").asText());
        settings.put("compression.type", request.get("codec").asText());
        // Idempotent unless the request says otherwise or acks forbid it: the library's own default.
        if (request.has("idempotent")) settings.put("enable.idempotence", request.get("idempotent").asBoolean());
        settings.put("linger.ms", request.path("linger_ms").asInt(20));
        settings.put("batch.size", 1 << 20);
        settings.put("max.request.size", 4 << 20);
        List<Object> offsets = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (JsonNode r : request.get("records")) {
                List<Header> headers = new ArrayList<>();
                for (JsonNode header : r.get("headers")) headers.add(new RecordHeader(header.get(0).asText(), unpack(header.get(1))));
                sent.add(producer.send(new ProducerRecord<>(request.get("topic").asText(), request.get("partition").asInt(),
                        r.get("timestamp").asLong(), unpack(r.get("key")), unpack(r.get("value")), headers)));
            }
            producer.flush();
            for (Future<RecordMetadata> one : sent) offsets.add(one.get().hasOffset() ? one.get().offset() : null);
        }
        return offsets;
    }

    public Object consume(JsonNode request) {
        Map<TopicPartition, Integer> left = new LinkedHashMap<>();
        request.get("counts").fields().forEachRemaining(one -> left.put(
                new TopicPartition(request.get("topic").asText(), Integer.parseInt(one.getKey())), one.getValue().asInt()));
        List<Object> records = new ArrayList<>();
        long deadline = System.currentTimeMillis() + request.get("timeout").asLong() * 1000;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("fetch.max.wait.ms", 50))) {
            consumer.assign(left.keySet());
            consumer.seekToBeginning(left.keySet());
            while (left.values().stream().anyMatch(count -> count > 0) && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    left.merge(new TopicPartition(r.topic(), r.partition()), -1, Integer::sum);
                    List<Object> headers = new ArrayList<>();
                    for (Header header : r.headers()) {
                        List<Object> pair = new ArrayList<>();
                        pair.add(header.key());
                        pair.add(pack(header.value()));
                        headers.add(pair);
                    }
                    Map<String, Object> one = new LinkedHashMap<>();
                    one.put("partition", r.partition());
                    one.put("offset", r.offset());
                    one.put("key", pack(r.key()));
                    one.put("value", pack(r.value()));
                    one.put("headers", headers);
                    one.put("timestamp", r.timestamp());
                    one.put("timestamp_type", r.timestampType().id);
                    records.add(one);
                }
            }
        }
        return records;
    }

    public Object seek(JsonNode request) {
        List<Object> seen = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("max.poll.records", 1))) {
            consumer.assign(List.of(partition(request)));
            for (JsonNode offset : request.get("to")) {
                consumer.seek(partition(request), offset.asLong());
                ConsumerRecords<byte[], byte[]> got = consumer.poll(Duration.ofSeconds(10));
                seen.add(got.isEmpty() ? null : got.iterator().next().offset());
            }
        }
        return seen;
    }

    public Object ends(JsonNode request) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            TopicPartition tp = partition(request);
            return List.of(consumer.beginningOffsets(List.of(tp)).get(tp), consumer.endOffsets(List.of(tp)).get(tp));
        }
    }

    public Object offsets_for_times(JsonNode request) {
        List<Object> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            for (JsonNode timestamp : request.get("timestamps")) {
                OffsetAndTimestamp one = consumer.offsetsForTimes(Map.of(partition(request), timestamp.asLong())).get(partition(request));
                found.add(one == null ? null : List.of(one.offset(), one.timestamp()));
            }
        }
        return found;
    }

    public Object pause(JsonNode request) {
        String topic = request.get("topic").asText();
        List<Object> seen = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("auto.offset.reset", "earliest"))) {
            TopicPartition first = new TopicPartition(topic, 0), second = new TopicPartition(topic, 1);
            consumer.assign(List.of(first, second));
            consumer.pause(List.of(second));
            for (int round = 0; round < 2; round++) {
                TreeSet<Integer> partitions = new TreeSet<>();
                long deadline = System.currentTimeMillis() + 2000;
                while (System.currentTimeMillis() < deadline) {
                    for (TopicPartition tp : consumer.poll(Duration.ofMillis(200)).partitions()) partitions.add(tp.partition());
                }
                seen.add(partitions);
                consumer.resume(List.of(second));
            }
        }
        return seen;
    }

    public Object commit(JsonNode request) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", request.get("group").asText()))) {
            TopicPartition tp = partition(request);
            consumer.assign(List.of(tp));
            consumer.commitSync(Map.of(tp, new OffsetAndMetadata(request.get("offset").asLong(), request.get("metadata").asText())));
            OffsetAndMetadata again = consumer.committed(java.util.Set.of(tp)).get(tp);
            return List.of(again.offset(), again.metadata());
        }
    }

    public Object list_topics(JsonNode request) throws Exception {
        return new TreeSet<>(admin().listTopics().names().get());
    }

    public Object partitions_for_topic(JsonNode request) throws Exception {
        String topic = request.get("topic").asText();
        TreeSet<Integer> found = new TreeSet<>();
        admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().forEach(p -> found.add(p.partition()));
        return found;
    }

    public Object create_topic(JsonNode request) throws Exception {
        Map<String, String> configs = new HashMap<>();
        request.get("configs").fields().forEachRemaining(entry -> configs.put(entry.getKey(), entry.getValue().asText()));
        NewTopic topic = new NewTopic(request.get("topic").asText(), Optional.of(request.get("partitions").asInt()), Optional.empty());
        admin().createTopics(List.of(topic.configs(configs))).all().get();
        return null;
    }

    public Object delete_topic(JsonNode request) throws Exception {
        admin().deleteTopics(List.of(request.get("topic").asText())).all().get();
        return null;
    }

    public Object create_partitions(JsonNode request) throws Exception {
        admin().createPartitions(Map.of(request.get("topic").asText(), NewPartitions.increaseTo(request.get("total").asInt()))).all().get();
        return null;
    }

    public Object describe_configs(JsonNode request) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
        Map<String, String> found = new TreeMap<>();
        for (ConfigEntry entry : admin().describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            found.put(entry.name(), entry.value());
        }
        return found;
    }

    public Object list_groups(JsonNode request) throws Exception {
        TreeSet<String> found = new TreeSet<>();
        for (GroupListing group : admin().listGroups().all().get()) found.add(group.groupId());
        return found;
    }

    public Object describe_group(JsonNode request) throws Exception {
        String group = request.get("group").asText();
        var found = admin().describeConsumerGroups(List.of(group)).all().get().get(group);
        return Map.of("state", found.groupState().toString(), "members", found.members().size());
    }

    public Object delete_group(JsonNode request) throws Exception {
        admin().deleteConsumerGroups(List.of(request.get("group").asText())).all().get();
        return null;
    }

    private void member(JsonNode settings) throws Exception {
        String topic = settings.get("topic").asText();
        // Left at its default (rebootstrap), Java 4 forgets its metadata when its only broker is away for a moment and
        // then joins anew, because "cached metadata has changed": no fault of the broker's (FINDINGS.md).
        String protocol = settings.has("protocol") ? settings.get("protocol").asText() : "classic";
        Map<String, Object> how = new HashMap<>(Map.of("metadata.recovery.strategy", "none", "group.protocol", protocol,
                "group.id", settings.get("group").asText(), "auto.offset.reset", "earliest", "max.poll.records", 50));
        boolean classic = protocol.equals("classic");
        if (classic) {  // with the consumer protocol both are the broker's
            how.put("session.timeout.ms", settings.get("session_ms").asInt());
            how.put("heartbeat.interval.ms", 500);
        }
        KafkaConsumer<byte[], byte[]> consumer = consumer(how);
        ConsumerRebalanceListener listener = new ConsumerRebalanceListener() {
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                if (!classic) owns(List.of(), revoked);
            }

            public void onPartitionsAssigned(Collection<TopicPartition> added) {
                owns(added, List.of());
            }

            // Only what changes is handed over; `assignment` is all that the member owns.
            private void owns(Collection<TopicPartition> added, Collection<TopicPartition> revoked) {
                TreeSet<Integer> all = new TreeSet<>();
                consumer.assignment().forEach(tp -> all.add(tp.partition()));
                added.forEach(tp -> all.add(tp.partition()));
                revoked.forEach(tp -> all.remove(tp.partition()));
                try {
                    emit(Map.of("event", "assigned", "partitions", all, "generation", consumer.groupMetadata().generationId()));
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            }
        };
        if (topic.startsWith("^")) {
            consumer.subscribe(new SubscriptionPattern(topic.substring(1)), listener);
        } else {
            consumer.subscribe(List.of(topic), listener);
        }
        java.util.concurrent.atomic.AtomicBoolean leaving = leavesAtEndOfInput();
        while (!leaving.get()) {
            ConsumerRecords<byte[], byte[]> got = consumer.poll(Duration.ofMillis(100));
            if (got.isEmpty()) continue;
            Map<String, List<Long>> read = new TreeMap<>();
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            for (ConsumerRecord<byte[], byte[]> r : got) {
                read.computeIfAbsent(String.valueOf(r.partition()), p -> new ArrayList<>()).add(r.offset());
                next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
            }
            emit(Map.of("event", "read", "offsets", read));
            try {
                consumer.commitSync(next);
            } catch (CommitFailedException rebalanced) {
                continue;
            }
            Map<String, Long> committed = new TreeMap<>();
            next.forEach((tp, offset) -> committed.put(String.valueOf(tp.partition()), offset.offset()));
            emit(Map.of("event", "committed", "offsets", committed));
        }
        consumer.close();
        System.exit(0);
    }

    /** Set when stdin ends: a member is to leave its group. */
    private static java.util.concurrent.atomic.AtomicBoolean leavesAtEndOfInput() {
        var leaving = new java.util.concurrent.atomic.AtomicBoolean();
        Thread waiter = new Thread(() -> {
            try {
                System.in.transferTo(java.io.OutputStream.nullOutputStream());
            } catch (java.io.IOException ended) {
                // As good as the end.
            }
            leaving.set(true);
        });
        waiter.setDaemon(true);
        waiter.start();
        return leaving;
    }
}
