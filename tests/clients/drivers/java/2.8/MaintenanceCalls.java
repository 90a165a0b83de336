import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** One config at a time (KIP-339), elections (KIP-460), offsets deleted (KIP-496), reassignments (KIP-455). */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
            ConfigEntry entry = new ConfigEntry(request.get("key").asText(), request.get("value").asText());
            AlterConfigOp set = new AlterConfigOp(entry, AlterConfigOp.OpType.SET);
            return admin.get().incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        });
        operations.put("delete_records", request -> {
            TopicPartition partition = Driver.partition(request);
            RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
            return admin.get().deleteRecords(Map.of(partition, before)).lowWatermarks().get(partition).get().lowWatermark();
        });
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
    }
}
