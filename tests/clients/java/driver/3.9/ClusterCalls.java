import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;

/**
 * Groups by type (KIP-848), active producers (KIP-664), the quorum (KIP-836), topics by id (KIP-516), subscriptions to clients'
 * metrics, and this client's own id in them (KIP-714).
 */
class ClusterCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("producers", request -> {
            var partition = Driver.partition(request);
            return admin.get().describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().stream()
                    .map(producer -> producer.lastSequence()).collect(Collectors.toList());
        });
        operations.put("groups_of_type", request -> Renamed.groupsOfType(admin.get(), GroupType.parse(request.get("type").asText())));
        operations.put("quorum_leader", request -> admin.get().describeMetadataQuorum().quorumInfo().get().leaderId());
        operations.put("metrics_subscriptions", request -> Renamed.metricsSubscriptions(admin.get()));
        operations.put("client_instance_id", request -> admin.get().clientInstanceId(Duration.ofSeconds(10)).toString());
        operations.put("topic_id", request -> AdminCalls.describe(admin.get(), request.get("topic").asText()).topicId().toString());
        operations.put("topic_of_id", request -> {
            Uuid id = Uuid.fromString(request.get("id").asText());
            return admin.get().describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id).name();
        });
        operations.put("delete_topic_of_id", request -> admin.get().deleteTopics(
                TopicCollection.ofTopicIds(List.of(Uuid.fromString(request.get("id").asText())))).all().get());
    }
}
