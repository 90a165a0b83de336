import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Groups (KIP-222), and topics whose replicas the broker chooses. */
class AdminCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("create_partitions", request -> admin.get().createPartitions(
                Map.of(request.get("topic").asText(), NewPartitions.increaseTo(request.get("total").asInt())),
                new CreatePartitionsOptions().validateOnly(request.get("op").asText().equals("check_partitions"))).all().get());
        operations.put("check_partitions", operations.get("create_partitions"));
        operations.put("list_groups", request -> {
            TreeSet<String> found = new TreeSet<>();
            Renamed.groups(admin.get()).forEach(found::add);
            return found;
        });
        operations.put("describe_group", request -> {
            String group = request.get("group").asText();
            var found = admin.get().describeConsumerGroups(List.of(group)).all().get().get(group);
            return Map.of("state", Renamed.state(found), "members", found.members().size());
        });
        operations.put("delete_group", request -> admin.get().deleteConsumerGroups(List.of(request.get("group").asText())).all().get());
    }

    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        return Renamed.topics(admin.describeTopics(List.of(topic))).get(topic);
    }

    static AclBinding acl() {
        return new AclBinding(new ResourcePattern(ResourceType.TOPIC, "any", PatternType.LITERAL),
                new AccessControlEntry("User:me", "*", AclOperation.READ, AclPermissionType.ALLOW));
    }

    /** The number of replicas is left to the broker (KIP-464). */
    static NewTopic topic(String name, int partitions) {
        return new NewTopic(name, Optional.of(partitions), Optional.empty());
    }
}
