import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.config.ConfigResource;

/** Groups of every kind are listed together (KIP-1043), and topics are described by name or id. */
class Renamed {
    static List<String> groups(AdminClient admin) throws Exception {
        return admin.listGroups().all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static List<String> groups(AdminClient admin, String state) throws Exception {
        var options = new ListGroupsOptions().inGroupStates(Set.of(GroupState.parse(state)));
        return admin.listGroups(options).all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static List<String> groupsOfType(AdminClient admin, GroupType type) throws Exception {
        var options = new ListGroupsOptions().withTypes(Set.of(type));
        return admin.listGroups(options).all().get().stream().map(group -> group.groupId()).collect(Collectors.toList());
    }

    static FeatureUpdate feature(short level) {
        return new FeatureUpdate(level, FeatureUpdate.UpgradeType.UPGRADE);
    }

    static List<OffsetSpec> offsetSpecs() {
        return List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp());
    }

    static List<String> metricsSubscriptions(AdminClient admin) throws Exception {
        var found = admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all().get();
        return found.stream().map(one -> one.name()).collect(Collectors.toList());
    }

    static String state(ConsumerGroupDescription group) {
        return group.groupState().toString();
    }

    static Map<String, TopicDescription> topics(DescribeTopicsResult described) throws Exception {
        return described.allTopicNames().get();
    }
}
