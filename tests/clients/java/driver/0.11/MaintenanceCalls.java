import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;

/** The calls of those who keep a broker: here all configs of a resource at once, and nothing else. */
class MaintenanceCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("alter_config", request -> DroppedCalls.replaceConfigs(
                admin.get(), Driver.resource(request), Map.of(request.get("key").asText(), request.get("value").asText())));
    }
}
