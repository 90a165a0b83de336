import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.message.ApiMessageType;

/** Random entries of the authorizer for a seed's users, and which user sends a request. A super user creates the entries. */
final class Acls {
    /** The first has no entry of its own. tools/rig.sh gives all of them a login. */
    static final List<String> USERS = List.of("u0", "u1", "u2", "u3", "u4", "u5");
    private static final List<String> HOSTS = List.of("127.0.0.1", "127.0.0.2");
    private static final byte TOPIC = 2;
    private static final byte GROUP = 3;
    private static final byte CLUSTER = 4;
    private static final byte TRANSACTIONAL_ID = 5;
    private static final byte LITERAL = 3;
    private static final byte PREFIXED = 4;
    private static final byte DENY = 2;
    private static final byte ALLOW = 3;
    private static final byte ALL = 2;
    /** A filter's value that fits everything, for each kind of code. */
    private static final byte ANY = 1;

    private final World world;
    /** All entries that were created, for filters that find some of them. */
    private final List<Map<String, Object>> created = new ArrayList<>();

    Acls(World world) {
        this.world = world;
    }

    /** Some user at some address. */
    Identity someone() {
        return new Identity(world.one(USERS), world.one(HOSTS));
    }

    /** The entries that a seed begins with. Each user but the first has some: single ones, or many with exceptions. */
    Exchange.Step begin() {
        List<Map<String, Object>> entries = new ArrayList<>();
        for (String user : USERS.subList(1, USERS.size())) {
            String principal = "User:" + user;
            int kind = world.random.nextInt(4);
            if (kind == 0) for (int n = 0; n < 6; n++) entries.add(random(principal));
            if (kind >= 1) for (byte type : List.of(TOPIC, GROUP, TRANSACTIONAL_ID)) if (world.chance(85)) entries.add(entry(type, wide(type), principal, world.one(ALL, ALL, ALL, operation(type)), ALLOW));
            if (kind >= 2 && world.chance(70)) entries.add(entry(CLUSTER, wide(CLUSTER), principal, world.one(ALL, operation(CLUSTER)), ALLOW));
            if (kind >= 2) for (int n = 0; n < 3; n++) entries.add(random(principal));
        }
        for (int n = world.random.nextInt(4); n > 0; n--) entries.add(random("User:*"));
        return create(entries);
    }

    /** A change by the super user: entries more, or some less. */
    Exchange.Step change() {
        if (created.isEmpty() || world.chance(55)) return create(List.of(random("User:" + world.one(USERS)), random(world.chance(15) ? "User:*" : "User:" + world.one(USERS))));
        Map<String, Object> one = world.one(created);
        Map<String, Object> filter = new HashMap<>(all());
        for (String field : List.of("resource_type", "resource_name", "principal", "operation", "permission_type"))
            if (world.chance(65)) filter.put(switch (field) { case "resource_type", "resource_name", "principal" -> field + "_filter"; default -> field; }, one.get(field));
        if (world.chance(20)) filter.put("pattern_type_filter", world.one(LITERAL, PREFIXED, (byte) 2));
        return step(ApiMessageType.DELETE_ACLS, Map.of("filters", List.of(filter)));
    }

    /** Deletes all entries. */
    static Exchange.Step clear() {
        return step(ApiMessageType.DELETE_ACLS, Map.of("filters", List.of(all())));
    }

    /** Asks for all entries. */
    static Exchange.Step describe() {
        return step(ApiMessageType.DESCRIBE_ACLS, all());
    }

    /** The entries in an answer to {@link #describe}. */
    static Set<Object> entries(Object answer) {
        Set<Object> entries = new HashSet<>();
        if (answer instanceof Map<?, ?> map && map.get("resources") instanceof List<?> resources)
            for (Object one : resources)
                if (one instanceof Map<?, ?> resource && resource.get("acls") instanceof List<?> acls)
                    for (Object acl : acls) entries.add(Arrays.asList(resource.get("resource_type"), resource.get("resource_name"), resource.get("pattern_type"), acl));
        return entries;
    }

    /** Those of the entries in an answer to {@link #describe} that are about a user. */
    static List<Object> about(Identity who, Object answer) {
        return entries(answer).stream().filter(entry -> entry.toString().matches(".*principal=User:(\\*|" + who.user() + "),.*")).toList();
    }

    /** A request for these, each once. */
    private Exchange.Step create(List<Map<String, Object>> entries) {
        List<Map<String, Object>> once = entries.stream().distinct().toList();
        created.addAll(once);
        return step(ApiMessageType.CREATE_ACLS, Map.of("creations", once));
    }

    private static Exchange.Step step(ApiMessageType type, Map<String, Object> tree) {
        return new Exchange.Step(type, 3, new HashMap<>(tree), Exchange.Damage.NONE, 0);
    }

    private static Map<String, Object> all() {
        return Map.of("resource_type_filter", ANY, "pattern_type_filter", ANY, "operation", ANY, "permission_type", ANY);
    }

    private Map<String, Object> random(String principal) {
        byte type = world.one(TOPIC, TOPIC, TOPIC, GROUP, GROUP, CLUSTER, TRANSACTIONAL_ID);
        Map<String, Object> pattern = world.chance(35) ? wide(type) : narrow(type);
        return entry(type, pattern, principal, operation(type), world.chance(60) ? ALLOW : DENY);
    }

    private Map<String, Object> entry(byte type, Map<String, Object> pattern, String principal, byte operation, byte permission) {
        Map<String, Object> entry = new HashMap<>(pattern);
        entry.putAll(Map.of("resource_type", type, "principal", principal, "operation", operation, "permission_type", permission,
            "host", world.chance(75) ? "*" : world.one(HOSTS)));
        return entry;
    }

    /** A pattern that fits all or most of the seed's resources of the type. */
    private Map<String, Object> wide(byte type) {
        if (type == CLUSTER) return pattern("kafka-cluster", LITERAL);
        return world.chance(40) ? pattern("*", LITERAL) : pattern(world.prefix.substring(0, world.one(1, 3, world.prefix.length() - 1, world.prefix.length())), PREFIXED);
    }

    private Map<String, Object> narrow(byte type) {
        if (type == CLUSTER) return pattern("kafka-cluster", LITERAL);
        String name = switch (type) {
            case TOPIC -> world.chance(75) ? world.one(world.topics) : world.fresh + world.one("1", "2", "-not-there");
            case GROUP -> world.chance(75) ? world.one(world.groups) : world.fresh + world.one("group", "streams", "absent", "key");
            default -> world.fresh + world.one("txn", "txn2");
        };
        if (world.chance(60)) return pattern(name, LITERAL);
        return pattern(name.substring(0, world.prefix.length() + world.random.nextInt(name.length() - world.prefix.length() + 1)), PREFIXED);
    }

    private static Map<String, Object> pattern(String name, byte type) {
        return Map.of("resource_name", name, "resource_pattern_type", type);
    }

    /** Codes: Read 3, Write 4, Create 5, Delete 6, Alter 7, Describe 8, ClusterAction 9, DescribeConfigs 10, AlterConfigs 11, IdempotentWrite 12. */
    private byte operation(byte type) {
        int code = switch (type) {
            case TOPIC -> world.one(2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 10, 11);
            case GROUP -> world.one(2, 3, 3, 6, 8, 8, 10, 11);
            case CLUSTER -> world.one(2, 5, 7, 8, 9, 10, 11, 12);
            default -> world.one(2, 4, 8);
        };
        return (byte) code;
    }
}
