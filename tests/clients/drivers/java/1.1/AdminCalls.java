import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;

/** More partitions (KIP-195). */
class AdminCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("create_partitions", request -> admin.get().createPartitions(
                Map.of(request.get("topic").asText(), NewPartitions.increaseTo(request.get("total").asInt()))).all().get());
    }

    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).all().get().get(topic);
    }

    static NewTopic topic(String name, int partitions) {
        return new NewTopic(name, partitions, (short) 1);
    }
}
