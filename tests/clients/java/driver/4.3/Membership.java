import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;

/** Members of the consumer protocol, and its regular expressions (KIP-848). */
class Membership {
    static Map<String, Object> settings(String protocol) {
        // Left at its default (rebootstrap), Java 4 forgets its metadata when its only broker is away for a moment and
        // then joins anew, because "cached metadata has changed": no fault of the broker's (FINDINGS.md).
        return new HashMap<>(Map.of("metadata.recovery.strategy", "none", "group.protocol", protocol));
    }

    static void subscribe(KafkaConsumer<byte[], byte[]> consumer, String topic, ConsumerRebalanceListener listener) {
        if (topic.startsWith("^")) {
            consumer.subscribe(new SubscriptionPattern(topic.substring(1)), listener);
        } else {
            consumer.subscribe(List.of(topic), listener);
        }
    }
}
