import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ApiMessageType;

/** The requests of one sequence: mostly those of a client in this state, some with one field wrong. */
final class TransactionRequests {
    /** A transactional id, with the producer id, the epoch and the sequences that its client would have. */
    static final class Producer {
        final String id;
        private final List<Object> ids = new ArrayList<>();
        private final Map<String, Integer> next = new HashMap<>();
        private final Map<String, Batch> written = new HashMap<>();
        /** The groups of the transaction that is open. */
        final Set<Object> groups = new HashSet<>();
        short epoch = -1;

        Producer(String id) {
            this.id = id;
        }

        Object pid() {
            return ids.isEmpty() ? (Object) (-1L) : ids.get(ids.size() - 1);
        }

        boolean had(Object pid) {
            return ids.contains(pid);
        }

        /** The broker answered with this producer id and epoch. A new one of either begins its sequences at 0. */
        void is(Object pid, short now) {
            if (pid.equals(pid()) && now == epoch) return;
            if (!pid.equals(pid())) ids.add(pid);
            epoch = now;
            next.clear();
        }

        void wrote(String partition, Batch batch) {
            if (!batch.producer().equals(pid()) || batch.epoch() != epoch) return;
            written.put(partition, batch);
            next.put(partition, Math.max(next.getOrDefault(partition, 0), batch.sequence() + batch.records()));
        }
    }

    /** Longer than a seed takes on a busy machine: Ottla ends a transaction in time, Kafka up to ten seconds later. */
    private static final int TIMEOUT_MS = 600_000;

    /** A producer id that no broker gave out. */
    static final Long STRANGER = 987_654_321L;

    private final World world;
    private final List<Producer> producers;
    private final String name;
    private final int protocol;
    private final Map<ApiMessageType, Served.Api> served;
    private final Map<String, Long> ends;
    private final Map<String, Long> starts;

    /** `protocol` 1 or 2 is that of the client, 0 a mixture. `ends` has the end of each partition as the last Fetch showed it. */
    TransactionRequests(World world, List<Producer> producers, String name, int protocol, Map<ApiMessageType, Served.Api> served, Map<String, Long> ends) {
        this.world = world;
        this.producers = producers;
        this.name = name;
        this.protocol = protocol;
        this.served = served;
        this.ends = ends;
        starts = new HashMap<>(ends);
    }

    Exchange.Step step(ApiMessageType type) {
        Producer producer = world.one(producers);
        return switch (type) {
            case PRODUCE -> produce(producer);
            case INIT_PRODUCER_ID -> init(producer);
            case ADD_PARTITIONS_TO_TXN -> addPartitions(producer);
            case ADD_OFFSETS_TO_TXN -> build(type, any(type), owner(producer, tree("group_id", group())));
            case END_TXN -> build(type, older(type, 4), owner(producer, tree("committed", world.chance(60))));
            case TXN_OFFSET_COMMIT -> commit(type, older(type, 4), producer);
            case OFFSET_COMMIT -> commit(type, any(type), null);
            case WRITE_TXN_MARKERS -> markers(producer);
            case FETCH -> fetch(any(type), world.chance(50) ? starts : Map.of(), world.one(0, 1, 1), world.one(1_000_000, 1_000_000, 200));
            case LIST_OFFSETS -> build(type, any(type), tree("replica_id", -1, "isolation_level", world.one(0, 1, 1), "timeout_ms", 5_000, "topics",
                world.topics.stream().map(topic -> tree("name", topic, "partitions", List.of(tree("partition_index", 0, "current_leader_epoch", -1, "timestamp", world.one(-1L, -1L, -1L, -2L, -3L, Batch.EPOCH))))).toList()));
            case OFFSET_FETCH -> fetchOffsets(any(type), group(), world.chance(60));
            case DESCRIBE_PRODUCERS -> build(type, any(type), tree("topics", List.of(tree("name", topic(), "partition_indexes", List.of(0, 1)))));
            case DESCRIBE_TRANSACTIONS -> describe(world.chance(80) ? List.of(producer.id) : List.of(id(producer), world.one("", name + "-absent")));
            case LIST_TRANSACTIONS -> list(producer);
            case UPDATE_FEATURES -> feature();
            case DELETE_GROUPS -> build(type, any(type), tree("groups_names", List.of(group())));
            case OFFSET_DELETE -> build(type, any(type), tree("group_id", group(), "topics", List.of(tree("name", topic(), "partitions", List.of(tree("partition_index", 0))))));
            case FIND_COORDINATOR -> build(type, any(type), tree("key", producer.id, "key_type", 1, "coordinator_keys", List.of(producer.id)));
            default -> throw new IllegalArgumentException(type.name);
        };
    }

    /** The request that a client begins with. */
    Exchange.Step first(Producer producer) {
        ApiMessageType type = ApiMessageType.INIT_PRODUCER_ID;
        return build(type, any(type), tree("transactional_id", producer.id, "transaction_timeout_ms", TIMEOUT_MS, "producer_id", -1L, "producer_epoch", -1));
    }

    /** Ends what the producer has open: as its client, or as the next one with the same id. */
    Exchange.Step last(Producer producer) {
        ApiMessageType type = ApiMessageType.END_TXN;
        if (world.chance(40)) return first(producer);
        return build(type, older(type, 4), tree("transactional_id", producer.id, "producer_id", producer.pid(), "producer_epoch", producer.epoch, "committed", world.chance(50)));
    }

    Exchange.Step consumer() {
        return build(ApiMessageType.CONSUMER_GROUP_HEARTBEAT, any(ApiMessageType.CONSUMER_GROUP_HEARTBEAT), tree("group_id", name + "-group", "member_id", name + "-member",
            "member_epoch", 0, "rebalance_timeout_ms", 60_000, "subscribed_topic_names", List.of(world.topics.get(1)), "server_assignor", null, "topic_partitions", List.of()));
    }

    Exchange.Step join() {
        return build(ApiMessageType.JOIN_GROUP, 3, tree("group_id", name + "-group", "session_timeout_ms", 45_000, "rebalance_timeout_ms", 60_000, "member_id", "",
            "protocol_type", "consumer", "protocols", List.of(tree("name", "range", "metadata", new byte[0]))));
    }

    /** The leader's assignment, without which its group would stay in CompletingRebalance; one in five does. */
    Exchange.Step sync() {
        if (world.chance(20)) return fetchOffsets(any(ApiMessageType.OFFSET_FETCH), name + "-group", true);
        return build(ApiMessageType.SYNC_GROUP, 3, tree("group_id", name + "-group", "generation_id", generation(name + "-group"), "member_id", member(name + "-group"), "assignments", List.of()));
    }

    /** Requests that show this sequence as readers see it: records, markers, last stable offsets and aborted lists since its start, ids, offsets. */
    List<Exchange.Step> views() {
        List<Exchange.Step> steps = new ArrayList<>();
        steps.add(fetch(any(ApiMessageType.FETCH), starts, 1, 1_000_000));
        steps.add(fetch(any(ApiMessageType.FETCH), starts, 0, 1_000_000));
        steps.add(describe(producers.stream().map(producer -> producer.id).toList()));
        steps.add(fetchOffsets(8, name + "-group", world.chance(50)));
        if (world.chance(20)) steps.add(step(ApiMessageType.DESCRIBE_PRODUCERS));
        return steps;
    }

    private Exchange.Step produce(Producer producer) {
        ApiMessageType type = ApiMessageType.PRODUCE;
        int version = older(type, 11);
        boolean plain = world.chance(5);
        List<String> topics = world.chance(20) && version < 13 ? world.topics : List.of(topic());
        List<Object> data = new ArrayList<>();
        for (String topic : topics) {
            int index = partition(topic);
            data.add(tree("name", topic, "topic_id", topicId(topic), "partition_data", List.of(tree("index", index, "records", plain ? Batch.good(1) : batch(producer, topic + "/" + index)))));
        }
        Object id = world.chance(96) ? plain ? null : id(producer) : plain ? producer.id : null;
        return build(type, version, tree("transactional_id", id, "acks", world.one(-1, -1, -1, 1), "timeout_ms", 10_000, "topic_data", data));
    }

    private Batch batch(Producer producer, String partition) {
        Batch before = producer.written.get(partition);
        if (before != null && world.chance(5)) return before;
        int next = producer.next.getOrDefault(partition, 0);
        int sequence = world.chance(93) ? next : world.one(0, next + 1, Integer.MAX_VALUE);
        return new Batch(Batch.Fault.NONE, Compression.NONE, "none", 1 + world.random.nextInt(3), 10, Batch.Timing.NORMAL, true, pid(producer), epoch(producer), sequence, world.chance(97));
    }

    private Exchange.Step init(Producer producer) {
        ApiMessageType type = ApiMessageType.INIT_PRODUCER_ID;
        boolean goesOn = world.chance(60);
        return build(type, any(type), tree("transactional_id", world.chance(95) ? producer.id : world.one("", null, name + "-other"),
            "transaction_timeout_ms", world.chance(95) ? TIMEOUT_MS : world.one(0, -1, 900_000, 900_001),
            "producer_id", goesOn ? pid(producer) : -1L, "producer_epoch", goesOn ? epoch(producer) : world.chance(96) ? -1 : 0));
    }

    private Exchange.Step addPartitions(Producer producer) {
        ApiMessageType type = ApiMessageType.ADD_PARTITIONS_TO_TXN;
        Map<String, Object> one = owner(producer, tree("topics", List.of(tree("name", topic(), "partitions", List.of(partition(world.topics.get(0)), world.one(1, 2, 7))))));
        one.put("verify_only", world.chance(30));
        Map<String, Object> tree = tree("transactions", List.of(one));
        if (producers.size() > 1 && world.chance(30)) tree.put("transactions", List.of(one, other(producer, one)));
        one.forEach((field, value) -> tree.put("v3_and_below_" + field, value));
        return build(type, world.chance(75) ? world.random.nextInt(4) : any(type), tree);
    }

    private Map<String, Object> other(Producer producer, Map<String, Object> one) {
        Producer other = producers.get(producer == producers.get(0) ? 1 : 0);
        Map<String, Object> copy = new LinkedHashMap<>(one);
        copy.putAll(Map.of("transactional_id", one.get("transactional_id").equals(other.id) ? producer.id : other.id, "producer_id", other.pid(), "producer_epoch", other.epoch));
        return copy;
    }

    /** Offsets in a transaction, or plain ones where there is no producer. */
    private Exchange.Step commit(ApiMessageType type, int version, Producer producer) {
        String group = group();
        Map<String, Object> tree = producer == null ? tree() : owner(producer, tree());
        boolean right = world.chance(88);
        int generation = right ? generation(group) : world.one(-1, 0, 1, 5);
        Object member = right ? member(group) : world.one("", "stranger");
        tree.putAll(tree("group_id", group, "generation_id", generation, "generation_id_or_member_epoch", generation, "member_id", member,
            "group_instance_id", world.chance(97) ? null : "instance", "retention_time_ms", -1L));
        String topic = world.chance(94) ? topic() : name + "-absent";
        Map<String, Object> partition = tree("partition_index", partition(topic), "committed_offset", (long) world.random.nextInt(50), "committed_leader_epoch", -1,
            "committed_metadata", world.chance(96) ? world.one("", "note", null) : "x".repeat(4_097));
        tree.put("topics", List.of(tree("name", topic, "topic_id", topicId(topic), "partitions", List.of(partition))));
        return build(type, version, tree);
    }

    private Exchange.Step markers(Producer producer) {
        Map<String, Object> marker = tree("producer_id", world.chance(85) ? producer.pid() : STRANGER, "producer_epoch", world.chance(60) ? producer.epoch : world.one(producer.epoch + 1, producer.epoch - 1, 0, 5),
            "transaction_result", world.chance(30), "coordinator_epoch", world.one(0, 0, 0, 1, -1), "transaction_version", world.one(0, 1, 2),
            "topics", List.of(tree("name", topic(), "partition_indexes", List.of(world.one(0, 0, 0, 1, 9)))));
        return build(ApiMessageType.WRITE_TXN_MARKERS, any(ApiMessageType.WRITE_TXN_MARKERS), tree("markers", List.of(marker)));
    }

    private Exchange.Step fetch(int version, Map<String, Long> from, int isolation, int bytes) {
        List<Object> topics = new ArrayList<>();
        for (String topic : world.topics) {
            List<Object> partitions = new ArrayList<>();
            for (int index = 0; index < partitions(topic); index++) {
                long offset = from.getOrDefault(topic + "/" + index, world.chance(50) ? 0L : ends.getOrDefault(topic + "/" + index, 0L));
                partitions.add(tree("partition", index, "current_leader_epoch", -1, "fetch_offset", offset, "last_fetched_epoch", -1, "log_start_offset", -1L, "partition_max_bytes", bytes));
            }
            topics.add(tree("topic", topic, "topic_id", topicId(topic), "partitions", partitions));
        }
        return build(ApiMessageType.FETCH, version, tree("replica_id", -1, "max_wait_ms", 0, "min_bytes", 0, "max_bytes", 52_428_800, "isolation_level", isolation,
            "session_id", 0, "session_epoch", -1, "topics", topics));
    }

    private Exchange.Step fetchOffsets(int version, String group, boolean stable) {
        List<Object> topics = new ArrayList<>();
        for (String topic : world.topics) {
            List<Integer> indexes = new ArrayList<>();
            for (int index = 0; index < partitions(topic); index++) indexes.add(index);
            topics.add(tree("name", topic, "topic_id", topicId(topic), "partition_indexes", indexes));
        }
        Map<String, Object> one = tree("group_id", group, "member_id", null, "member_epoch", -1, "topics", topics);
        Map<String, Object> tree = new LinkedHashMap<>(one);
        tree.putAll(tree("groups", List.of(one), "require_stable", stable));
        return build(ApiMessageType.OFFSET_FETCH, version, tree);
    }

    private Exchange.Step describe(List<?> ids) {
        return build(ApiMessageType.DESCRIBE_TRANSACTIONS, 0, tree("transactional_ids", ids));
    }

    /** Always of few ids: those of all other seeds are still there. */
    private Exchange.Step list(Producer producer) {
        int version = any(ApiMessageType.LIST_TRANSACTIONS);
        boolean pattern = version >= 2 && world.chance(60);
        return build(ApiMessageType.LIST_TRANSACTIONS, version, tree("state_filters", world.chance(50) ? List.of() : List.of(world.one("Ongoing", "Empty", "CompleteCommit", "CompleteAbort", "Nonsense")),
            "producer_id_filters", pattern ? List.of() : List.of(pid(producer)), "duration_filter", world.one(-1L, -1L, 0L, 1_000_000L),
            "transactional_id_pattern", pattern ? world.one(name + ".*", name + "-txn", ".*-txn2", "(", "").replace(".*-txn2", name + "-t.n2") : null));
    }

    /** Moves a feature, or tries to. */
    private Exchange.Step feature() {
        int version = any(ApiMessageType.UPDATE_FEATURES);
        int level = world.chance(95) ? world.random.nextInt(3) : world.one(-1, 3);
        return feature(version, world.chance(85) ? "transaction.version" : "streams.version", level, world.one(1, 1, 2, 3, 3), world.chance(10));
    }

    static Exchange.Step feature(int version, String feature, int level, int type, boolean only) {
        return build(ApiMessageType.UPDATE_FEATURES, version, tree("timeout_ms", 10_000, "validate_only", only,
            "feature_updates", List.of(tree("feature", feature, "max_version_level", level, "upgrade_type", type, "allow_downgrade", type > 1))));
    }

    private Map<String, Object> owner(Producer producer, Map<String, Object> more) {
        Map<String, Object> tree = tree("transactional_id", id(producer), "producer_id", pid(producer), "producer_epoch", epoch(producer));
        tree.putAll(more);
        return tree;
    }

    private String id(Producer producer) {
        return world.chance(97) ? producer.id : world.one(world.one(producers).id, name + "-absent", "");
    }

    private Object pid(Producer producer) {
        return world.chance(96) ? producer.pid() : world.one(world.one(producers).pid(), producer.ids.isEmpty() ? -1L : producer.ids.get(0), STRANGER, -1L);
    }

    private short epoch(Producer producer) {
        int epoch = producer.epoch;
        return (short) (int) (world.chance(92) ? epoch : world.one(epoch - 1, epoch - 1, epoch - 1, epoch + 1, epoch + 1, 0, 0, world.one(0, 0, -1)));
    }

    private String group() {
        return world.chance(85) ? name + "-group" : world.one(name + "-group2", name + "-group2", "");
    }

    private int generation(String group) {
        return world.generations.getOrDefault(group, -1);
    }

    private Object member(String group) {
        List<Object> known = world.members.getOrDefault(group, List.of());
        return known.isEmpty() ? "" : known.get(known.size() - 1);
    }

    private String topic() {
        return world.one(world.topics);
    }

    private int partitions(String topic) {
        return topic.equals(world.topics.get(0)) ? 1 : 3;
    }

    private int partition(String topic) {
        return world.chance(98) ? world.random.nextInt(partitions(topic)) : 7;
    }

    private Object topicId(String topic) {
        return world.topicIds.containsKey(topic) ? world.topicIds.get(topic) : Uuid.ZERO_UUID;
    }

    private int any(ApiMessageType type) {
        Served.Api api = served.get(type);
        return api.low() + world.random.nextInt(api.high() - api.low() + 1);
    }

    /** A version of the client's protocol, of which `last` is the newest of the older one. */
    private int older(ApiMessageType type, int last) {
        Served.Api api = served.get(type);
        boolean older = protocol == 0 ? world.chance(50) : protocol == 1 ? world.chance(98) : world.chance(2);
        return older ? api.low() + world.random.nextInt(last - api.low() + 1) : last + 1 + world.random.nextInt(api.high() - last);
    }

    private static Map<String, Object> tree(Object... pairs) {
        Map<String, Object> tree = new LinkedHashMap<>();
        for (int n = 0; n < pairs.length; n += 2) tree.put((String) pairs[n], pairs[n + 1]);
        return tree;
    }

    private static Exchange.Step build(ApiMessageType type, int version, Map<String, Object> tree) {
        return new Exchange.Step(type, version, Values.fitted(type.requestSchemas()[version], tree), Exchange.Damage.NONE, 0);
    }
}
