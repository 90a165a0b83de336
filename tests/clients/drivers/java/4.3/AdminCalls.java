import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;

/** Groups of every kind are listed together (KIP-1043), and topics are described by name or id. */
class AdminCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("create_partitions", request -> admin.get().createPartitions(
                Map.of(request.get("topic").asText(), NewPartitions.increaseTo(request.get("total").asInt()))).all().get());
        operations.put("list_groups", request -> {
            TreeSet<String> found = new TreeSet<>();
            admin.get().listGroups().all().get().forEach(group -> found.add(group.groupId()));
            return found;
        });
        operations.put("describe_group", request -> {
            String group = request.get("group").asText();
            var found = admin.get().describeConsumerGroups(List.of(group)).all().get().get(group);
            return Map.of("state", found.groupState().toString(), "members", found.members().size());
        });
        operations.put("delete_group", request -> admin.get().deleteConsumerGroups(List.of(request.get("group").asText())).all().get());
    }

    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    /** The number of replicas is left to the broker (KIP-464). */
    static NewTopic topic(String name, int partitions) {
        return new NewTopic(name, Optional.of(partitions), Optional.empty());
    }
}
