import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The step `traffic`: one producer and one consumer of a group that work side by side; python/drivers/traffic.py tells how, and what is answered. */
class Traffic {
    /** Between two records, and before what failed is sent again. */
    private static final long EVERY_MS = 70;

    private static final long BACKOFF_MS = 200;
    private final String topic;
    private final long duration;
    private final long patience;
    private final List<Integer> read = new ArrayList<>();
    private final List<String> errors = Collections.synchronizedList(new ArrayList<>());
    private final List<Integer> again = new ArrayList<>();
    private volatile int sent;

    /** When the writer ends, by the clock of System.nanoTime: the traffic begins when the first record is acknowledged, which must be soon. */
    private volatile long until;

    Traffic(JsonNode asked) {
        topic = asked.get("topic").asText();
        duration = TimeUnit.SECONDS.toNanos(asked.get("duration").asLong());
        patience = TimeUnit.SECONDS.toNanos(asked.get("patience").asLong());
        until = System.nanoTime() + patience;
    }

    Map<String, Object> run(Map<String, Object> settings, Map<String, Object> ofConsumer) throws Exception {
        settings.put("acks", "all");
        Thread writer = new Thread(() -> write(settings));
        writer.start();
        read(ofConsumer, writer);
        writer.join();
        Map<String, Object> answer = new HashMap<>();
        answer.put("sent", sent);
        answer.put("read", read);
        answer.put("errors", errors);
        answer.put("again", again);
        return answer;
    }

    private void write(Map<String, Object> settings) {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            while (System.nanoTime() < until) {
                while (!isAcknowledged(producer)) {
                    if (isLate()) return;
                    again.add(sent);
                    Thread.sleep(BACKOFF_MS);
                }
                if (sent == 0) until = System.nanoTime() + duration;
                sent++;
                Thread.sleep(EVERY_MS);
            }
        } catch (InterruptedException error) {
            failed("producer", error);
        }
    }

    private boolean isAcknowledged(KafkaProducer<byte[], byte[]> producer) throws InterruptedException {
        try {
            producer.send(new ProducerRecord<>(topic, String.valueOf(sent).getBytes(StandardCharsets.UTF_8))).get();
            return true;
        } catch (ExecutionException error) {
            failed("producer", error.getCause());
        } catch (RuntimeException error) {
            failed("producer", error);
        }
        return false;
    }

    /** Reads until everything that was acknowledged is read, or it is late. */
    private void read(Map<String, Object> settings, Thread writer) throws InterruptedException {
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (!isLate() && (writer.isAlive() || new HashSet<>(read).size() < sent)) {
                try {
                    for (ConsumerRecord<byte[], byte[]> record : ConsumerCalls.poll(consumer, 200)) {
                        read.add(Integer.valueOf(new String(record.value(), StandardCharsets.UTF_8)));
                    }
                } catch (RuntimeException error) {
                    failed("consumer", error);
                    Thread.sleep(BACKOFF_MS);
                }
            }
        }
    }

    private boolean isLate() {
        return System.nanoTime() > until + patience;
    }

    private void failed(String which, Throwable error) {
        errors.add(which + ": " + Session.told(error));
    }
}
