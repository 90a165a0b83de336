import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.ListConsumerGroupsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.ConsumerGroupState;

/** Calls that later releases renamed. */
class Renamed {
    static List<String> groups(AdminClient admin) throws Exception {
        return admin.listConsumerGroups().all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static List<String> groups(AdminClient admin, String state) throws Exception {
        var options = new ListConsumerGroupsOptions().inStates(Set.of(ConsumerGroupState.parse(state)));
        return admin.listConsumerGroups(options).all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static FeatureUpdate feature(short level) {
        return new FeatureUpdate(level, false);
    }

    static List<OffsetSpec> offsetSpecs() {
        return List.of(OffsetSpec.earliest(), OffsetSpec.latest());
    }

    static String state(ConsumerGroupDescription group) {
        return group.state().toString();
    }

    static Map<String, TopicDescription> topics(DescribeTopicsResult described) throws Exception {
        return described.all().get();
    }
}
