import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;

/** The admin calls that every age has; the others are AdminCalls' to offer. */
class Topics {
    private final String bootstrap;
    private AdminClient admin;

    Topics(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void offer(Map<String, Driver.Operation> operations) {
        operations.put("list_topics", request -> new TreeSet<>(admin().listTopics().names().get()));
        operations.put("partitions_for_topic", this::partitionsForTopic);
        operations.put("create_topic", this::createTopic);
        operations.put("delete_topic", request -> admin().deleteTopics(List.of(request.get("topic").asText())).all().get());
        operations.put("describe_configs", this::describeConfigs);
        operations.put("describe_cluster", request -> admin().describeCluster().nodes().get().size());
        operations.put("check_topic", this::checkTopic);
        operations.put("create_acl", request -> admin().createAcls(List.of(AdminCalls.acl())).all().get());
        operations.put("delete_acls", request -> admin().deleteAcls(List.of(AclBindingFilter.ANY)).all().get().size());
        operations.put("acls", request -> admin().describeAcls(AclBindingFilter.ANY).values().get().size());
        AdminCalls.offer(this::admin, operations);
        MaintenanceCalls.offer(this::admin, operations);
        GroupCalls.offer(this::admin, operations);
        ClusterCalls.offer(this::admin, operations);
        DroppedCalls.offer(this::admin, operations);
    }

    private AdminClient admin() {
        // It has an id for its metrics, which the program may ask for, only if it may send them.
        if (admin == null) admin = AdminClient.create(Map.of("bootstrap.servers", bootstrap, "enable.metrics.push", true));
        return admin;
    }

    private Object partitionsForTopic(JsonNode request) throws Exception {
        TreeSet<Integer> found = new TreeSet<>();
        AdminCalls.describe(admin(), request.get("topic").asText()).partitions().forEach(p -> found.add(p.partition()));
        return found;
    }

    private Object createTopic(JsonNode request) throws Exception {
        Map<String, String> configs = new HashMap<>();
        request.get("configs").properties().forEach(entry -> configs.put(entry.getKey(), entry.getValue().asText()));
        var topic = AdminCalls.topic(request.get("topic").asText(), request.get("partitions").asInt());
        return admin().createTopics(List.of(topic.configs(configs))).all().get();
    }

    /** As createTopic, but nothing is created. */
    private Object checkTopic(JsonNode request) throws Exception {
        var topic = AdminCalls.topic(request.get("topic").asText(), request.get("partitions").asInt());
        return admin().createTopics(List.of(topic), new CreateTopicsOptions().validateOnly(true)).all().get();
    }

    private Object describeConfigs(JsonNode request) throws Exception {
        ConfigResource resource = Driver.resource(request);
        Map<String, String> found = new TreeMap<>();
        for (ConfigEntry entry : admin().describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            found.put(entry.name(), entry.value());
        }
        return found;
    }
}
