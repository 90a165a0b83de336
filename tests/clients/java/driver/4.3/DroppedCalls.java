import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;

/** Nothing is left of them; groups of the classic protocol have a call of their own instead (KIP-1043). */
class DroppedCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("describe_classic_group", request -> {
            String group = request.get("group").asText();
            var found = admin.get().describeClassicGroups(List.of(group)).all().get().get(group);
            return Map.of("state", found.state().toString(), "members", found.members().size());
        });
    }
}
