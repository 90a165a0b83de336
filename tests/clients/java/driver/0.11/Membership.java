import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** How one becomes a member, which has changed since. */
class Membership {
    static Map<String, Object> settings(String protocol) {
        return new HashMap<>();
    }

    static void subscribe(KafkaConsumer<byte[], byte[]> consumer, String topic, ConsumerRebalanceListener listener) {
        consumer.subscribe(List.of(topic), listener);
    }
}
