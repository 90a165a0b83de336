import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;

/** Log directories (KIP-113) and the deletion of records (KIP-204). */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> DroppedCalls.replaceConfigs(
                admin.get(), Driver.resource(request), Map.of(request.get("key").asText(), request.get("value").asText())));
        operations.put("delete_records", request -> {
            TopicPartition partition = Driver.partition(request);
            RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
            return admin.get().deleteRecords(Map.of(partition, before)).lowWatermarks().get(partition).get().lowWatermark();
        });
        operations.put("replica_log_dir", request -> {
            int broker = admin.get().describeCluster().nodes().get().iterator().next().id();
            var replica = new TopicPartitionReplica(request.get("topic").asText(), request.get("partition").asInt(), broker);
            return admin.get().describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getCurrentReplicaLogDir();
        });
        operations.put("log_dirs", request -> {
            List<Long> sizes = new ArrayList<>();
            int broker = admin.get().describeCluster().nodes().get().iterator().next().id();
            admin.get().describeLogDirs(List.of(broker)).all().get().get(broker).values().forEach(dir ->
                    dir.replicaInfos.forEach((partition, replica) -> {
                        if (partition.topic().equals(request.get("topic").asText())) sizes.add(replica.size);
                    }));
            return sizes;
        });
    }
}
