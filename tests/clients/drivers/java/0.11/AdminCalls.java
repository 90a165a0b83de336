import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;

/** What of the admin client has changed its form since, or came later: here neither groups nor more partitions. */
class AdminCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {}

    static TopicDescription describe(AdminClient admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).all().get().get(topic);
    }

    static NewTopic topic(String name, int partitions) {
        return new NewTopic(name, partitions, (short) 1);
    }
}
