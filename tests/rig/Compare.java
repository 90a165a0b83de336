import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;

/**
 * Lays two answers side by side. Arrays of structs are matched by what names their elements, as their order means
 * nothing; values that brokers make up are bound to a symbol where both sides show one for the first time.
 */
public class Compare {
    /** A place where the answers differ: with and without the names of array elements. */
    record Difference(String where, String path, Object kafka, Object ottla) { }

    private static final List<String> KEYS = List.of("name", "topic", "topic_name", "topic_id", "group_id", "resource_type", "resource_name",
        "partition_index", "partition", "index", "key", "base_offset", "member_id", "api_key", "node_id", "feature", "batch_index", "type", "transactional_id", "producer_id", "user", "mechanism");
    private final Side kafka;
    private final Side ottla;
    private final World world;
    private final Object request;
    final List<Difference> differences = new ArrayList<>();
    /** Pairs of error messages, which are listed, not compared. */
    final Map<String, String> messages = new LinkedHashMap<>();

    Compare(Side kafka, Side ottla, World world, Object request) {
        this.kafka = kafka;
        this.ottla = ottla;
        this.world = world;
        this.request = request;
    }

    Compare run(Object left, Object right) {
        values("", "", "", left, right, Map.of());
        return this;
    }

    private void values(String where, String path, String field, Object left, Object right, Map<String, Object> within) {
        if (left instanceof Map<?, ?> one && right instanceof Map<?, ?> other) {
            structs(where, path, one, other);
        } else if (left instanceof List<?> one && right instanceof List<?> other && (isStructs(one) || isStructs(other))) {
            arrays(where, path, one, other);
        } else if (field.endsWith("error_message") || field.equals("documentation")) {
            boolean empty = left == null || right == null;
            if (empty && left != right) differ(where, path, left, right);
            else if (!Objects.equals(left, right) && !field.equals("documentation")) messages.put(String.valueOf(left), String.valueOf(right));
        } else {
            Object a = known(kafka, field, left);
            Object b = known(ottla, field, right);
            if (Objects.equals(a, b) && (a instanceof Symbol || !counted(field, a))) return;
            if (!(a instanceof Symbol) && !(b instanceof Symbol) && madeUp(field, a) && madeUp(field, b)) bind(field, a, b, within);
            else if (!Objects.equals(a, b)) differ(where, path, a, b);
        }
    }

    private void structs(String where, String path, Map<?, ?> left, Map<?, ?> right) {
        Map<String, Object> within = new LinkedHashMap<>();
        left.forEach((name, value) -> within.put((String) name, value));
        for (String name : within.keySet()) {
            String inner = path.isEmpty() ? name : path + "." + name;
            String place = where.isEmpty() ? name : where + "." + name;
            if (right.containsKey(name)) values(place, inner, name, left.get(name), right.get(name), within);
            else differ(place, inner, left.get(name), "absent");
        }
        right.forEach((name, value) -> {
            if (!left.containsKey(name)) differ(where + "." + name, path.isEmpty() ? (String) name : path + "." + name, "absent", value);
        });
    }

    private static boolean isStructs(List<?> list) {
        return !list.isEmpty() && list.get(0) instanceof Map;
    }

    private void arrays(String where, String path, List<?> left, List<?> right) {
        Map<String, Map<?, ?>> one = keyed(kafka, left);
        Map<String, Map<?, ?>> other = keyed(ottla, right);
        one.forEach((key, struct) -> {
            String place = where + "[" + key + "]";
            // A config's name says more than its place.
            String inner = path.endsWith("configs") || path.endsWith("api_keys") ? path + "[" + key + "]" : path;
            if (other.containsKey(key)) structs(place, inner, struct, other.get(key));
            else differ(place, path + "[]", struct, "absent");
        });
        other.forEach((key, struct) -> {
            if (!one.containsKey(key)) differ(where + "[" + key + "]", path + "[]", "absent", struct);
        });
    }

    private Map<String, Map<?, ?>> keyed(Side side, List<?> list) {
        Map<String, Map<?, ?>> keyed = new TreeMap<>();
        for (Object item : list) {
            Map<?, ?> struct = (Map<?, ?>) item;
            StringBuilder key = new StringBuilder(entry(struct));
            for (String name : KEYS) {
                if (!struct.containsKey(name)) continue;
                if (name.equals("base_offset") && struct.containsKey("index") || name.equals("node_id") && struct.containsKey("key")) continue;
                if (name.equals("producer_id") && key.length() > 0) continue;
                if (name.equals("topic_id") && key.length() > 0 && !key.toString().equals("null")) continue;
                Object value = known(side, name, struct.get(name));
                // A member that only the leader has been told of so far.
                boolean unbound = value instanceof Uuid id && !id.equals(Uuid.ZERO_UUID) && key.length() > 0
                    || name.equals("member_id") && value instanceof String text && text.matches(".*-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
                key.append(key.length() == 0 ? "" : "/").append(unbound ? "?" : value);
            }
            String text = key.toString();
            for (int n = 2; keyed.containsKey(text); n++) text = key + "#" + n;
            keyed.put(text, struct);
        }
        return keyed;
    }

    /** Name of an entry of the authorizer, which all its fields are; empty for all else. */
    private static String entry(Map<?, ?> struct) {
        return struct.containsKey("permission_type") || struct.containsKey("pattern_type") ? struct.entrySet().stream().filter(field -> !(field.getValue() instanceof List)).toList().toString() : "";
    }

    private static Symbol.Kind kind(String field) {
        return switch (field) {
            case "topic_id" -> Symbol.Kind.TOPIC;
            case "member_id", "leader" -> Symbol.Kind.MEMBER;
            case "producer_id" -> Symbol.Kind.PRODUCER;
            case "session_id" -> Symbol.Kind.SESSION;
            case "client_instance_id" -> Symbol.Kind.CLIENT;
            case "subscription_id" -> Symbol.Kind.SUBSCRIPTION;
            default -> null;
        };
    }

    private static Object known(Side side, String field, Object value) {
        Symbol.Kind kind = kind(field);
        Symbol symbol = kind == null ? null : side.symbolOf(kind, value);
        return symbol == null ? value : symbol;
    }

    /** True if the value is one that a broker made up, rather than a constant that means "none". */
    private static boolean madeUp(String field, Object value) {
        Symbol.Kind kind = kind(field);
        if (kind == null || value == null) return false;
        return switch (kind) {
            case TOPIC, CLIENT -> !value.equals(Uuid.ZERO_UUID);
            case MEMBER -> !value.equals("");
            case PRODUCER -> value instanceof Long id && id >= 0;
            case SUBSCRIPTION -> true;
            case SESSION -> value instanceof Integer id && id != 0;
        };
    }

    /** Ids that both brokers count up, so that equal values prove nothing. */
    private static boolean counted(String field, Object value) {
        return kind(field) == Symbol.Kind.PRODUCER && madeUp(field, value);
    }

    private void bind(String field, Object left, Object right, Map<String, Object> within) {
        Symbol symbol = world.symbol(kind(field));
        kafka.bind(symbol, left);
        ottla.bind(symbol, right);
        world.learned(symbol, within, request);
    }

    private void differ(String where, String path, Object left, Object right) {
        differences.add(new Difference(where, path, left, right));
    }
}
