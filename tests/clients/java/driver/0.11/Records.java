import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Writing, reading, finding one's place, committing it: producers and consumers that are no members of a group. */
class Records {
    private final String bootstrap;

    Records(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void offer(Map<String, Driver.Operation> operations) {
        operations.put("produce", this::produce);
        operations.put("consume", this::consume);
        operations.put("seek", this::seek);
        operations.put("read_at", this::readAt);
        operations.put("ends", this::ends);
        operations.put("offsets_for_times", this::offsetsForTimes);
        operations.put("pause", this::pause);
        operations.put("commit", this::commit);
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        return Driver.consumer(bootstrap, more);
    }

    private Object produce(JsonNode request) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("acks", request.get("acks").asText());
        settings.put("compression.type", request.get("codec").asText());
        // Left to the library unless the request names it: since 3.0 it is idempotent by default, where acks allow it.
        if (request.has("idempotent")) settings.put("enable.idempotence", request.get("idempotent").asBoolean());
        settings.put("linger.ms", request.path("linger_ms").asInt(20));
        settings.put("max.block.ms", request.path("bears_ms").asInt(60_000));
        settings.put("batch.size", 1 << 20);
        settings.put("max.request.size", 4 << 20);
        List<Object> offsets = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (JsonNode r : request.get("records")) {
                List<Header> headers = new ArrayList<>();
                for (JsonNode header : r.get("headers")) headers.add(new RecordHeader(header.get(0).asText(), Driver.unpack(header.get(1))));
                sent.add(producer.send(new ProducerRecord<>(request.get("topic").asText(), request.get("partition").asInt(),
                        r.get("timestamp").asLong(), Driver.unpack(r.get("key")), Driver.unpack(r.get("value")), headers)));
            }
            producer.flush();
            // Without acknowledgement the offset is -1.
            for (Future<RecordMetadata> one : sent) offsets.add(one.get().offset() < 0 ? null : one.get().offset());
        }
        return offsets;
    }

    private Object consume(JsonNode request) {
        Map<TopicPartition, Integer> left = new LinkedHashMap<>();
        request.get("counts").properties().forEach(one -> left.put(
                new TopicPartition(request.get("topic").asText(), Integer.parseInt(one.getKey())), one.getValue().asInt()));
        List<Object> records = new ArrayList<>();
        long deadline = System.currentTimeMillis() + request.get("timeout").asLong() * 1000;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("fetch.max.wait.ms", 50))) {
            consumer.assign(left.keySet());
            consumer.seekToBeginning(left.keySet());
            while (left.values().stream().anyMatch(count -> count > 0) && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : ConsumerCalls.poll(consumer, 200)) {
                    left.merge(new TopicPartition(r.topic(), r.partition()), -1, Integer::sum);
                    records.add(packed(r));
                }
            }
        }
        return records;
    }

    private static Map<String, Object> packed(ConsumerRecord<byte[], byte[]> r) {
        List<Object> headers = new ArrayList<>();
        for (Header header : r.headers()) {
            List<Object> pair = new ArrayList<>();
            pair.add(header.key());
            pair.add(Driver.pack(header.value()));
            headers.add(pair);
        }
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("partition", r.partition());
        one.put("offset", r.offset());
        one.put("key", Driver.pack(r.key()));
        one.put("value", Driver.pack(r.value()));
        one.put("headers", headers);
        one.put("timestamp", r.timestamp());
        one.put("timestamp_type", r.timestampType().id);
        return one;
    }

    private Object seek(JsonNode request) {
        List<Object> seen = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("max.poll.records", 1))) {
            consumer.assign(List.of(Driver.partition(request)));
            for (JsonNode offset : request.get("to")) {
                consumer.seek(Driver.partition(request), offset.asLong());
                ConsumerRecords<byte[], byte[]> got = ConsumerCalls.poll(consumer, 10_000);
                seen.add(got.isEmpty() ? null : got.iterator().next().offset());
            }
        }
        return seen;
    }

    /** The offsets of the first records from there on, none if nothing comes in time; a wrong offset is not mended. */
    private Object readAt(JsonNode request) {
        List<Object> offsets = new ArrayList<>();
        long deadline = System.currentTimeMillis() + request.get("timeout").asLong() * 1000;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("auto.offset.reset", "none"))) {
            consumer.assign(List.of(Driver.partition(request)));
            consumer.seek(Driver.partition(request), request.get("offset").asLong());
            while (offsets.isEmpty() && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : ConsumerCalls.poll(consumer, 200)) offsets.add(r.offset());
            }
        }
        return offsets;
    }

    private Object ends(JsonNode request) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            TopicPartition tp = Driver.partition(request);
            return List.of(consumer.beginningOffsets(List.of(tp)).get(tp), consumer.endOffsets(List.of(tp)).get(tp));
        }
    }

    private Object offsetsForTimes(JsonNode request) {
        List<Object> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            TopicPartition tp = Driver.partition(request);
            for (JsonNode timestamp : request.get("timestamps")) {
                OffsetAndTimestamp one = consumer.offsetsForTimes(Map.of(tp, timestamp.asLong())).get(tp);
                found.add(one == null ? null : List.of(one.offset(), one.timestamp()));
            }
        }
        return found;
    }

    private Object pause(JsonNode request) {
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
                    for (TopicPartition tp : ConsumerCalls.poll(consumer, 200).partitions()) partitions.add(tp.partition());
                }
                seen.add(partitions);
                consumer.resume(List.of(second));
            }
        }
        return seen;
    }

    private Object commit(JsonNode request) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", request.get("group").asText()))) {
            TopicPartition tp = Driver.partition(request);
            consumer.assign(List.of(tp));
            consumer.commitSync(Map.of(tp, new OffsetAndMetadata(request.get("offset").asLong(), request.get("metadata").asText())));
            OffsetAndMetadata again = ConsumerCalls.committed(consumer, tp);
            return List.of(again.offset(), again.metadata());
        }
    }
}
