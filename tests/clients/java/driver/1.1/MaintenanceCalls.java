import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;

/** Configs, and log directories (KIP-113). */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> DroppedCalls.replaceConfigs(
                admin.get(), Driver.resource(request), Map.of(request.get("key").asText(), request.get("value").asText())));
        ReplicaCalls.offer(admin, operations);
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
