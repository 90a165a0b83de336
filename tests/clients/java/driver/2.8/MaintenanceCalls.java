import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;

/**
 * One config at a time (KIP-339), elections (KIP-460), offsets listed (KIP-396) and deleted (KIP-496), reassignments (KIP-455),
 * features (KIP-584).
 */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> alter(admin.get(), request, AlterConfigOp.OpType.SET));
        operations.put("reset_config", request -> alter(admin.get(), request, AlterConfigOp.OpType.DELETE));
        operations.put("append_config", request -> alter(admin.get(), request, AlterConfigOp.OpType.APPEND));
        operations.put("subtract_config", request -> alter(admin.get(), request, AlterConfigOp.OpType.SUBTRACT));
        operations.put("check_config", operations.get("alter_config"));
        ReplicaCalls.offer(admin, operations);
        operations.put("log_dirs", request -> {
            List<Long> sizes = new ArrayList<>();
            int broker = admin.get().describeCluster().nodes().get().iterator().next().id();
            admin.get().describeLogDirs(List.of(broker)).allDescriptions().get().get(broker).values().forEach(dir ->
                    dir.replicaInfos().forEach((partition, replica) -> {
                        if (partition.topic().equals(request.get("topic").asText())) sizes.add(replica.size());
                    }));
            return sizes;
        });
        operations.put("elect_leaders", request -> {
            TopicPartition partition = Driver.partition(request);
            var error = admin.get().electLeaders(ElectionType.PREFERRED, Set.of(partition)).partitions().get().get(partition);
            if (error.isPresent()) throw new Exception(error.get());
            return null;
        });
        operations.put("delete_offsets", request -> admin.get().deleteConsumerGroupOffsets(
                request.get("group").asText(), Set.of(Driver.partition(request))).all().get());
        operations.put("reassignments", request -> admin.get().listPartitionReassignments().reassignments().get().size());
        operations.put("reassign", request -> {
            List<Integer> replicas = new ArrayList<>();
            request.get("replicas").forEach(one -> replicas.add(one.asInt()));
            var wanted = replicas.isEmpty() ? Optional.<NewPartitionReassignment>empty() : Optional.of(new NewPartitionReassignment(replicas));
            return admin.get().alterPartitionReassignments(Map.of(Driver.partition(request), wanted)).all().get();
        });
        operations.put("features", request -> {
            Map<String, Integer> found = new TreeMap<>();
            admin.get().describeFeatures().featureMetadata().get().finalizedFeatures()
                    .forEach((name, levels) -> found.put(name, (int) levels.maxVersionLevel()));
            return found;
        });
        operations.put("update_feature", request -> {
            var update = Map.of(request.get("feature").asText(), Renamed.feature((short) request.get("level").asInt()));
            return admin.get().updateFeatures(update, new UpdateFeaturesOptions()).all().get();
        });
        operations.put("list_offsets", request -> {
            TopicPartition partition = Driver.partition(request);
            List<Long> found = new ArrayList<>();
            for (OffsetSpec spec : Renamed.offsetSpecs()) {
                found.add(admin.get().listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset());
            }
            return found;
        });
    }

    private static Object alter(AdminClient admin, JsonNode request, AlterConfigOp.OpType how) throws Exception {
        ConfigEntry entry = new ConfigEntry(request.get("key").asText(), request.path("value").asText());
        boolean check = request.get("op").asText().equals("check_config");
        return admin.incrementalAlterConfigs(
                Map.of(Driver.resource(request), List.of(new AlterConfigOp(entry, how))), new AlterConfigsOptions().validateOnly(check)).all().get();
    }
}
