import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;

/** Calls for those who look into a cluster: none yet. */
class ClusterCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {}
}
