import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.utils.Utils;

/** Which values a field may take: mostly ones that mean something to the brokers, the others wrong in every way known. */
public class Values {
    private static final Uuid STRANGER = new Uuid(4711, 815);
    private final World world;
    private final String api;

    Values(World world, String api) {
        this.world = world;
        this.api = api;
    }

    /** Arrays whose null means "all". */
    boolean oftenNull(String path) {
        return path.equals("topics") || path.endsWith("configuration_keys");
    }

    Object of(Type type, String path, List<Map<String, Object>> above) {
        String field = path.substring(path.lastIndexOf('.') + 1);
        // Old versions of AddPartitionsToTxn have one transaction, in the request itself.
        Object value = named(field.replace("v3_and_below_", ""), path.replace("v3_and_below_", ""), above);
        if (value == null) value = byType(type);
        if (value == NULL || (type.isNullable() && world.chance(nullShare(field)))) value = type.isNullable() ? null : byType(type);
        return fit(type, value);
    }

    private static final Object NULL = new Object();

    private int nullShare(String field) {
        return switch (field) {
            case "transactional_id" -> 95;
            case "group_instance_id" -> 75;
            case "protocol_type", "protocol_name", "value" -> 10;
            case "name", "topic", "records" -> 2;
            case "server_assignor", "subscribed_topic_regex" -> 60;
            default -> 30;
        };
    }

    /** True in requests that mean something only with the id and the epoch of a producer. */
    private boolean transactional() {
        return api.contains("Txn");
    }

    private Object named(String field, String path, List<Map<String, Object>> above) {
        boolean ofTopic = path.startsWith("topic") || path.startsWith("forgotten") || path.startsWith("dirs.topics") || path.contains(".topics");
        return switch (field) {
            case "topic", "topic_name", "topic_names" -> api.equals("DescribeQuorum") && world.chance(70) ? "__cluster_metadata" : topic();
            case "name" -> path.endsWith("configs.name") ? configName(above) : path.endsWith("protocols.name") ? world.one("range", "range", "roundrobin", "") : ofTopic ? topic() : null;
            case "topic_id" -> topicId();
            case "index", "partition", "partition_index", "partitions", "partition_indexes" -> world.one(0, 0, 0, 0, 0, 1, 2, 3, -1, 99);
            case "fetch_offset", "offset" -> world.one(0L, 0L, 1L, 3L, 5L, 9L, 10L, 12L, 100L, -1L, -2L, Long.MAX_VALUE);
            case "committed_offset" -> world.one(0L, 1L, 5L, 1000L, Long.MAX_VALUE, -1L, -2L);
            case "timestamp" -> world.one(-1L, -2L, -3L, -4L, -5L, -6L, -7L, 0L, 1_000L, Batch.EPOCH, Batch.EPOCH + 5, Batch.EPOCH + 10, Batch.EPOCH + 86_400_000, Long.MAX_VALUE);
            case "current_leader_epoch", "last_fetched_epoch", "leader_epoch", "committed_leader_epoch" -> world.one(-1, -1, -1, -1, 0, 0, 0, 1, 5, -2);
            case "acks" -> world.one(-1, -1, -1, 1, 1, 0, 2, -2);
            case "timeout_ms" -> world.one(5_000, 5_000, 30_000);
            case "transactional_id", "transactional_ids" -> world.fresh + world.one("txn", "txn", "txn", "txn2");
            case "transaction_timeout_ms" -> world.one(60_000, 60_000, 0, -1, Integer.MAX_VALUE);
            case "producer_id", "producer_id_filters" -> world.producers.isEmpty() || world.chance(transactional() ? 15 : 40) ? world.one(-1L, -1L, 12345L) : world.one(world.producers);
            case "producer_epoch" -> transactional() ? world.one(-1, 0, 0, 0, 0, 1) : world.one(-1, -1, 0, 0, 1);
            case "records" -> Batch.random(world.random, world.producers.isEmpty() ? null : world.one(world.producers));
            case "max_wait_ms" -> world.one(0, 0, 0, 10, 100, -1);
            case "min_bytes" -> world.one(0, 1, 1, 100, 1_000_000, -1);
            case "max_bytes" -> world.one(1_000_000, 52_428_800, Integer.MAX_VALUE, 1, 0, 200, world.chance(85) ? 100 : -1);
            case "partition_max_bytes" -> world.one(1_000_000, 1_048_576, 1_048_576, Integer.MAX_VALUE, 150, 1, 0, world.chance(85) ? 90 : -1);
            case "isolation_level" -> world.chance(97) ? world.one(0, 1) : world.one(2, -1);
            case "replica_id" -> world.one(-1, -1, -1, -1, -1, -1, -2, 1, 5);
            case "session_id" -> world.sessions.isEmpty() || world.chance(70) ? world.one(0, 0, 0, 0, 77) : world.one(new ArrayList<>(world.sessions.keySet()));
            case "session_epoch" -> sessionEpoch(above);
            case "group_id", "groups", "groups_names", "group_ids" -> path.endsWith("groups") && api.equals("OffsetFetch") ? null : group();
            case "coordinator_keys", "key" -> world.one(group(), world.fresh + "key", "");
            case "key_type" -> world.one(0, 0, 0, 1, 2, 3, -1);
            case "member_id" -> member(above);
            case "group_instance_id" -> world.one("instance-1", "instance-1", "instance-2", "");
            case "generation_id", "generation_id_or_member_epoch" -> generation(above);
            case "member_epoch" -> memberEpoch(above);
            case "session_timeout_ms" -> world.one(30_000, 30_000, 45_000, 45_000, 45_000, 45_000, 45_000, 5_000, 0, -1, 1_800_001);
            case "rebalance_timeout_ms" -> world.one(60_000, 60_000, 300_000);
            case "protocol_type" -> world.one("consumer", "consumer", "consumer", "consumer", "consumer", "consumer", "connect", "");
            case "protocol_name" -> world.one("range", "range", "range", "roundrobin", "nonsense");
            case "metadata" -> world.chance(80) ? subscription() : new byte[] {1, 2, 3};
            case "assignment" -> world.one(new byte[] {0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, new byte[] {1, 2, 3}, new byte[0]);
            case "committed_metadata" -> world.one("", "note", "note", "x".repeat(4_097), "\u2713");
            case "retention_time_ms" -> world.one(-1L, -1L, -1L, 0L, 1_000_000L);
            case "reason" -> world.one("", "because", "y".repeat(300));
            case "states_filter" -> world.one("Empty", "Stable", "stable", "Dead", "PreparingRebalance", "CompletingRebalance", "Nonsense", "");
            case "types_filter" -> world.one("classic", "Classic", "consumer", "share", "nonsense", "");
            case "num_partitions" -> world.one(1, 1, 2, 3, -1, 0, -2);
            case "replication_factor" -> world.one(1, 1, 1, -1, 0, 2, -2);
            case "count" -> world.one(1, 2, 3, 4, 5, 0, -1);
            case "broker_ids", "replicas" -> world.one(1, 1, 1, 1, 2, 0, -1);
            // To unregister. Never the rig's Kafka.
            case "broker_id" -> world.one(2, 0, -1, 4711);
            case "resource_type_filter" -> world.one(1, 2, 2, 3, 4, 5, 0, 99);
            case "pattern_type_filter", "resource_pattern_type", "pattern_type" -> world.one(1, 2, 3, 3, 4, 0, 9);
            case "principal", "principal_filter" -> world.one("User:rig", "User:*", "rig", "");
            case "host", "host_filter" -> world.one("*", "127.0.0.1", "");
            case "operation" -> world.one(1, 2, 3, 4, 12, 0, 99);
            case "permission_type" -> world.one(1, 2, 3, 3, 0, 9);
            case "resource_type", "resource_types" -> world.one(2, 2, 2, 2, 4, 4, 8, 16, 32, 0, 1, 3, 99);
            case "resource_name" -> resourceName(above);
            case "resource_name_filter" -> world.one(topic(), group(), "*", "");
            case "subscribed_topic_names" -> topic();
            case "subscribed_topic_regex" -> world.one("", "", "(", "nothing-.*");
            case "server_assignor" -> world.one("uniform", "range", "range", "nonsense", "");
            case "feature" -> world.one("metadata.version", "metadata.version", "group.version", "transaction.version", "no.such.feature", "");
            case "max_version_level" -> world.one(0, 1, 1, 2, 6, 7, 28, 29, 30, 31, -1);
            case "upgrade_type" -> world.one(1, 1, 2, 3, 0, 4);
            case "client_instance_id" -> world.clients.isEmpty() || world.chance(40) ? world.one(Uuid.ZERO_UUID, new Uuid(4711, world.prefix.hashCode())) : world.one(world.clients);
            case "subscription_id" -> world.subscriptions.isEmpty() || world.chance(30) ? world.one(0, 1, -1) : world.one(world.subscriptions);
            case "compression_type" -> world.one(0, 0, 1, 2, 3, 4, 5, -1);
            case "configuration_keys" -> configName(above);
            case "value" -> configValue(above);
            case "config_operation" -> world.one(0, 0, 0, 1, 1, 2, 3, 4, -1);
            case "election_type" -> world.one(0, 0, 1, 2);
            case "endpoint_type" -> world.one(1, 1, 1, 2, 3, 0);
            case "client_software_name" -> world.one("rig", "rig", "rig", "", "-bad", "a b", "x".repeat(200));
            case "client_software_version" -> world.one("1.0", "1.0", "1.0", "", "1 0", ".1");
            case "response_partition_limit" -> world.one(2000, 1, 2, 0, -1);
            default -> null;
        };
    }

    private String topic() {
        if (world.chance(78)) return world.one(world.topics);
        return world.one(world.fresh + "1", world.fresh + "1", world.fresh + "2", world.fresh + "-not-there", "", ".", "..", "a/b", "bad name", "x".repeat(250), "\u00e9");
    }

    private Object topicId() {
        return world.topicIds.isEmpty() || world.chance(15) ? world.one(Uuid.ZERO_UUID, STRANGER, Uuid.METADATA_TOPIC_ID) : world.one(new ArrayList<>(world.topicIds.values()));
    }

    private String group() {
        if (api.startsWith("ConsumerGroup") && world.chance(70)) return world.groups.get(3);
        if (api.startsWith("StreamsGroup") && world.chance(75)) return world.fresh + "streams";
        return world.chance(85) ? world.one(world.groups) : world.one(world.fresh + "group", world.fresh + "group", world.fresh + "absent", "");
    }

    private static String groupOf(List<Map<String, Object>> above) {
        for (int n = above.size() - 1; n >= 0; n--) if (above.get(n).get("group_id") instanceof String group) return group;
        return "";
    }

    private Object member(List<Map<String, Object>> above) {
        List<Object> known = world.members.getOrDefault(groupOf(above), List.of());
        int real = api.equals("JoinGroup") ? 50 : 80;
        if (!known.isEmpty() && world.chance(real)) return known.get(known.size() - 1 - world.random.nextInt(Math.min(3, known.size())));
        return api.matches("(Consumer|Streams)GroupHeartbeat") ? world.one("member-a", "member-a", "member-b", "") : world.one("", "", "", "stranger");
    }

    private Object generation(List<Map<String, Object>> above) {
        int now = world.generations.getOrDefault(groupOf(above), -1);
        return world.chance(75) ? now : world.one(-1, 0, 1, now + 1, 100);
    }

    /** Epoch 0 joins, -1 leaves, -2 is a static member that will come back. */
    private Object memberEpoch(List<Map<String, Object>> above) {
        int now = world.generations.getOrDefault(groupOf(above), 0);
        return world.chance(65) ? now : world.one(0, 0, 0, -1, -2, 1, now + 1, 100);
    }

    private Object sessionEpoch(List<Map<String, Object>> above) {
        Object session = above.get(above.size() - 1).get("session_id");
        if (session instanceof Symbol symbol && world.chance(80)) return world.sessions.get(symbol);
        return world.one(-1, -1, -1, 0, 0, 1, 5, -2);
    }

    private byte[] subscription() {
        return Utils.toArray(ConsumerProtocol.serializeSubscription(new Subscription(List.of(world.topics.get(0))), (short) 1));
    }

    private String configName(List<Map<String, Object>> above) {
        if (above.stream().anyMatch(Values::ofGroup))
            return world.one("consumer.session.timeout.ms", "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms", "no.such.key", "");
        return world.one("retention.ms", "retention.ms", "cleanup.policy", "max.message.bytes", "segment.bytes", "compression.type", "min.insync.replicas",
            "message.timestamp.type", "min.cleanable.dirty.ratio", "preallocate", "retention.bytes", "flush.messages", "index.interval.bytes",
            "unclean.leader.election.enable", "delete.retention.ms", "local.retention.ms", "remote.storage.enable", "message.format.version",
            "follower.replication.throttled.replicas", "no.such.key", "", "num.partitions", "log.retention.ms");
    }

    private Object configValue(List<Map<String, Object>> above) {
        Object name = above.get(above.size() - 1).get("name");
        if (world.chance(30)) return world.one("", "nonsense", "-1", "0", " 5 ", "1e3", "99999999999999999999");
        return switch (name instanceof String text ? text : "") {
            case "cleanup.policy" -> world.one("delete", "compact", "compact,delete", "delete,delete", "DELETE", "delete, compact");
            case "compression.type" -> world.one("gzip", "lz4", "zstd", "snappy", "uncompressed", "producer", "brotli");
            case "message.timestamp.type" -> world.one("CreateTime", "LogAppendTime", "createtime");
            case "min.cleanable.dirty.ratio" -> world.one("0.5", "0", "1.0", "1.1", "-0.1");
            case "preallocate", "unclean.leader.election.enable", "remote.storage.enable" -> world.one("true", "false", "TRUE", "yes");
            case "follower.replication.throttled.replicas" -> world.one("*", "0:1", "x");
            case "consumer.session.timeout.ms" -> world.one("45000", "50000", " 60000 ", "60001", "44999");
            case "consumer.heartbeat.interval.ms" -> world.one("5000", "15000", "4999", "15001");
            default -> world.one("604800000", "1048576", "100000000", "1", "10", "-2", "2147483647", "2147483648");
        };
    }

    private String resourceName(List<Map<String, Object>> above) {
        Object type = above.get(above.size() - 1).get("resource_type");
        return switch (type instanceof Byte number ? number : 0) {
            case 2 -> topic();
            case 4, 8 -> world.one("1", "1", "1", "", "2", "abc");
            case 32 -> group();
            default -> world.one("1", "", topic());
        };
    }

    /** Mends a struct whose fields go together, most of the time: a topic by name or by id, not by both. */
    void mend(Map<String, Object> tree, String path) {
        if (tree.containsKey("name") && tree.containsKey("topic_id") && world.chance(85)) {
            if (world.chance(50)) tree.put("topic_id", Uuid.ZERO_UUID);
            else tree.put("name", api.equals("Metadata") || api.equals("DeleteTopics") ? null : "");
        }
        if (tree.containsKey("assignments") && tree.containsKey("num_partitions") && world.chance(75)) tree.put("assignments", List.of());
        if (tree.containsKey("assignments") && tree.containsKey("count") && world.chance(60)) tree.put("assignments", null);
        if (tree.containsKey("num_partitions") && world.chance(50)) tree.put("configs", List.of());
        if (api.equals("StreamsGroupHeartbeat") && path.isEmpty()) mendStreams(tree);
        // The key of a share group is a group, a topic and a partition; anything else is refused by both.
        if (api.equals("FindCoordinator") && Byte.valueOf((byte) 2).equals(tree.get("key_type"))) {
            String key = group() + ":" + STRANGER + ":0";
            tree.computeIfPresent("key", (name, any) -> key);
            tree.computeIfPresent("coordinator_keys", (name, any) -> List.of(key));
        }
        // Of the only quorum half the time: a random partition is refused.
        if (api.equals("DescribeQuorum") && path.isEmpty() && world.chance(50))
            tree.put("topics", List.of(Map.of("topic_name", "__cluster_metadata", "partitions", List.of(Map.of("partition_index", 0)))));
        if (api.equals("ListGroups") && world.chance(50)) tree.computeIfPresent("types_filter", (key, any) -> List.of());
        // Features outlive the seed as well; before version 1 a request cannot be one that only asks.
        if (tree.get("feature_updates") instanceof List<?> updates && tree.replace("validate_only", true) == null)
            tree.put("feature_updates", updates.stream().map(update -> renamed((Map<?, ?>) update)).toList());
        // The broker's own keys outlive the seed, so they are never really changed.
        if (tree.get("resources") instanceof List<?> resources && tree.containsKey("validate_only") && !resources.stream().allMatch(resource -> ofTopic(resource) || ofGroup(resource)))
            tree.put("validate_only", true);
    }

    /** Most heartbeats of streams groups are such as could be served: random fields alone hardly ever are. */
    private void mendStreams(Map<String, Object> tree) {
        if (world.chance(10)) return;
        for (String refused : List.of("instance_id", "task_offsets", "task_end_offsets")) tree.put(refused, null);
        boolean joins = Integer.valueOf(0).equals(tree.get("member_epoch"));
        tree.put("process_id", joins || world.chance(10) ? world.one("p", "p", "q") : null);
        tree.put("shutdown_application", world.chance(5));
        if (world.chance(80)) for (String unchanged : List.of("rack_id", "client_tags", "user_endpoint")) tree.put(unchanged, null);
        // With a tag that is named twice Kafka fails, and the seed ends.
        if (tree.get("client_tags") instanceof List<?> tags && tags.size() > 1) tree.put("client_tags", List.of(tags.get(0)));
        if (joins) {
            tree.put("rebalance_timeout_ms", 60_000);
            tree.put("topology", topology());
            for (String list : List.of("active_tasks", "standby_tasks", "warmup_tasks")) tree.put(list, List.of());
            return;
        }
        tree.put("rebalance_timeout_ms", -1);
        tree.put("topology", null);
        List<Integer> some = new ArrayList<>();
        for (int task = 0; task < 3; task++) if (world.chance(50)) some.add(task);
        boolean says = world.chance(60);
        tree.put("active_tasks", !says ? null : some.isEmpty() ? List.of() : List.of(new LinkedHashMap<>(Map.of("subtopology_id", "0", "partitions", some))));
        for (String list : List.of("standby_tasks", "warmup_tasks")) tree.put(list, says ? List.of() : null);
    }

    /** One subtopology without internal topics, so that nothing depends on when a broker has created them. */
    private Map<String, Object> topology() {
        String source = world.chance(90) ? world.topics.get(1) : world.topics.get(0);
        Map<String, Object> parts = new LinkedHashMap<>(Map.of("subtopology_id", "0", "source_topics", List.of(world.chance(95) ? source : topic())));
        for (String list : List.of("source_topic_regex", "state_changelog_topics", "repartition_sink_topics", "repartition_source_topics", "copartition_groups")) parts.put(list, List.of());
        return new LinkedHashMap<>(Map.of("epoch", world.one(0, 0, 0, 0, 0, 0, 0, 1), "subtopologies", List.of(parts)));
    }

    private static Map<String, Object> renamed(Map<?, ?> update) {
        Map<String, Object> copy = new LinkedHashMap<>();
        update.forEach((name, value) -> copy.put((String) name, name.equals("feature") ? "no.such.feature" : value));
        return copy;
    }

    private static boolean ofTopic(Object resource) {
        return isOf(2, resource);
    }

    private static boolean ofGroup(Object resource) {
        return isOf(32, resource);
    }

    private static boolean isOf(int type, Object resource) {
        return resource instanceof Map<?, ?> map && Byte.valueOf((byte) type).equals(map.get("resource_type"));
    }

    private Object byType(Type type) {
        String name = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
        return switch (name) {
            case "BOOLEAN" -> world.chance(40);
            case "STRING" -> world.one("", "abc", "1");
            case "BYTES" -> world.one(new byte[0], new byte[] {1, 2, 3});
            case "UUID" -> Uuid.ZERO_UUID;
            case "RECORDS" -> Batch.good(1);
            case "FLOAT64" -> world.one(0.0, 1.5, -1.0);
            default -> world.one(0, 1, -1, 5);
        };
    }

    private static Object fit(Type type, Object value) {
        if (!(value instanceof Number number)) return value;
        return switch (type.toString()) {
            case "INT8" -> number.byteValue();
            case "INT16" -> number.shortValue();
            case "INT32", "UINT16" -> number.intValue();
            case "UINT32", "INT64" -> number.longValue();
            case "FLOAT64" -> number.doubleValue();
            default -> value;
        };
    }

    /** The fields of a tree that a schema has, with numbers of its types. */
    static Map<String, Object> fitted(Schema schema, Map<?, ?> tree) {
        Map<String, Object> fitted = new LinkedHashMap<>();
        for (BoundField field : schema.fields()) if (tree.containsKey(field.def.name)) fitted.put(field.def.name, fitted(field.def.type, tree.get(field.def.name)));
        return fitted;
    }

    private static Object fitted(Type type, Object value) {
        if (value == null) return zero(type);
        if (value instanceof Map<?, ?> map) return fitted((Schema) type, map);
        if (value instanceof List<?> list) return list.stream().map(item -> fitted(type.arrayElementType().orElseThrow(), item)).toList();
        return fit(type, value);
    }

    static Object zero(Type type) {
        if (type.isNullable()) return null;
        if (type.arrayElementType().isPresent()) return List.of();
        String name = type.toString().replace("COMPACT_", "");
        return switch (name) {
            case "BOOLEAN" -> false;
            case "STRING" -> "";
            case "BYTES" -> new byte[0];
            case "UUID" -> Uuid.ZERO_UUID;
            default -> fit(type, 0);
        };
    }
}
