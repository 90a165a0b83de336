import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.TopicDescription;

/** What later releases call by other names. */
class Renamed {
    static List<String> groups(AdminClient admin) throws Exception {
        return admin.listConsumerGroups().all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static String state(ConsumerGroupDescription group) {
        return group.state().toString();
    }

    static Map<String, TopicDescription> topics(DescribeTopicsResult described) throws Exception {
        return described.all().get();
    }
}
