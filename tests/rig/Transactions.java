import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.message.ApiMessageType;

/**
 * Sequences of requests about transactions. Each has one or two transactional ids and two groups of its own. It begins the way
 * clients do, goes on with 3 to 12 requests of which most are right, and ends with requests that show what readers see. Clients of the
 * older protocol, of the newer one, and mixtures of both take turns. A seed has {@link #SEQUENCES}, on the same two topics. One seed
 * in {@link #MOVING} moves features up and down; the others count on the levels of a new Kafka.
 */
final class Transactions {
    /** Sequences of a seed. */
    static final int SEQUENCES = 25;
    private static final int MOVING = 16;
    private static final Map<ApiMessageType, Integer> WEIGHTS = new LinkedHashMap<>();

    static {
        WEIGHTS.put(ApiMessageType.PRODUCE, 30);
        WEIGHTS.put(ApiMessageType.END_TXN, 18);
        WEIGHTS.put(ApiMessageType.TXN_OFFSET_COMMIT, 14);
        WEIGHTS.put(ApiMessageType.ADD_PARTITIONS_TO_TXN, 12);
        WEIGHTS.put(ApiMessageType.ADD_OFFSETS_TO_TXN, 7);
        WEIGHTS.put(ApiMessageType.INIT_PRODUCER_ID, 7);
        WEIGHTS.put(ApiMessageType.FETCH, 4);
        WEIGHTS.put(ApiMessageType.OFFSET_FETCH, 4);
        WEIGHTS.put(ApiMessageType.LIST_OFFSETS, 3);
        WEIGHTS.put(ApiMessageType.OFFSET_COMMIT, 3);
        WEIGHTS.put(ApiMessageType.DESCRIBE_PRODUCERS, 2);
        WEIGHTS.put(ApiMessageType.DESCRIBE_TRANSACTIONS, 2);
        WEIGHTS.put(ApiMessageType.LIST_TRANSACTIONS, 2);
        WEIGHTS.put(ApiMessageType.WRITE_TXN_MARKERS, 1);
        WEIGHTS.put(ApiMessageType.UPDATE_FEATURES, 1);
        WEIGHTS.put(ApiMessageType.DELETE_GROUPS, 1);
        WEIGHTS.put(ApiMessageType.OFFSET_DELETE, 1);
        WEIGHTS.put(ApiMessageType.FIND_COORDINATOR, 1);
    }

    /** Every version of these is sent within some fifty seeds. */
    static final Set<ApiMessageType> APIS = WEIGHTS.keySet();

    private final World world;
    private final Exchange exchange;
    private final Map<ApiMessageType, Served.Api> served = new LinkedHashMap<>();
    private final Deque<Exchange.Step> planned = new ArrayDeque<>();
    private final Map<String, Long> ends = new LinkedHashMap<>();
    /** Producer and partition → what a batch that Kafka refused there left behind, since it last took one. */
    private final Map<String, Remains> remains = new LinkedHashMap<>();
    private List<TransactionRequests.Producer> producers = List.of();
    private TransactionRequests requests;
    private int left;
    /** Sequences begun, in all parts of the seed. */
    private int begun;
    private boolean torn;
    private final boolean moves;
    /** Of this sequence: an InitProducerId named the epoch before the owner's. */
    private boolean initializedLate;
    /** The level of transaction.version. */
    private int level = 2;

    /** `begun` sequences of the seed were in its earlier parts; `moves`: they may move features. */
    Transactions(World world, Exchange exchange, Served served, int begun, boolean moves) {
        this.moves = moves;
        this.world = world;
        this.exchange = exchange;
        this.begun = begun;
        served.apis.forEach(api -> this.served.put(api.type(), api));
    }

    /** True if the seed moves features, which no other may be under way with. */
    static boolean moves(int seed) {
        return seed % MOVING == 0;
    }

    int begun() {
        return begun;
    }

    /** The next request, or null after the last sequence of the seed. */
    Exchange.Step next() throws Exception {
        while (planned.isEmpty()) {
            if (left > 0) {
                left--;
                planned.add(random());
            } else if (requests != null) {
                close();
            } else if (begun < SEQUENCES) {
                begin();
            } else {
                return null;
            }
        }
        Exchange.Step step = planned.poll();
        torn = step.type() == ApiMessageType.WRITE_TXN_MARKERS && meetsOpen(step);
        if (torn) step.note += " of an open transaction";
        note(step);
        if (level < 2) step.note += " at transaction.version " + level;
        return step;
    }

    /** Adds facts about the state before this step, which the list of differences may ask for. */
    private void note(Exchange.Step step) {
        Object id = step.tree.get("transactional_id");
        if (step.type() == ApiMessageType.PRODUCE) each(step, (topic, partition, batch) -> {
            Remains left = remains.get(batch.producer() + " " + partition);
            if (left != null && left.older) step.note += " after a refused batch of the older protocol";
            // A transactional batch is noted before it is judged.
            Remains now = left == null || !batch.transactional() ? left : left.and(new Remains(left.older, batch.epoch(), batch.sequence()));
            if (now != null && now.least < batch.sequence()) step.note += " after a refused batch of a lesser sequence";
            if (batch.transactional() && isOfAnother(batch.producer(), id)) step.note += " with the producer of another id";
        });
        if (step.type() == ApiMessageType.END_TXN && owner(step.tree.get("producer_id")) != null && (Short) step.tree.get("producer_epoch") == owner(step.tree.get("producer_id")).epoch - 1)
            step.note += " of the epoch before the owner's";
        if (step.type() == ApiMessageType.INIT_PRODUCER_ID && owner(step.tree.get("producer_id")) != null && (Short) step.tree.get("producer_epoch") == owner(step.tree.get("producer_id")).epoch - 1)
            initializedLate = true;
        if (initializedLate) step.note += " after an InitProducerId of the epoch before the owner's";
        if (step.type() != ApiMessageType.TXN_OFFSET_COMMIT) return;
        TransactionRequests.Producer owner = owner(step.tree.get("producer_id"));
        Object group = step.tree.get("group_id");
        if (isOfAnother(step.tree.get("producer_id"), id)) step.note += " with the producer of another id";
        if (owner != null && !owner.groups.contains(group) && !owner.groups.isEmpty()) step.note += " while another group takes part";
        if (!world.members.containsKey(group)) step.note += " of a group without members";
    }

    /** Kafka's memory of the refused batches of a producer in a partition (VerificationStateEntry): of the first one's protocol, of the least sequence of the newest epoch. */
    private record Remains(boolean older, short epoch, int least) {
        Remains and(Remains later) {
            if (later.epoch > epoch) return new Remains(older, later.epoch, later.least);
            return new Remains(older, epoch, later.epoch < epoch ? least : Math.min(least, later.least));
        }
    }

    /** True for a producer id that is not of this transactional id. */
    private boolean isOfAnother(Object pid, Object id) {
        TransactionRequests.Producer owner = owner(pid);
        return owner == null ? pid.equals(TransactionRequests.STRANGER) : !owner.id.equals(id);
    }

    /** The transactional id that this producer id belongs to; null if none of the sequence's. */
    private TransactionRequests.Producer owner(Object pid) {
        return producers.stream().filter(producer -> producer.had(pid)).findFirst().orElse(null);
    }

    private void begin() {
        begun++;
        initializedLate = false;
        boolean two = world.chance(25);
        int protocol = world.one(1, 1, 2, 2, 2, 0);
        String name = world.fresh + "-" + begun;
        producers = new ArrayList<>(List.of(new TransactionRequests.Producer(name + "-txn")));
        if (two) producers.add(new TransactionRequests.Producer(name + "-txn2"));
        requests = new TransactionRequests(world, producers, name, protocol, served, ends);
        left = 3 + world.random.nextInt(10);
        if (moves && world.chance(50)) planned.add(requests.step(ApiMessageType.UPDATE_FEATURES));
        for (TransactionRequests.Producer producer : producers) if (world.chance(96)) planned.add(requests.first(producer));
        int group = world.random.nextInt(100);
        if (group < 20) planned.add(requests.consumer());
        else if (group < 38) planned.add(requests.join());
    }

    private Exchange.Step random() {
        int at = world.random.nextInt(WEIGHTS.values().stream().mapToInt(n -> n).sum());
        for (Map.Entry<ApiMessageType, Integer> one : WEIGHTS.entrySet()) {
            at -= one.getValue();
            if (at < 0 && served.containsKey(one.getKey()) && (moves || one.getKey() != ApiMessageType.UPDATE_FEATURES)) return requests.step(one.getKey());
        }
        return requests.step(ApiMessageType.PRODUCE);
    }

    /** Ends what is still open, most of the time, so that the sequences after this one move the last stable offset; then looks. */
    private void close() throws Exception {
        for (TransactionRequests.Producer producer : producers)
            if (exchange.state(producer.id).equals("Ongoing") && world.chance(92)) planned.add(requests.last(producer));
        planned.addAll(requests.views());
        requests = null;
    }

    /** True if a marker of this request names a producer whose transaction is open: Kafka tears that transaction (ADR 14). */
    private boolean meetsOpen(Exchange.Step step) throws Exception {
        for (Object marker : (List<?>) step.tree.get("markers"))
            for (TransactionRequests.Producer producer : producers)
                if (producer.had(((Map<?, ?>) marker).get("producer_id")) && exchange.state(producer.id).equals("Ongoing")) return true;
        return false;
    }

    /** Takes the answers to a step; true if the two brokers are not in the same state any more. */
    boolean learn(Exchange.Step step) throws Exception {
        if (step.type() == ApiMessageType.JOIN_GROUP && planned.isEmpty()) planned.add(requests.sync());
        // A marker by hand may refuse the coordinator's own in Kafka, which then never ends the next transaction.
        if (step.type() == ApiMessageType.WRITE_TXN_MARKERS) left = 0;
        if (torn) return true;
        if (!(step.answers[0] instanceof Map<?, ?> answer)) return false;
        if (step.type() == ApiMessageType.UPDATE_FEATURES) moved(step, answer);
        switch (step.type()) {
            case INIT_PRODUCER_ID, END_TXN -> identity(step, answer);
            case PRODUCE -> sequences(step, answer);
            case ADD_OFFSETS_TO_TXN, TXN_OFFSET_COMMIT -> joined(step, answer);
            case FETCH -> positions(answer);
            default -> { }
        }
        return false;
    }

    /** Waits until the brokers do as the new level says. */
    private void moved(Exchange.Step step, Map<?, ?> answer) throws Exception {
        if (!"NONE".equals(answer.get("error_code")) || answer.toString().contains("results=[{") && !answer.toString().matches(".*results=.*error_code=NONE.*")) return;
        Map<?, ?> update = (Map<?, ?>) ((List<?>) step.tree.get("feature_updates")).get(0);
        if (Boolean.TRUE.equals(step.tree.get("validate_only"))) return;
        int now = (Short) update.get("max_version_level");
        exchange.levels((String) update.get("feature"), now);
        if ("transaction.version".equals(update.get("feature"))) level = now;
    }

    private void identity(Exchange.Step step, Map<?, ?> answer) {
        if (!"NONE".equals(answer.get("error_code"))) return;
        for (TransactionRequests.Producer producer : producers) {
            if (!producer.id.equals(step.tree.get("transactional_id"))) continue;
            producer.groups.clear();
            // An EndTxn of the older protocol tells no producer.
            if (answer.get("producer_id") instanceof Long id && id >= 0) producer.is(exchange.producer(id), (Short) answer.get("producer_epoch"));
        }
    }

    private void sequences(Exchange.Step step, Map<?, ?> answer) {
        each(step, (topic, partition, batch) -> {
            String key = batch.producer() + " " + partition;
            if (!taken(answer, topic, partition)) {
                if (batch.transactional()) remains.merge(key, new Remains(step.version() <= 11, batch.epoch(), batch.sequence()), Remains::and);
                return;
            }
            // Kafka keeps it beside batches outside of transactions.
            if (batch.transactional()) remains.remove(key);
            for (TransactionRequests.Producer producer : producers) producer.wrote(partition, batch);
        });
    }

    /** The group takes part in the transaction, also where the newer protocol's commit was refused by the group, but not for a missing partition. */
    private void joined(Exchange.Step step, Map<?, ?> answer) {
        TransactionRequests.Producer owner = owner(step.tree.get("producer_id"));
        boolean begins = step.type() == ApiMessageType.TXN_OFFSET_COMMIT ? step.version() > 4 && !answer.toString().contains("UNKNOWN_TOPIC") : "NONE".equals(answer.get("error_code"));
        boolean owns = owner != null && owner.id.equals(step.tree.get("transactional_id")) && (Short) step.tree.get("producer_epoch") == owner.epoch;
        if (owns && begins) owner.groups.add(step.tree.get("group_id"));
    }

    private interface Sent {
        void batch(Map<?, ?> topic, String partition, Batch batch);
    }

    /** Calls with every batch of a Produce request, and with the partition as `topic/index`. */
    private void each(Exchange.Step step, Sent sent) {
        for (Object topic : (List<?>) step.tree.get("topic_data"))
            for (Object one : (List<?>) ((Map<?, ?>) topic).get("partition_data"))
                if (((Map<?, ?>) one).get("records") instanceof Batch batch) sent.batch((Map<?, ?>) topic, name((Map<?, ?>) topic) + "/" + ((Map<?, ?>) one).get("index"), batch);
    }

    private boolean taken(Map<?, ?> answer, Map<?, ?> sent, String partition) {
        for (Object topic : (List<?>) answer.get("responses")) {
            Map<?, ?> one = (Map<?, ?>) topic;
            if (!name(one).equals(name(sent))) continue;
            for (Object index : (List<?>) one.get("partition_responses"))
                if (partition.endsWith("/" + ((Map<?, ?>) index).get("index"))) return "NONE".equals(((Map<?, ?>) index).get("error_code"));
        }
        return false;
    }

    private void positions(Map<?, ?> answer) {
        for (Object topic : (List<?>) answer.get("responses"))
            for (Object partition : (List<?>) ((Map<?, ?>) topic).get("partitions")) {
                Map<?, ?> one = (Map<?, ?>) partition;
                String name = name((Map<?, ?>) topic);
                if ("NONE".equals(one.get("error_code")) && !name.isEmpty()) ends.put(name + "/" + one.get("partition_index"), (Long) one.get("high_watermark"));
            }
    }

    /** Name of a topic of a request or of Kafka's answer, by name or by id; empty for any that is not of this seed. */
    private String name(Map<?, ?> topic) {
        for (String field : List.of("name", "topic")) if (topic.get(field) instanceof String name && !name.isEmpty()) return name;
        Object id = exchange.topic(topic.get("topic_id"));
        return world.topicIds.entrySet().stream().filter(one -> one.getValue().equals(id)).map(Map.Entry::getKey).findFirst().orElse("");
    }
}
