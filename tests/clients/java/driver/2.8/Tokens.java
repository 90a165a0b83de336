import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerTokenCallback;

/** Hands the login the token in the file that `sasl.jaas.config` names (KIP-255): those of Kafka's that do came with 3.1. */
public class Tokens implements AuthenticateCallbackHandler {
    private String file;

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {
        file = entries.get(0).getOptions().get("file").toString();
    }

    @Override
    public void handle(Callback[] callbacks) throws IOException {
        for (Callback one : callbacks) {
            if (one instanceof OAuthBearerTokenCallback) ((OAuthBearerTokenCallback) one).token(token());
        }
    }

    private OAuthBearerToken token() throws IOException {
        String text = new String(Files.readAllBytes(Paths.get(file)), StandardCharsets.US_ASCII);
        long now = System.currentTimeMillis();
        return new OAuthBearerToken() {
            public String value() {
                return text;
            }

            public Set<String> scope() {
                return Set.of();
            }

            public long lifetimeMs() {
                return now + 600_000;
            }

            public String principalName() {
                return "client";
            }

            public Long startTimeMs() {
                return now;
            }
        };
    }

    @Override
    public void close() {}
}
