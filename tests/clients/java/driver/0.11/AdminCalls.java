import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.Resource;
import org.apache.kafka.common.resource.ResourceType;

/** Calls of the admin client that changed or came in later releases; this one has no calls for groups or more partitions. */
class AdminCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {}

    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).all().get().get(topic);
    }

    static AclBinding acl() {
        return new AclBinding(new Resource(ResourceType.TOPIC, "any"),
                new AccessControlEntry("User:me", "*", AclOperation.READ, AclPermissionType.ALLOW));
    }

    static NewTopic topic(String name, int partitions) {
        return new NewTopic(name, partitions, (short) 1);
    }
}
