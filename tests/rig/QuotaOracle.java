import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import kafka.server.ClientRequestQuotaManager;
import org.apache.kafka.common.errors.ThrottlingQuotaExceededException;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.Quota;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.utils.Sanitizer;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.network.Session;
import org.apache.kafka.server.config.ClientQuotaManagerConfig;
import org.apache.kafka.server.quota.ClientQuotaManager;
import org.apache.kafka.server.quota.ControllerMutationQuota;
import org.apache.kafka.server.quota.ControllerMutationQuotaManager;
import org.apache.kafka.server.quota.QuotaType;

/**
 * Kafka's ClientQuotaManager and its kin as a program, on a clock that the commands set: reads one command a line, its words separated by
 * tabs, and answers the questions among them, one line each. crates/security/tests/oracle/quotas.rs writes the commands and compares.
 *
 * <pre>new KIND SAMPLES SECONDS      begins anew; bytes, request or mutation
 * quota USER CLIENT VALUE       sets a quota: - for no such part, : for the default, :NAME; VALUE - removes it
 * limit USER CLIENT             the quota of a client and those that share it
 * charge USER CLIENT VALUE MS   records a use at that time; the throttle time
 * record USER CLIENT VALUE MS   records one without a check, as for a fetch that is taken off the account
 * strict USER CLIENT VALUE MS   a change that a newer client asks for: 0, or the throttle time of its refusal
 * permissive USER CLIENT VALUE MS     one that an older client asks for: the throttle time of its answer</pre>
 */
public class QuotaOracle {
    private final SetTime time = new SetTime();
    private ClientQuotaManager manager;

    public static void main(String[] arguments) throws Exception {
        QuotaOracle oracle = new QuotaOracle();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer = oracle.answer(line.split("\t", -1));
            if (answer != null) out.write(answer + "\n");
            if (!in.ready()) out.flush();
        }
        out.flush();
        // The managers' threads would keep the process.
        System.exit(0);
    }

    private String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "new" -> begin(words[1], new ClientQuotaManagerConfig(Integer.parseInt(words[2]), Integer.parseInt(words[3])));
            case "quota" -> manager.updateQuota(
                part(words[1]).map(user -> user.isEmpty() ? ClientQuotaManager.DEFAULT_USER_ENTITY
                    : new ClientQuotaManager.UserEntity(Sanitizer.sanitize(user))),
                part(words[2]).map(client -> client.isEmpty() ? ClientQuotaManager.DEFAULT_USER_CLIENT_ID
                    : new ClientQuotaManager.ClientIdEntity(client)),
                words[3].equals("-") ? Optional.empty() : Optional.of(Quota.upperBound(Double.parseDouble(words[3]))));
            case "limit" -> {
                return limit(words[1], words[2]);
            }
            case "charge" -> {
                time.now = Long.parseLong(words[4]);
                return "" + manager.recordAndGetThrottleTimeMs(session(words[1]), words[2], Double.parseDouble(words[3]), time.now);
            }
            case "record" -> {
                time.now = Long.parseLong(words[4]);
                manager.unrecordQuotaSensor(session(words[1]), words[2], -Double.parseDouble(words[3]), time.now);
            }
            case "strict" -> {
                time.now = Long.parseLong(words[4]);
                return strict(session(words[1]), words[2], Double.parseDouble(words[3]));
            }
            case "permissive" -> {
                time.now = Long.parseLong(words[4]);
                ControllerMutationQuota quota = ((ControllerMutationQuotaManager) manager).newPermissiveQuotaFor(session(words[1]), words[2]);
                quota.record(Double.parseDouble(words[3]));
                return "" + quota.throttleTime();
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
        return null;
    }

    private void begin(String kind, ClientQuotaManagerConfig config) {
        if (manager != null) manager.initiateShutdown();
        Metrics metrics = new Metrics(time);
        manager = switch (kind) {
            case "request" -> new ClientRequestQuotaManager(config, metrics, time, "", Optional.empty());
            case "mutation" -> new ControllerMutationQuotaManager(config, metrics, time, "", Optional.empty());
            default -> new ClientQuotaManager(config, metrics, QuotaType.PRODUCE, time, "");
        };
    }

    private String strict(Session session, String client, double cost) {
        try {
            ((ControllerMutationQuotaManager) manager).newStrictQuotaFor(session, client).record(cost);
            return "0";
        } catch (ThrottlingQuotaExceededException refused) {
            return "" + refused.throttleTimeMs();
        }
    }

    private String limit(String user, String client) {
        double bound = manager.quota(user, client).bound();
        if (bound == Long.MAX_VALUE) return "none";
        Map<String, String> tags = manager.getOrCreateQuotaSensors(session(user), client).metricTags();
        return bound + " " + !tags.get("user").isEmpty() + " " + !tags.get("client-id").isEmpty();
    }

    /** A part of an entity: empty if there is none, an empty text for the default. */
    private static Optional<String> part(String word) {
        return word.equals("-") ? Optional.empty() : Optional.of(word.substring(1));
    }

    private static Session session(String user) {
        return new Session(new KafkaPrincipal(KafkaPrincipal.USER_TYPE, user), InetAddress.getLoopbackAddress());
    }

    /** A clock that stands still until it is set. */
    private static class SetTime implements Time {
        private volatile long now = 1_000_000_000_000L;

        @Override
        public long milliseconds() {
            return now;
        }

        @Override
        public long nanoseconds() {
            return now * 1_000_000;
        }

        @Override
        public void sleep(long ms) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) {
            throw new UnsupportedOperationException();
        }
    }
}
