import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The load `txn-one` of ottla-bench by the stock Java client, to see that its figures are plausible: one producer, one record of 100
 * bytes a transaction. Prints transactions/s, p50 and p99 of begin to committed.
 *
 * <p>java -cp 'LIBS/*' tools/bench/OneRecordTransactions.java ADDRESS WARMUP_SECONDS SECONDS
 */
public class OneRecordTransactions {
    public static void main(String[] args) throws Exception {
        String address = args[0];
        long warmup = Long.parseLong(args[1]) * 1_000_000_000L;
        long window = Long.parseLong(args[2]) * 1_000_000_000L;
        String topic = "one-record-transactions";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            admin.createTopics(java.util.List.of(new NewTopic(topic, 6, (short) 1))).all().get();
        }
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("transactional.id", topic);
        long[] times = new long[1_000_000];
        int count = 0;
        long elapsed;
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            long from = System.nanoTime() + warmup;
            long began;
            for (int number = 0; ; number++) {
                began = System.nanoTime();
                if (began - from >= window) {
                    break;
                }
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, number % 6, null, new byte[100]));
                producer.commitTransaction();
                if (began >= from) {
                    times[count++] = System.nanoTime() - began;
                }
            }
            elapsed = began - from;
        }
        long[] sorted = Arrays.copyOf(times, count);
        Arrays.sort(sorted);
        System.out.printf(
                "%.0f transactions/s, p50 %.2f ms, p99 %.2f ms%n",
                count * 1e9 / elapsed, sorted[count / 2] / 1e6, sorted[count * 99 / 100] / 1e6);
    }
}
