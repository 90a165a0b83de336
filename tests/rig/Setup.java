import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.message.ApiMessageType;

/** Start of every seed: four topics with records in them, a group with committed offsets, a producer id, one with a transactional id. */
public class Setup {
    static List<Exchange.Step> steps(World world) {
        List<Exchange.Step> steps = new ArrayList<>();
        steps.add(step(ApiMessageType.CREATE_TOPICS, 7, Map.of("timeout_ms", 10_000, "topics", List.of(
            topic(world.topics.get(0), 1, Map.of()), topic(world.topics.get(1), 3, Map.of()),
            topic(world.topics.get(2), 1, Map.of("cleanup.policy", "compact")),
            topic(world.topics.get(3), 1, Map.of("max.message.bytes", "1000", "message.timestamp.type", "LogAppendTime"))))));
        steps.add(step(ApiMessageType.METADATA, 12, Map.of("topics", world.topics.stream().map(name -> Map.of("name", name)).toList())));
        steps.add(step(ApiMessageType.FIND_COORDINATOR, 2, Map.of("key", world.groups.get(0), "key_type", (byte) 0)));
        steps.add(step(ApiMessageType.INIT_PRODUCER_ID, 4, Map.of("transaction_timeout_ms", 60_000, "producer_id", -1L, "producer_epoch", (short) -1)));
        steps.add(step(ApiMessageType.INIT_PRODUCER_ID, 4, Map.of("transactional_id", world.fresh + "txn", "transaction_timeout_ms", 60_000, "producer_id", -1L, "producer_epoch", (short) -1)));
        for (int round = 0; round < 3; round++) {
            List<Object> data = new ArrayList<>();
            for (int n = 0; n < 4; n++) data.add(Map.of("name", world.topics.get(n), "partition_data", List.of(Map.of("index", 0, "records", Batch.good(2 + round)))));
            steps.add(step(ApiMessageType.PRODUCE, 9, Map.of("acks", (short) -1, "timeout_ms", 10_000, "topic_data", data)));
        }
        steps.add(step(ApiMessageType.OFFSET_COMMIT, 8, Map.of("group_id", world.groups.get(0), "generation_id_or_member_epoch", -1, "topics", List.of(
            Map.of("name", world.topics.get(0), "partitions", List.of(Map.of("partition_index", 0, "committed_offset", 4L, "committed_leader_epoch", 0, "committed_metadata", "m"))),
            Map.of("name", world.topics.get(1), "partitions", List.of(Map.of("partition_index", 1, "committed_offset", 0L, "committed_leader_epoch", -1)))))));
        return steps;
    }

    /** Start of a seed of transactions: two of the topics. */
    static List<Exchange.Step> transactions(World world) {
        List<Exchange.Step> steps = new ArrayList<>();
        steps.add(step(ApiMessageType.CREATE_TOPICS, 7, Map.of("timeout_ms", 10_000, "topics", List.of(topic(world.topics.get(0), 1, Map.of()), topic(world.topics.get(1), 3, Map.of())))));
        steps.add(step(ApiMessageType.METADATA, 12, Map.of("topics", world.topics.stream().map(name -> Map.of("name", name)).toList())));
        return steps;
    }

    /** The levels that a new Kafka has. */
    static List<Exchange.Step> features() {
        return List.of(TransactionRequests.feature(1, "transaction.version", 2, 1, false), TransactionRequests.feature(1, "streams.version", 1, 1, false));
    }

    /** Waits until both have what they make on first use: producer ids, the coordinators of groups and of transactions. */
    static void warm(Exchange exchange, World world) throws Exception {
        List<Exchange.Step> all = steps(world);
        Exchange.Step find = step(ApiMessageType.FIND_COORDINATOR, 2, Map.of("key", world.fresh + "txn", "key_type", (byte) 1));
        for (Exchange.Step step : List.of(all.get(0), all.get(2), all.get(3), find, all.get(4), all.get(all.size() - 1))) {
            for (int again = 0; again < 100; again++) {
                exchange.send(step);
                if (!(step.answers[0].toString() + step.answers[1]).matches(".*(COORDINATOR|UNKNOWN_TOPIC).*")) break;
                Thread.sleep(200);
            }
        }
        exchange.end();
    }

    private static Map<String, Object> topic(String name, int partitions, Map<String, String> configs) {
        List<Object> entries = new ArrayList<>();
        configs.forEach((key, value) -> entries.add(Map.of("name", key, "value", value)));
        return Map.of("name", name, "num_partitions", partitions, "replication_factor", (short) 1, "configs", entries);
    }

    private static Exchange.Step step(ApiMessageType type, int version, Map<String, Object> tree) {
        return new Exchange.Step(type, version, new HashMap<>(tree), Exchange.Damage.NONE, 0);
    }
}
