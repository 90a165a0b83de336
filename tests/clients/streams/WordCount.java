import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StandbyUpdateListener;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/** The word count of Kafka Streams' introduction: lines in, counts out; asked about itself by lines of JSON on stdin. */
public class WordCount {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** Records read from changelogs, for active and standby tasks. */
    private final AtomicLong restored = new AtomicLong();
    private final AtomicReference<String> fatal = new AtomicReference<>("");
    private final KafkaStreams streams;

    WordCount(String bootstrap, JsonNode settings) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        settings.get("config").fields().forEachRemaining(entry -> config.put(entry.getKey(), entry.getValue().asText()));
        streams = new KafkaStreams(topology(settings.get("lines").asText(), settings.get("counts").asText()), config);
        streams.setGlobalStateRestoreListener(new StateRestoreListener() {
            public void onRestoreStart(TopicPartition from, String store, long start, long end) {}

            public void onBatchRestored(TopicPartition from, String store, long end, long count) {}

            public void onRestoreEnd(TopicPartition from, String store, long count) {
                restored.addAndGet(count);
            }
        });
        streams.setStandbyUpdateListener(new StandbyUpdateListener() {
            public void onUpdateStart(TopicPartition from, String store, long start) {}

            public void onBatchLoaded(TopicPartition from, String store, TaskId task, long batchEnd, long count, long end) {
                restored.addAndGet(count);
            }

            public void onUpdateSuspended(TopicPartition from, String store, long at, long end, SuspendReason reason) {}
        });
        streams.setUncaughtExceptionHandler(error -> {
            fatal.set(error.toString());
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    }

    /** Grouping by another key than the input's takes a repartition topic, counting a store with a changelog topic. */
    private static Topology topology(String lines, String counts) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(lines, Consumed.with(Serdes.String(), Serdes.String()))
                .flatMapValues(line -> List.of(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts")
                        .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
                .toStream()
                .to(counts, Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    private Object answer(String op) {
        switch (op) {
            case "state":
                return Map.of("state", streams.state().toString(), "restored", restored.get(), "fatal", fatal.get());
            case "counts":
                try {
                    return counts();
                } catch (InvalidStateStoreException moving) {
                    return Map.of();
                }
            case "close":
                return streams.close(Duration.ofSeconds(30));
            default:
                throw new IllegalArgumentException(op);
        }
    }

    /** All that the stores of this instance hold. */
    private Map<String, Long> counts() {
        Map<String, Long> found = new TreeMap<>();
        try (var all = streams.store(StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.<String, Long>keyValueStore())).all()) {
            all.forEachRemaining(entry -> found.put(entry.key, entry.value));
        }
        return found;
    }

    public static void main(String[] arguments) throws Exception {
        WordCount count = new WordCount(arguments[1], JSON.readTree(arguments[2]));
        count.streams.start();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            System.out.println(JSON.writeValueAsString(Map.of("ok", count.answer(JSON.readTree(line).get("op").asText()))));
        }
        System.exit(0);
    }
}
