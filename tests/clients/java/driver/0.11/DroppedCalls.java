import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;

/** Calls that Kafka 4.0 has dropped: all configs of a resource at once, which resets those that are not named. */
class DroppedCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("replace_configs", request -> {
            Map<String, String> configs = new HashMap<>();
            request.get("configs").properties().forEach(entry -> configs.put(entry.getKey(), entry.getValue().asText()));
            return replaceConfigs(admin.get(), Driver.resource(request), configs);
        });
    }

    static Object replaceConfigs(AdminClient admin, ConfigResource resource, Map<String, String> configs) throws Exception {
        List<ConfigEntry> entries = new ArrayList<>();
        configs.forEach((name, value) -> entries.add(new ConfigEntry(name, value)));
        return admin.alterConfigs(Map.of(resource, new Config(entries))).all().get();
    }
}
