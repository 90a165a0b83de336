import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.TopicDescription;

/** Groups of every kind are listed together (KIP-1043), and topics are described by name or id. */
class Renamed {
    static List<String> groups(AdminClient admin) throws Exception {
        return admin.listGroups().all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static String state(ConsumerGroupDescription group) {
        return group.groupState().toString();
    }

    static Map<String, TopicDescription> topics(DescribeTopicsResult described) throws Exception {
        return described.allTopicNames().get();
    }
}
