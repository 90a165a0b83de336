import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;

/** Calls for those who keep groups: none yet. */
class GroupCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {}
}
