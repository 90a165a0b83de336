import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Log directories (KIP-113) and the deletion of records (KIP-204). */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
            Config config = new Config(List.of(new ConfigEntry(request.get("key").asText(), request.get("value").asText())));
            return admin.get().alterConfigs(Map.of(resource, config)).all().get();
        });
        operations.put("delete_records", request -> {
            TopicPartition partition = Driver.partition(request);
            RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
            return admin.get().deleteRecords(Map.of(partition, before)).lowWatermarks().get(partition).get().lowWatermark();
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
