import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Calls of one transactional producer; {@code init_transactions} makes it. */
class Transactions {
    private final String bootstrap;
    private KafkaProducer<byte[], byte[]> producer;

    Transactions(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void offer(Map<String, Driver.Operation> operations) {
        operations.put("init_transactions", this::init);
        operations.put("begin_transaction", request -> done(producer::beginTransaction));
        operations.put("send_in_transaction", this::send);
        operations.put("send_offsets", this::sendOffsets);
        operations.put("commit_transaction", request -> done(producer::commitTransaction));
        operations.put("abort_transaction", request -> done(producer::abortTransaction));
        operations.put("read_values", this::readValues);
    }

    private static Object done(Runnable call) {
        call.run();
        return null;
    }

    private Object init(JsonNode request) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", request.get("id").asText());
        settings.put("transaction.timeout.ms", request.path("timeout_ms").asInt(60_000));
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        return null;
    }

    private Object send(JsonNode request) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode value : request.get("values")) {
            sent.add(producer.send(new ProducerRecord<>(request.get("topic").asText(), request.path("partition").asInt(0), null,
                    value.asText().getBytes("UTF-8"))));
        }
        producer.flush();
        for (Future<RecordMetadata> one : sent) one.get();
        return null;
    }

    /** Of partition 0, for a group with which only this producer has to do. */
    private Object sendOffsets(JsonNode request) {
        TopicPartition partition = new TopicPartition(request.get("topic").asText(), 0);
        TransactionalOffsets.send(producer, Map.of(partition, new OffsetAndMetadata(request.get("offset").asLong())), request.get("group").asText());
        return null;
    }

    /** The values of partition 0 up to the end that a consumer of that isolation level knows. */
    private Object readValues(JsonNode request) throws Exception {
        TopicPartition partition = new TopicPartition(request.get("topic").asText(), 0);
        List<Object> values = new ArrayList<>();
        long deadline = System.currentTimeMillis() + request.get("timeout").asLong() * 1000;
        Map<String, Object> settings = Map.of("isolation.level", request.get("isolation").asText(), "fetch.max.wait.ms", 50);
        try (KafkaConsumer<byte[], byte[]> consumer = Driver.consumer(bootstrap, settings)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : ConsumerCalls.poll(consumer, 200)) values.add(new String(r.value(), "UTF-8"));
                if (consumer.position(partition) >= end) return values;
            }
        }
        throw new TimeoutException("the end was not reached");
    }
}
