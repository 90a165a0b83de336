import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.StreamSupport;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.internals.PluginMetricsImpl;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.common.utils.SecurityUtils;
import org.apache.kafka.metadata.authorizer.StandardAcl;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.Action;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;

/**
 * Kafka's StandardAuthorizer as a program: reads one command a line, its words separated by tabs, and answers the questions among
 * them, one line each. crates/security/tests/oracle/acls.rs writes the commands and compares.
 *
 * <pre>new SUPER-USERS ALLOW-EVERYONE     begins anew, without entries
 * add TYPE PATTERN NAME PRINCIPAL HOST OPERATION PERMISSION      the codes of the protocol
 * remove ...                           the same entry
 * ask PRINCIPAL ADDRESS OPERATION TYPE NAME     true or false
 * some PRINCIPAL ADDRESS OPERATION TYPE         true or false: for some resource of the type
 * find TYPE PATTERN NAME PRINCIPAL HOST OPERATION PERMISSION     a filter, - for none; the entries found, ordered</pre>
 */
public class AuthorizerOracle {
    private static final String SEPARATOR = "\t";
    private static final String NONE = "-";

    private StandardAuthorizer authorizer;
    private Map<StandardAcl, Uuid> known;

    public static void main(String[] arguments) throws Exception {
        AuthorizerOracle oracle = new AuthorizerOracle();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer = oracle.answer(line.split(SEPARATOR, -1));
            if (answer != null) out.write(answer + "\n");
            // The other side waits for what it asked so far.
            if (!in.ready()) out.flush();
        }
        out.flush();
    }

    private String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "new" -> begin(words[1], words[2]);
            case "add" -> add(acl(words));
            case "remove" -> authorizer.removeAcl(known.remove(acl(words)));
            case "ask" -> {
                Action action = new Action(operation(words[3]), new ResourcePattern(type(words[4]), words[5], PatternType.LITERAL), 1, true, true);
                return "" + (authorizer.authorize(context(words), List.of(action)).get(0) == AuthorizationResult.ALLOWED);
            }
            case "some" -> {
                return "" + (authorizer.authorizeByResourceType(context(words), operation(words[3]), type(words[4])) == AuthorizationResult.ALLOWED);
            }
            case "find" -> {
                return find(words);
            }
            default -> throw new IllegalArgumentException(words[0]);
        }
        return null;
    }

    private void begin(String superUsers, String allowEveryone) {
        authorizer = new StandardAuthorizer();
        authorizer.configure(Map.of(StandardAuthorizer.SUPER_USERS_CONFIG, superUsers, StandardAuthorizer.ALLOW_EVERYONE_IF_NO_ACL_IS_FOUND_CONFIG, allowEveryone));
        authorizer.withPluginMetrics(new PluginMetricsImpl(new Metrics(), new LinkedHashMap<>()));
        authorizer.completeInitialLoad();
        known = new HashMap<>();
    }

    private void add(StandardAcl acl) {
        Uuid id = Uuid.randomUuid();
        known.put(acl, id);
        authorizer.addAcl(id, acl);
    }

    private String find(String[] words) {
        ResourcePatternFilter pattern = new ResourcePatternFilter(type(words[1]), text(words[3]), pattern(words[2]));
        AccessControlEntryFilter entry = new AccessControlEntryFilter(text(words[4]), text(words[5]), operation(words[6]), permission(words[7]));
        TreeSet<String> found = new TreeSet<>();
        StreamSupport.stream(authorizer.acls(new AclBindingFilter(pattern, entry)).spliterator(), false).map(AuthorizerOracle::written).forEach(found::add);
        return String.join(" / ", found);
    }

    private static String written(AclBinding acl) {
        return String.join(" ", "" + acl.pattern().resourceType().code(), "" + acl.pattern().patternType().code(), acl.pattern().name(),
            acl.entry().principal(), acl.entry().host(), "" + acl.entry().operation().code(), "" + acl.entry().permissionType().code());
    }

    private static StandardAcl acl(String[] words) {
        return new StandardAcl(type(words[1]), words[3], pattern(words[2]), words[4], words[5], operation(words[6]), permission(words[7]));
    }

    private static String text(String word) {
        return word.equals(NONE) ? null : word;
    }

    private static ResourceType type(String code) {
        return ResourceType.fromCode(Byte.parseByte(code));
    }

    private static PatternType pattern(String code) {
        return PatternType.fromCode(Byte.parseByte(code));
    }

    private static AclOperation operation(String code) {
        return AclOperation.fromCode(Byte.parseByte(code));
    }

    private static AclPermissionType permission(String code) {
        return AclPermissionType.fromCode(Byte.parseByte(code));
    }

    /** A request of the client in the words after the command. */
    private static AuthorizableRequestContext context(String[] words) throws Exception {
        KafkaPrincipal principal = SecurityUtils.parseKafkaPrincipal(words[1]);
        InetAddress address = InetAddress.getByName(words[2]);
        return new AuthorizableRequestContext() {
            @Override
            public String listenerName() {
                return "SASL_PLAINTEXT";
            }

            @Override
            public SecurityProtocol securityProtocol() {
                return SecurityProtocol.SASL_PLAINTEXT;
            }

            @Override
            public KafkaPrincipal principal() {
                return principal;
            }

            @Override
            public InetAddress clientAddress() {
                return address;
            }

            @Override
            public int requestType() {
                return 0;
            }

            @Override
            public int requestVersion() {
                return 0;
            }

            @Override
            public String clientId() {
                return "oracle";
            }

            @Override
            public int correlationId() {
                return 0;
            }
        };
    }
}
