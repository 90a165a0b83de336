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
import org.apache.kafka.common.GroupType;

/** Calls that later releases renamed; the offset of the newest timestamp (KIP-734) and metrics subscriptions (KIP-1000) are new. */
class Renamed {
    static List<String> groups(AdminClient admin) throws Exception {
        return admin.listConsumerGroups().all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static List<String> groups(AdminClient admin, String state) throws Exception {
        var options = new ListConsumerGroupsOptions().inStates(Set.of(ConsumerGroupState.parse(state)));
        return admin.listConsumerGroups(options).all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static List<String> groupsOfType(AdminClient admin, GroupType type) throws Exception {
        var options = new ListConsumerGroupsOptions().withTypes(Set.of(type));
        return admin.listConsumerGroups(options).all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static FeatureUpdate feature(short level) {
        return new FeatureUpdate(level, FeatureUpdate.UpgradeType.UPGRADE);
    }

    static List<OffsetSpec> offsetSpecs() {
        return List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp());
    }

    static List<String> metricsSubscriptions(AdminClient admin) throws Exception {
        return admin.listClientMetricsResources().all().get().stream().map(one -> one.name()).collect(Collectors.toList());
    }

    static String state(ConsumerGroupDescription group) {
        return group.state().toString();
    }

    static Map<String, TopicDescription> topics(DescribeTopicsResult described) throws Exception {
        return described.allTopicNames().get();
    }
}
