import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;

/** The calls of those who keep a broker: here all configs of a resource at once, and nothing else. */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
            Config config = new Config(List.of(new ConfigEntry(request.get("key").asText(), request.get("value").asText())));
            return admin.get().alterConfigs(Map.of(resource, config)).all().get();
        });
    }
}
