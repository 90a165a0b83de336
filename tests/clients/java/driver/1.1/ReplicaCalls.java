import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;

/** Calls about a partition's replica: deletion of records (KIP-204) and its log directory (KIP-113). */
class ReplicaCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
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
    }
}
