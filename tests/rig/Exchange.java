import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.types.SchemaException;
import org.apache.kafka.common.utils.ByteUtils;

/** Puts steps to both brokers and takes what they do: an answer, silence, a closed connection. */
public class Exchange {
    /** How a request is spoilt after it was encoded. */
    enum Damage { NONE, CUT, LONGER, VERSION, KEY }

    /** A request for both sides, and their answers (Kafka's first) once they are there. */
    static final class Step {
        private final ApiMessageType type;
        private final short version;
        final Map<String, Object> tree;
        final Damage damage;
        final int salt;
        /** A fact about the state in which the step was sent, for the list of differences. */
        String note = "";
        /** The user that sends it; null is the client without a login. */
        Identity as;
        final Object[] answers = new Object[2];
        final Side.Line[] lines = new Side.Line[2];

        Step(ApiMessageType type, int version, Map<String, Object> tree, Damage damage, int salt) {
            this.type = type;
            this.version = (short) version;
            this.tree = tree;
            this.damage = damage;
            this.salt = salt;
        }

        ApiMessageType type() {
            return type;
        }

        short version() {
            return version;
        }

        boolean reads() {
            return damage != Damage.NONE || READS.contains(type.name);
        }

        @Override
        public String toString() {
            return type.name + " v" + version + " " + show(tree) + (Requests.repeats(tree) ? " named twice" : "") + note + (as == null ? "" : " by " + as) + (damage == Damage.NONE ? "" : " damaged: " + damage + " " + salt);
        }

        private static String show(Object value) {
            if (value instanceof byte[] bytes) return Arrays.toString(bytes);
            if (value instanceof List<?> list) return list.stream().map(Step::show).toList().toString();
            if (!(value instanceof Map<?, ?> map)) return String.valueOf(value);
            List<String> parts = new ArrayList<>();
            map.forEach((name, one) -> parts.add(name + "=" + show(one)));
            return "{" + String.join(", ", parts) + "}";
        }
    }

    /** Requests that may be sent again without changing anything. */
    private static final Set<String> READS = Set.of("ListOffsets", "Metadata", "OffsetFetch", "FindCoordinator", "DescribeGroups", "ListGroups",
        "ApiVersions", "OffsetForLeaderEpoch", "DescribeConfigs", "DescribeLogDirs", "DescribeCluster", "DescribeAcls", "DescribeClientQuotas",
        "DescribeUserScramCredentials", "ListPartitionReassignments", "DescribeQuorum", "DescribeProducers", "DescribeTransactions", "ListTransactions",
        "ConsumerGroupDescribe", "ListConfigResources", "UpdateFeatures", "DescribeTopicPartitions", "ShareGroupDescribe", "StreamsGroupDescribe");
    /** Changes that Kafka answers before all of its parts know of them; Metadata may create a topic as well. */
    private static final Set<String> SETTLES = Set.of("CreateTopics", "DeleteTopics", "CreatePartitions", "AlterConfigs", "IncrementalAlterConfigs",
        "CreateAcls", "DeleteAcls", "AlterUserScramCredentials");
    private static final Set<String> MAY_WAIT = Set.of("JoinGroup", "SyncGroup");
    private static final int FENCE = 1_000_000;

    private final Side[] sides;
    private final World world;
    private final boolean together;
    private final List<Step> waiting = new ArrayList<>();
    private int correlation;

    Exchange(Side kafka, Side ottla, World world) {
        this(kafka, ottla, world, false);
    }

    /** `together`: both sides work on a request at the same time, which takes half as long. */
    Exchange(Side kafka, Side ottla, World world, boolean together) {
        this.sides = new Side[] {kafka, ottla};
        this.world = world;
        this.together = together;
    }

    /** Sends to both; false if neither has answered yet and the step stands in line for `late`. */
    boolean send(Step step) throws Exception {
        correlation++;
        boolean waits = MAY_WAIT.contains(step.type.name);
        for (int side = 0; side < 2; side++) {
            step.lines[side] = waits ? sides[side].open(step.as) : sides[side].main(step.as);
            step.answers[side] = null;
            put(step, side);
            // One after the other: the time between them is then at most one answer long.
            if (!waits && !together) finish(step, side);
        }
        for (int side = 0; side < 2; side++) if (!waits && together) finish(step, side);
        if (step.damage == Damage.NONE && step.tree.get("transactional_id") instanceof String id) conclude(step, id);
        List<Object> made = made(step);
        if (SETTLES.contains(step.type.name) || !made.isEmpty()) settle(made);
        if (step.type.name.matches("(Create|Delete)Acls")) agree();
        if (!waits || take(step, 250)) return true;
        waiting.add(step);
        return false;
    }

    private void finish(Step step, int side) throws IOException {
        step.answers[side] = await(step, side, Side.PATIENCE);
        // A late answer must not be taken for that to the next request.
        if ("silent".equals(step.answers[side])) step.lines[side].close();
    }

    /**
     * Waits until Kafka has written the markers of a transaction whose end it has begun. Where it tells InitProducerId to come
     * again, and Ottla has done it, Kafka is asked again, as its clients do (ADR 14).
     */
    private void conclude(Step step, String id) throws Exception {
        String code = code(step.answers[0]);
        boolean ends = step.type == ApiMessageType.END_TXN && code.equals("NONE") || code.equals("CONCURRENT_TRANSACTIONS");
        for (int again = 0; ends && again < 500 && state(id).startsWith("Prepare"); again++) Thread.sleep(Math.min(2 + again, 10));
        if (step.type != ApiMessageType.INIT_PRODUCER_ID || !code.equals("CONCURRENT_TRANSACTIONS") || !code(step.answers[1]).equals("NONE")) return;
        step.answers[0] = null;
        put(step, 0);
        step.answers[0] = await(step, 0, Side.PATIENCE);
    }

    private static String code(Object answer) {
        return answer instanceof Map<?, ?> map ? String.valueOf(map.get("error_code")) : "";
    }

    /** State of a transactional id by Kafka; empty if it does not know the id. */
    String state(String id) throws Exception {
        Object answer = ask(0, new Step(ApiMessageType.DESCRIBE_TRANSACTIONS, 0, Map.of("transactional_ids", List.of(id)), Damage.NONE, 0));
        if (!(answer instanceof Map<?, ?> map) || !(map.get("transaction_states") instanceof List<?> states) || states.isEmpty()) return "";
        return String.valueOf(((Map<?, ?>) states.get(0)).get("transaction_state"));
    }

    /** Waits until both brokers advertise a feature at a level; 0 is a feature that is off. */
    void levels(String feature, int level) throws Exception {
        for (int side = 0; side < 2; side++) {
            for (int again = 0; again < 500 && level(side, feature) != level; again++) Thread.sleep(5);
        }
    }

    private int level(int side, String feature) throws Exception {
        Step step = new Step(ApiMessageType.API_VERSIONS, 3, Map.of("client_software_name", "rig", "client_software_version", "1"), Damage.NONE, 0);
        if (!(ask(side, step) instanceof Map<?, ?> answer) || !(answer.get("finalized_features") instanceof List<?> features)) return 0;
        for (Object one : features)
            if (one instanceof Map<?, ?> map && feature.equals(map.get("name"))) return (Short) map.get("max_version_level");
        return 0;
    }

    /** The symbol for Kafka's id of a producer; the id itself if there is none. */
    Object producer(long id) {
        Symbol symbol = sides[0].symbolOf(Symbol.Kind.PRODUCER, id);
        return symbol == null ? (Object) id : symbol;
    }

    /** The symbol for Kafka's id of a topic; the argument itself if there is none. */
    Object topic(Object id) {
        Symbol symbol = sides[0].symbolOf(Symbol.Kind.TOPIC, id);
        return symbol == null ? id : symbol;
    }

    /** The topics that Kafka has begun to make. */
    private static List<Object> made(Step step) {
        boolean creates = step.type == ApiMessageType.CREATE_TOPICS && !Boolean.TRUE.equals(step.tree.get("validate_only"));
        boolean mayCreate = step.type == ApiMessageType.METADATA && !Boolean.FALSE.equals(step.tree.get("allow_auto_topic_creation"));
        if (!creates && !mayCreate || !(step.answers[0] instanceof Map<?, ?> answer)) return List.of();
        String code = creates ? "NONE" : "UNKNOWN_TOPIC_OR_PARTITION";
        List<Object> names = new ArrayList<>();
        for (Object topic : (List<?>) answer.get("topics"))
            if (topic instanceof Map<?, ?> one && code.equals(one.get("error_code")) && one.get("name") != null) names.add(one.get("name"));
        return names;
    }

    /** Waits until Kafka's metadata and its logs are where its controller is, and know these topics. */
    private void settle(List<Object> made) throws Exception {
        Thread.sleep(40);
        List<String> names = new ArrayList<>(world.topics);
        names.addAll(List.of(world.fresh + "1", world.fresh + "2", world.fresh + "-not-there"));
        // In other runs a topic may be refused after this, so that the wait is in vain.
        for (int again = 0; again < (together ? 500 : 60); again++) {
            if (again > 0) Thread.sleep(40);
            Object known = ask(0, new Step(ApiMessageType.METADATA, 5, Map.of("topics", names.stream().map(name -> Map.of("name", name)).toList()), Damage.NONE, 0));
            if (!(known instanceof Map<?, ?>)) continue;
            List<Object> partitions = new ArrayList<>();
            Set<Object> unknown = new HashSet<>(made);
            for (Object topic : (List<?>) ((Map<?, ?>) known).get("topics")) {
                Map<?, ?> one = (Map<?, ?>) topic;
                if ("NONE".equals(one.get("error_code"))) unknown.remove(one.get("name"));
                for (Object partition : (List<?>) one.get("partitions"))
                    partitions.add(Map.of("name", one.get("name"), "partitions", List.of(Map.of("partition_index", ((Map<?, ?>) partition).get("partition_index"), "timestamp", -1L))));
            }
            Object ends = ask(0, new Step(ApiMessageType.LIST_OFFSETS, 1, Map.of("replica_id", -1, "topics", partitions), Damage.NONE, 0));
            if (unknown.isEmpty() && !(known + "" + ends).matches("(?s).*(LEADER|error_code=UNKNOWN_TOPIC_OR_PARTITION, timestamp).*")) return;
        }
    }

    /** Waits until both decide by the same entries: Kafka's broker learns of a change after its controller has answered. */
    private void agree() throws Exception {
        for (int again = 0; again < 100; again++) {
            if (again > 0) Thread.sleep(20);
            Step step = Acls.describe();
            if (Acls.entries(ask(0, step)).equals(Acls.entries(ask(1, step)))) return;
        }
    }

    /** One side's answer to the client without a login. */
    Object ask(int side, Step step) throws Exception {
        step.lines[side] = sides[side].main();
        put(step, side);
        return await(step, side, Side.PATIENCE);
    }

    /** True if both have answered; waits that many ms for the first and longer for the second. */
    private boolean take(Step step, int millis) throws IOException {
        for (int side = 0; side < 2; side++) step.answers[side] = await(step, side, millis);
        if ("silent".equals(step.answers[0]) && "silent".equals(step.answers[1])) return false;
        for (int side = 0; side < 2; side++) {
            if ("silent".equals(step.answers[side])) step.answers[side] = await(step, side, Side.PATIENCE);
            step.lines[side].close();
        }
        return true;
    }

    /** The steps whose answers have come meanwhile; at the end of a seed also those where only one broker is silent. */
    List<Step> late(boolean last) throws IOException {
        List<Step> done = new ArrayList<>();
        for (Iterator<Step> it = waiting.iterator(); it.hasNext();) {
            Step step = it.next();
            if (!take(step, last ? 100 : 1)) continue;
            it.remove();
            done.add(step);
        }
        return done;
    }

    Compare compare(Step step) {
        learn(step);
        Compare compare = new Compare(sides[0], sides[1], world, step.tree);
        Object left = own(step.answers[0]);
        Object right = own(step.answers[1]);
        if (left instanceof Map && right instanceof Map) return compare.run(left, right);
        if (!left.equals(right))
            compare.differences.add(new Compare.Difference("connection", "connection", left instanceof Map ? "answered" : left, right instanceof Map ? "answered" : right));
        return compare;
    }

    /** Without what belongs to other seeds, whose state need not be the same on both sides. */
    private Object own(Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> kept = new LinkedHashMap<>();
            map.forEach((name, one) -> kept.put((String) name, own(one)));
            return kept;
        }
        if (value instanceof List<?> list) return list.stream().filter(item -> !foreign(item)).map(this::own).toList();
        return value;
    }

    private boolean foreign(Object item) {
        if (!(item instanceof Map<?, ?> map)) return false;
        for (String key : List.of("name", "topic", "topic_name", "group_id", "resource_name", "transactional_id"))
            if (map.get(key) instanceof String name && name.matches("rig[0-9a-z]{6,9}-.*") && !name.startsWith(world.prefix)) return true;
        return false;
    }

    private void learn(Step step) {
        if (!(step.answers[0] instanceof Map<?, ?> answer) || !(step.tree.get("group_id") instanceof String group)) return;
        if (step.type.name.equals("JoinGroup") && answer.get("generation_id") instanceof Integer generation && generation > 0) world.generations.put(group, generation);
        if (step.type.name.matches("(Consumer|Streams)GroupHeartbeat") && answer.get("member_epoch") instanceof Integer epoch && epoch > 0) {
            world.generations.put(group, epoch);
            if (step.tree.get("member_id") instanceof String member && !member.isEmpty()) world.member(group, member);
        }
    }

    private void put(Step step, int side) {
        byte[] body = Requests.bytes(step.type.requestSchemas()[step.version], step.tree, sides[side]);
        short key = step.type.apiKey();
        short version = step.version;
        switch (step.damage) {
            case CUT -> body = Arrays.copyOf(body, body.length == 0 ? 0 : step.salt % body.length);
            case LONGER -> body = Arrays.copyOf(body, body.length + 1 + step.salt % 5);
            case VERSION -> version = (short) (step.salt % 3 == 0 ? -1 : step.type.highestSupportedVersion(true) + 1 + step.salt % 3);
            case KEY -> key = (short) (step.salt % 3 == 0 ? -1 : 200 + step.salt);
            default -> { }
        }
        step.lines[side].send(key, version, step.type.requestHeaderVersion(step.version), correlation, body);
        // Nothing answers acks=0: whether the connection lives on shows by the next request.
        if (fenced(step)) step.lines[side].send((short) 18, (short) 0, 1, FENCE, new byte[0]);
    }

    private static boolean fenced(Step step) {
        return Short.valueOf((short) 0).equals(step.tree.get("acks"));
    }

    private Object await(Step step, int side, int millis) throws IOException {
        if (step.answers[side] != null && !"silent".equals(step.answers[side])) return step.answers[side];
        try {
            ByteBuffer frame = step.lines[side].receive(millis);
            if (frame == null) return "silent";
            if (frame.getInt() != FENCE) {
                Object answer = decode(step, frame);
                if (fenced(step)) step.lines[side].receive(millis);
                return answer;
            }
            return "no answer";
        } catch (EOFException closed) {
            return "closed";
        }
    }

    private static Object decode(Step step, ByteBuffer frame) {
        try {
            boolean refused = step.type == ApiMessageType.API_VERSIONS && step.damage == Damage.VERSION;
            int version = refused ? 0 : step.version;
            if (step.type.responseHeaderVersion((short) version) >= 1 && ByteUtils.readUnsignedVarint(frame) != 0) return "tagged fields in the header";
            Map<String, Object> tree = Answers.tree(step.type.responseSchemas()[version].read(frame));
            return frame.hasRemaining() ? frame.remaining() + " bytes too many" : tree;
        } catch (SchemaException | IllegalArgumentException | java.nio.BufferUnderflowException wrong) {
            return "not decodable: " + wrong.getMessage();
        }
    }

    /** Takes the seed's topics away, so that the brokers stay small. */
    void end() throws Exception {
        for (Step step : waiting) for (Side.Line line : step.lines) line.close();
        List<String> names = new ArrayList<>(world.topics);
        names.addAll(List.of(world.fresh + "1", world.fresh + "2", world.fresh + "-not-there"));
        Step step = new Step(ApiMessageType.DELETE_TOPICS, 3, Map.of("topic_names", names, "timeout_ms", 5_000), Damage.NONE, 0);
        for (int side = 0; side < 2; side++) {
            step.lines[side] = sides[side].main();
            put(step, side);
        }
        for (int side = 0; side < 2; side++) await(step, side, Side.PATIENCE);
    }
}
