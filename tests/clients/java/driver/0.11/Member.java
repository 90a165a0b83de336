import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** A member of a group: reads, commits after every poll, and tells of each. */
class Member implements ConsumerRebalanceListener {
    private final boolean classic;
    private final KafkaConsumer<byte[], byte[]> consumer;

    Member(String bootstrap, JsonNode settings) {
        String protocol = settings.path("protocol").asText("classic");
        classic = protocol.equals("classic");
        Map<String, Object> how = Membership.settings(protocol);
        how.put("group.id", settings.get("group").asText());
        how.put("auto.offset.reset", settings.path("reset").asText("earliest"));
        how.put("max.poll.records", 50);
        if (classic) { // with the consumer protocol both are the broker's
            how.put("session.timeout.ms", settings.get("session_ms").asInt());
            how.put("heartbeat.interval.ms", 500);
        }
        consumer = Driver.consumer(bootstrap, how);
        Membership.subscribe(consumer, settings.get("topic").asText(), this);
    }

    void run() throws IOException {
        AtomicBoolean leaving = leavesAtEndOfInput();
        while (!leaving.get()) {
            ConsumerRecords<byte[], byte[]> got = ConsumerCalls.poll(consumer, 100);
            if (!got.isEmpty()) take(got);
        }
        consumer.close();
    }

    private void take(ConsumerRecords<byte[], byte[]> got) throws IOException {
        Map<String, List<Long>> read = new TreeMap<>();
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> r : got) {
            read.computeIfAbsent(String.valueOf(r.partition()), p -> new ArrayList<>()).add(r.offset());
            next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
        }
        Driver.emit(Map.of("event", "read", "offsets", read));
        try {
            consumer.commitSync(next);
        } catch (CommitFailedException rebalanced) {
            return;
        }
        Map<String, Long> committed = new TreeMap<>();
        next.forEach((tp, offset) -> committed.put(String.valueOf(tp.partition()), offset.offset()));
        Driver.emit(Map.of("event", "committed", "offsets", committed));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
        if (!classic) owns(List.of(), revoked);
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> added) {
        owns(added, List.of());
    }

    // Only what changes is handed over; `assignment` is all that the member owns.
    private void owns(Collection<TopicPartition> added, Collection<TopicPartition> revoked) {
        TreeSet<Integer> all = new TreeSet<>();
        consumer.assignment().forEach(tp -> all.add(tp.partition()));
        added.forEach(tp -> all.add(tp.partition()));
        revoked.forEach(tp -> all.remove(tp.partition()));
        Map<String, Object> message = new HashMap<>(Map.of("event", "assigned", "partitions", all));
        message.put("generation", ConsumerCalls.generation(consumer));
        try {
            Driver.emit(message);
        } catch (IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    /** Set when stdin ends: a member is to leave its group. */
    private static AtomicBoolean leavesAtEndOfInput() {
        AtomicBoolean leaving = new AtomicBoolean();
        Thread waiter = new Thread(() -> {
            try {
                System.in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException ended) {
                // As good as the end.
            }
            leaving.set(true);
        });
        waiter.setDaemon(true);
        waiter.start();
        return leaving;
    }
}
