import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Requests out of the schemas of Kafka's own jar. `random` makes a tree of plain values, symbols and batches; `bytes`
 * puts a side's own values in and encodes it.
 */
public class Requests {
    private final World world;
    private final Values values;

    Requests(World world, String api) {
        this.world = world;
        this.values = new Values(world, api);
    }

    Map<String, Object> random(Schema schema) {
        return struct(schema, "", new ArrayList<>());
    }

    private Map<String, Object> struct(Schema schema, String path, List<Map<String, Object>> above) {
        Map<String, Object> tree = new LinkedHashMap<>();
        above.add(tree);
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                tagged.fields().forEach((tag, one) -> {
                    if (world.chance(15)) tree.put(one.name, value(one.type, path + "." + one.name, above));
                });
                if (world.chance(2)) tree.put("unknown tag", true);
            } else {
                tree.put(field.def.name, value(field.def.type, path.isEmpty() ? field.def.name : path + "." + field.def.name, above));
            }
        }
        values.mend(tree, path);
        above.remove(above.size() - 1);
        return tree;
    }

    private Object value(Type type, String path, List<Map<String, Object>> above) {
        if (type instanceof Schema schema) return type.isNullable() && world.chance(60) ? null : struct(schema, path, above);
        if (type.arrayElementType().isPresent()) {
            if (type.isNullable() && world.chance(values.oftenNull(path) ? 50 : 6)) return null;
            int count = world.one(0, 1, 1, 1, 1, 1, 1, 2, 2, 3);
            if (count == 0 && world.chance(50)) count = 1;
            List<Object> items = new ArrayList<>();
            boolean repeats = world.chance(2);
            for (int n = 0; n < count; n++) {
                Object fresh = value(type.arrayElementType().get(), path, above);
                Object item = repeats && !items.isEmpty() && world.chance(50) ? items.get(0) : fresh;
                if (repeats || items.stream().noneMatch(other -> named(other).equals(named(item)))) items.add(item);
            }
            return items;
        }
        return values.of(type, path, above);
    }

    /** Name of the thing that an element of an array is about: two of the same name are a case of their own. */
    private static Object named(Object item) {
        if (!(item instanceof Map<?, ?> map)) return item instanceof byte[] ? item : String.valueOf(item);
        // Of an entry of the authorizer every field is a part of its name.
        if (map.containsKey("permission_type")) return item;
        if (map.containsKey("transactional_id")) return map.get("transactional_id");
        List<Object> names = new ArrayList<>();
        for (String key : List.of("name", "topic", "topic_name", "topic_id", "partition", "partition_index", "index", "group_id", "resource_type", "resource_name", "member_id", "group_instance_id", "feature", "producer_id"))
            if (map.containsKey(key)) names.add(String.valueOf(map.get(key)));
        return names.isEmpty() ? item : names;
    }

    /** True if two elements name the same thing. */
    static boolean repeats(Object tree) {
        if (tree instanceof Map<?, ?> map) return map.values().stream().anyMatch(Requests::repeats);
        if (!(tree instanceof List<?> list)) return false;
        return list.stream().map(Requests::named).distinct().count() < list.size() || list.stream().anyMatch(Requests::repeats);
    }

    /** The body as one side is to get it. */
    static byte[] bytes(Schema schema, Map<String, Object> tree, Side side) {
        Struct struct = fill(schema, tree, side);
        ByteBuffer body = ByteBuffer.allocate(struct.sizeOf());
        struct.writeTo(body);
        return body.array();
    }

    private static Struct fill(Schema schema, Map<?, ?> tree, Side side) {
        Struct struct = new Struct(schema);
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                NavigableMap<Integer, Object> set = new TreeMap<>();
                tagged.fields().forEach((tag, one) -> {
                    if (tree.containsKey(one.name)) set.put(tag, concrete(one.type, tree.get(one.name), side));
                });
                if (tree.containsKey("unknown tag")) set.put(99, new RawTaggedField(99, new byte[] {1, 2, 3}));
                struct.set(field, set);
            } else {
                Object value = tree.containsKey(field.def.name) ? tree.get(field.def.name) : Values.zero(field.def.type);
                struct.set(field, concrete(field.def.type, value, side));
            }
        }
        return struct;
    }

    private static Object concrete(Type type, Object value, Side side) {
        if (value instanceof Symbol symbol) return side.valueOf(symbol);
        if (value instanceof Batch batch) {
            ByteBuffer bytes = batch.bytes(side);
            return bytes == null ? null : MemoryRecords.readableRecords(bytes);
        }
        if (value instanceof byte[] bytes) return ByteBuffer.wrap(bytes);
        if (value instanceof Map<?, ?> map) return fill((Schema) type, map, side);
        if (value instanceof List<?> list)
            return list.stream().map(item -> concrete(type.arrayElementType().orElseThrow(), item, side)).toArray();
        return value;
    }
}
