import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;

/** A decoded answer as a tree of plain values, without what differs between any two brokers. */
public class Answers {
    private static final long START = System.currentTimeMillis();

    static Map<String, Object> tree(Struct struct) {
        Map<String, Object> tree = new LinkedHashMap<>();
        for (BoundField field : struct.schema().fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                Map<?, ?> set = (Map<?, ?>) struct.get(field);
                set.forEach((tag, value) -> {
                    var known = tagged.fields().get(tag);
                    tree.put(known == null ? "unknown tag " + tag : known.name, known == null ? "present" : plain(known.name, value));
                });
            } else {
                tree.put(field.def.name, plain(field.def.name, struct.get(field)));
            }
        }
        // The host of an entry of the authorizer is what a client wrote, not where a broker runs.
        if (tree.containsKey("permission_type")) tree.put("host", struct.getString("host"));
        tree.computeIfPresent("aborted_transactions", (name, aborted) -> aborted instanceof List<?> list ? needed(list, tree.get("records")) : aborted);
        return tree;
    }

    /** The aborted transactions with a record in the answer. Kafka lists those up to its next index entry, which no reader looks at. */
    private static List<Object> needed(List<?> aborted, Object records) {
        long last = -1;
        if (records instanceof List<?> batches) for (Object batch : batches) last = Math.max(last, (Long) ((Map<?, ?>) batch).get("last_offset"));
        List<Object> needed = new ArrayList<>();
        for (Object one : aborted) if ((Long) ((Map<?, ?>) one).get("first_offset") <= last) needed.add(one);
        return needed;
    }

    private static Object plain(String field, Object value) {
        if (value == null) return null;
        if (value instanceof Struct struct) return tree(struct);
        if (value instanceof Object[] items) {
            List<Object> list = new ArrayList<>();
            for (Object item : items) list.add(plain(field, item));
            if (field.equals("responses")) list = joined(list);
            if (!(items.length > 0 && items[0] instanceof Struct)) list.sort((a, b) -> String.valueOf(a).compareTo(String.valueOf(b)));
            return list;
        }
        if (field.endsWith("error_code")) return Errors.forCode((Short) value).name();
        if (value instanceof MemoryRecords records) return records(records);
        if (value instanceof ByteBuffer bytes) return hex(bytes);
        return switch (field) {
            case "throttle_time_ms", "host", "port", "client_host", "log_dir", "total_bytes", "usable_bytes", "cluster_id", "finalized_features_epoch" -> value.equals(-1L) ? value : "*";
            case "partition_size" -> ((Long) value) > 0 ? "*" : value;
            case "timestamp", "log_append_time_ms", "last_timestamp", "transaction_start_time_ms" -> time((Long) value);
            default -> value;
        };
    }

    /** Kafka lists a topic's partitions that failed apart from the others: the same topic once more. */
    private static List<Object> joined(List<Object> topics) {
        Map<Object, Map<String, Object>> joined = new LinkedHashMap<>();
        for (Object item : topics) {
            if (!(item instanceof Map<?, ?> topic) || !(topic.get("partitions") instanceof List<?> more)) return topics;
            Map<String, Object> whole = joined.computeIfAbsent(topic.get("topic") + "/" + topic.get("topic_id"), any -> new LinkedHashMap<>());
            List<Object> partitions = new ArrayList<>(whole.get("partitions") instanceof List<?> before ? before : List.of());
            partitions.addAll(more);
            topic.forEach((name, value) -> whole.put((String) name, value));
            whole.put("partitions", partitions);
        }
        return new ArrayList<>(joined.values());
    }

    private static Object time(long at) {
        if (Math.abs(at - Batch.EPOCH) < 3_600_000) return "T" + (at < Batch.EPOCH ? "" : "+") + (at - Batch.EPOCH);
        if (at >= START - 60_000 && at <= System.currentTimeMillis() + 1_000) return "now";
        return at;
    }

    private static String hex(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return HexFormat.of().formatHex(copy);
    }

    /** Whole batches and their records; a batch that the size limit cut in two is left out, as by every client. */
    private static Object records(MemoryRecords records) {
        List<Object> batches = new ArrayList<>();
        for (MutableRecordBatch batch : records.batches()) {
            Map<String, Object> tree = new LinkedHashMap<>();
            tree.put("base_offset", batch.baseOffset());
            tree.put("last_offset", batch.lastOffset());
            tree.put("partition_leader_epoch", batch.partitionLeaderEpoch());
            tree.put("magic", batch.magic());
            tree.put("compression", batch.compressionType().name);
            tree.put("timestamp_type", batch.timestampType().name);
            tree.put("max_timestamp", time(batch.maxTimestamp()));
            tree.put("producer_id", batch.producerId());
            tree.put("producer_epoch", batch.producerEpoch());
            tree.put("base_sequence", batch.baseSequence());
            tree.put("transactional", batch.isTransactional());
            tree.put("control", batch.isControlBatch());
            List<Object> items = new ArrayList<>();
            for (Record record : batch)
                items.add(record.offset() + " " + time(record.timestamp()) + " " + (record.hasKey() ? hex(record.key()) : "no key") + " "
                    + (record.hasValue() ? record.valueSize() + " bytes " + Arrays.hashCode(hex(record.value()).toCharArray()) : "no value")
                    + (record.headers().length > 0 ? " " + Arrays.toString(record.headers()) : ""));
            tree.put("records", items);
            batches.add(tree);
        }
        return batches;
    }
}
